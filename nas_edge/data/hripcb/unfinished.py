"""The folder that a set grows in: kept across kills, refused to other options, moved when whole.

It lies beside the set's place as `<name>.partial`, so that half a set is never taken for one.
"""

from __future__ import annotations

import errno
import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional

from nas_edge.data.whole_folder import sync, write_whole_file
from nas_edge.errors import DataError, EnvironmentProblem

RECORD = "preparation.json"
# What the rest of a record follows from.
_DECIDING = ("format", "options", "source", "pillow")
Record = Mapping[str, Any]


@contextmanager
def growing_folder(target: Path, record: Record) -> Iterator[Optional[Path]]:
    """Yield the folder to write into, or None where the set is whole already.

    Args:
        target: The set's place: new, empty, or what an equal record made.
        record: What decides the set; written down with it.
    Raises:
        DataError: If another record, or something else, is there; or from within, with a word of
            what is left behind.
        EnvironmentProblem: If it cannot be written.
    """
    from filelock import FileLock, Timeout

    target = Path(os.path.abspath(target))
    partial = target.with_name(f"{target.name}.partial")
    try:
        if _is_whole(target, record):
            yield None
            return
        partial.mkdir(parents=True, exist_ok=True)
        with FileLock(str(partial / ".lock"), timeout=0):
            _begin(partial, record)
            with _told_what_is_left(partial):
                yield partial
            _finish(partial, target)
    except Timeout as err:
        raise DataError(f"{target}: another process is writing it; wait for that one") from err
    except OSError as err:
        if isinstance(err, EnvironmentProblem):
            raise
        why = "the disk is full" if err.errno == errno.ENOSPC else err.strerror or str(err)
        left = f"goes on with {partial}" if os.path.isdir(partial) else "goes on"
        raise EnvironmentProblem(
            f"{target}: cannot be written ({why}); mend that and run the same command again, "
            f"which {left}, or use --out for another folder"
        ) from err


@contextmanager
def _told_what_is_left(partial: Path) -> Iterator[None]:
    try:
        yield
    except DataError as err:
        raise DataError(
            f"{err}; what is cut so far lies in {partial}: remove that folder too, unless the "
            "source becomes what it was"
        ) from err


def _is_whole(target: Path, record: Record) -> bool:
    if not (target.exists() or target.is_symlink()):
        return False
    if target.is_dir() and not any(target.iterdir()):
        return False
    stored = _read(target / RECORD)
    if stored is None:
        raise DataError(
            f"{target}: must be new, empty, or what the same command made, but holds something "
            "else; use --out for another folder"
        )
    _check_same(stored, record, target, "was made")
    return True


def _begin(partial: Path, record: Record) -> None:
    stored = _read(partial / RECORD)
    if stored is not None:
        _check_same(stored, record, partial, "was begun")
    elif any(not entry.name.startswith(".") for entry in partial.iterdir()):
        raise DataError(
            f"{partial}: must be what the same command began, but holds something else; remove "
            "it, or use --out for another folder"
        )
    else:
        text = json.dumps(record, indent=1, sort_keys=True) + "\n"
        write_whole_file(partial / RECORD, text.encode())
        sync(partial / RECORD)


def _finish(partial: Path, target: Path) -> None:
    (partial / ".lock").unlink()
    if target.exists():
        target.rmdir()
    os.replace(partial, target)


def _read(path: Path) -> Optional[Record]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def _check_same(stored: Record, record: Record, folder: Path, what: str) -> None:
    differences = _differences(stored, record)
    if not differences:
        return
    shown = "; ".join(differences)
    if all(one.startswith("options.") for one in differences):
        problem = f"with other options: {shown}; give those again, remove the folder,"
    elif any(one.startswith("source.") for one in differences):
        problem = f"from other files, the source's have changed since: {shown}; remove the folder,"
    else:
        problem = f"by other versions: {shown}; remove the folder,"
    raise DataError(f"{folder}: {what} {problem} or use --out for another one")


def _differences(stored: Record, record: Record) -> List[str]:
    old, new = _flat(stored), _flat(record)
    return [
        f"{key} was {old.get(key)!r} and is now {new.get(key)!r}"
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]


def _flat(record: Record) -> Dict[str, Any]:
    flat: Dict[str, Any] = {}
    for key in _DECIDING:
        value = record.get(key)
        if isinstance(value, dict):
            flat.update({f"{key}.{name}": one for name, one in value.items()})
        else:
            flat[key] = value
    return flat
