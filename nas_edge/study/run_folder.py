"""The folder of a run: where everything of one study lies, and who may write to it.

run.json            what this run is (format, study name, storage), written first
study.yaml          the resolved study file
study.db            Optuna's storage, unless another was given
candidates/0007/    architecture.yaml, history.csv, curve.png, measurement.json, log.txt
artifacts/          the same for Optuna's dashboard
cache/              the decoded images
finalists/          the best trained again from new seeds, a run of its own
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Optional, Union

from filelock import FileLock, Timeout

from nas_edge.errors import ConfigError, EnvironmentProblem, NasEdgeError, StudyError
from nas_edge.study.storage import check_url, mask

FORMAT = 1
_FULL_OR_BROKEN = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
_NOT_THERE = (
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.ENOENT,
    errno.ESTALE,
    errno.ENODEV,
    errno.ENXIO,
)
_UNFINISHED = (".lock", ".run.json.*partial")  # what a run that was cut off at its start leaves


@dataclass(frozen=True)
class RunFolder:
    """An opened run folder.

    ``worker`` names it among those that share a storage; ``is_part`` says that it lies in another
    run's, where no --out leads elsewhere.
    """

    path: Path
    study_name: str
    worker: str
    storage_url: Optional[str]
    is_part: bool = False

    @property
    def database_url(self) -> str:
        """The storage's URL; the run's own SQLite file unless another was given."""
        return self.storage_url or f"sqlite:///{(self.path / 'study.db').resolve()}"

    @property
    def artifacts(self) -> Path:
        """The folder of Optuna's artifact store."""
        return self.path / "artifacts"

    @property
    def cache(self) -> Path:
        """The folder of decoded images."""
        return self.path / "cache"

    @property
    def finalists(self) -> Path:
        """The folder of the run's finalists, a run itself."""
        return self.path / "finalists"

    @property
    def anew(self) -> str:
        """What to do where the study cannot go on."""
        if self.is_part:
            return "remove the folder to train anew"
        return "start another study with --out"

    def candidate(self, number: int) -> Path:
        """Return the folder of a trial."""
        return self.path / "candidates" / f"{number:04d}"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run, so that no other process works in its folder.

        Raises:
            StudyError: If another process works in this folder.
            EnvironmentProblem: If the folder cannot be written.
        """
        lock = FileLock(str(self.path / ".lock"), timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise StudyError(
                f"{self.path}: another process is running this study; wait for it"
                + ("" if self.is_part else ", or give this one a folder of its own with --out")
            ) from None
        except OSError as err:
            raise unwritable(self.path, err) from err
        try:
            yield
        finally:
            lock.release()


def check_place(path: Path, advice: str) -> None:
    """See that a database URL can name a run's folder.

    Raises:
        ConfigError: If it cannot.
    """
    place = str(path.resolve())
    if "?" in place or not place.isprintable():
        raise ConfigError(
            f"{place.encode('utf-8', 'replace').decode()}: the path of a run's folder must have no "
            f"'?' and only characters that can be printed; {advice}"
        )


def create_or_open(path: Path, study_name: str, storage_url: Optional[str]) -> RunFolder:
    """Return the run folder, made if it is not there.

    Raises:
        StudyError: If the folder holds something else, another study, or another storage's run.
        ConfigError: If a database URL cannot name its path.
        EnvironmentProblem: If it cannot be written.
    """
    check_place(path, "use --out")
    try:
        folder = _find_or_make(path, study_name, storage_url)
    except OSError as err:
        raise unwritable(path, err) from err
    if folder.study_name != study_name:
        raise StudyError(
            f"{path}: holds the study {folder.study_name!r}, not {study_name!r}; "
            "use --out for another folder"
        )
    if storage_url is not None and storage_url != folder.database_url:
        raise StudyError(
            f"{path}: keeps its trials in {mask(folder.database_url)}, not in "
            f"{mask(storage_url)}; leave --storage out, or use --out for another folder"
        )
    return folder


def _find_or_make(path: Path, study_name: str, storage_url: Optional[str]) -> RunFolder:
    if (path / "run.json").exists():
        return open_folder(path)
    if path.is_dir() and not all(map(_is_unfinished, path.iterdir())):
        raise StudyError(
            f"{path}: must be empty or a run of nas-edge, but holds other files; use --out"
        )
    if storage_url is not None:
        check_url(storage_url)
    path.mkdir(parents=True, exist_ok=True)
    # Of two that start at once, one makes the run and the other finds it.
    with FileLock(str(path / ".lock"), timeout=10):
        if (path / "run.json").exists():
            return open_folder(path)
        folder = RunFolder(path, study_name, uuid.uuid4().hex[:12], storage_url)
        data = {
            "format": FORMAT,
            "study": study_name,
            "worker": folder.worker,
            "storage": storage_url,
        }
        write_whole(path / "run.json", json.dumps(data, indent=1), private=True)
    return folder


def _is_unfinished(entry: Path) -> bool:
    return any(entry.match(pattern) for pattern in _UNFINISHED)


def open_folder(path: Path) -> RunFolder:
    """Return a run folder that is there.

    Raises:
        StudyError: If it is no run, or one of another version.
    """
    file = path / "run.json"
    if not file.is_file():
        what = "there is no such folder" if not path.exists() else "it holds no run.json"
        raise StudyError(
            f"{path}: must be the folder of a run, as nas-edge run makes it (runs/NAME), but {what}"
        )
    try:
        data: Dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise StudyError(
                f"{file}: was written by another version of nas-edge (format {data['format']}, "
                f"this one reads {FORMAT}); use that version, or start anew with --out"
            )
        return RunFolder(path, data["study"], data["worker"], data["storage"])
    except (ValueError, KeyError, TypeError) as err:
        if isinstance(err, StudyError):
            raise
        raise StudyError(
            f"{file}: is damaged ({type(err).__name__}: {err}); start anew with --out"
        ) from err
    except OSError as err:
        raise EnvironmentProblem(f"{file}: cannot be read ({err.strerror or err})") from err


def write_whole(path: Path, contents: Union[str, bytes], private: bool = False) -> None:
    """Write a file that a crash or a power cut leaves either as it was or whole.

    Raises:
        OSError: If the disk is full or the folder cannot be written; nothing has changed then.
    """
    # A name of its own: another process may be writing the same file.
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        with open(partial, "xb") as file:
            if private:
                os.chmod(partial, 0o600)  # a storage URL may hold a password
            file.write(contents.encode("utf-8") if isinstance(contents, str) else contents)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def read_json(path: Path) -> Optional[Mapping[str, Any]]:
    """Return a JSON file's mapping, or None if there is no whole one."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full disk, or a folder that cannot be written, into one line."""
    try:
        yield
    except NasEdgeError:
        raise
    except OSError as err:
        if not _concerns(path, err):
            raise  # the evaluator's own, e.g. a connection that was refused
        raise unwritable(path, err) from err


def _concerns(path: Path, err: OSError) -> bool:
    if not isinstance(err.filename, (str, bytes, os.PathLike)):
        return err.errno in _FULL_OR_BROKEN
    file, folder = os.path.abspath(os.fsdecode(err.filename)), os.path.abspath(path)
    if os.path.commonpath([file, folder]) != folder:
        return False
    return err.errno in _FULL_OR_BROKEN or err.errno in _NOT_THERE


def unwritable(path: Path, err: OSError) -> EnvironmentProblem:
    """Return the error that says why a run folder cannot be written."""
    why = "the disk is full" if err.errno == errno.ENOSPC else err.strerror or str(err)
    return EnvironmentProblem(
        f"{path}: cannot be written ({why}); mend that and run the same command again, "
        "or use --out for another folder"
    )
