"""Folders and files that appear whole or not at all: written beside their place, moved there."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator

from nas_edge.errors import DataError, EnvironmentProblem


@contextmanager
def whole_folder(folder: Path, num_bytes: int, what: str = "the decoded images") -> Iterator[Path]:
    """Yield a new folder to write into; it replaces ``folder`` once nothing went wrong.

    What a kill leaves behind is removed by the next attempt.

    Args:
        folder: Where it will lie.
        num_bytes: How much will be written.
        what: What will be written, for errors.
    Raises:
        EnvironmentProblem: If the disk is full or cannot be written.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        _check_free(folder, partial, num_bytes, what)
        yield partial
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(partial, folder)
    except OSError as err:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(err, EnvironmentProblem):
            raise
        raise EnvironmentProblem(f"{folder}: cannot be written ({_reason(err)})") from err
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield a folder to write into; it takes a user's new path once nothing went wrong.

    Unlike `whole_folder` it never removes what it did not make.

    Args:
        target: A path that does not exist yet, or an empty folder.
    Raises:
        DataError: If something is there.
        EnvironmentProblem: If the disk is full or cannot be written.
    """
    require_vacant(target)
    place = Path(os.path.abspath(target))  # so that `.` has a name and a parent
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
        try:
            # mkdtemp makes a private folder; this one gets the rights that any new folder gets.
            whole = unfinished / place.name
            whole.mkdir()
            yield whole
            if place.exists():
                place.rmdir()
            whole.rename(place)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as err:
        if isinstance(err, EnvironmentProblem):
            raise
        raise EnvironmentProblem(
            f"{target}: cannot be written ({_reason(err)}); mend that, or choose another path"
        ) from err


def require_vacant(target: Path) -> None:
    """Refuse a path where something is.

    Raises:
        DataError: If it is neither new nor an empty folder.
        EnvironmentProblem: If that cannot be found out.
    """
    try:
        if target.is_dir() and not target.is_symlink() and not any(target.iterdir()):
            return
        is_there = target.exists() or target.is_symlink()
    except OSError as err:
        raise EnvironmentProblem(f"{target}: cannot be read ({_reason(err)})") from err
    if is_there:
        raise DataError(
            f"{target}: must be new or an empty folder, but is there already; choose another "
            "path or remove it"
        )


def _reason(err: OSError) -> str:
    return "the disk is full" if err.errno == errno.ENOSPC else err.strerror or str(err)


def _check_free(folder: Path, partial: Path, num_bytes: int, what: str) -> None:
    free = shutil.disk_usage(partial).free
    if free < num_bytes * 1.05:
        raise EnvironmentProblem(
            f"{folder}: {what} need {num_bytes / 2**20:.0f} MiB, but the disk has "
            f"{free / 2**20:.0f} MiB left; free some or use --out on another disk"
        )


def reserve(path: Path) -> None:
    """Give a sparse file its disk space now, and keep its contents.

    Writing to a memory map of a sparse file on a full disk kills the process (SIGBUS).

    Raises:
        OSError: If the disk is full.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    with open(path, "r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, os.path.getsize(path))
        except OSError as err:
            if err.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # some file systems cannot
                raise


def write_whole_file(path: Path, contents: bytes) -> None:
    """Write a file that a kill leaves whole or not at all.

    Raises:
        OSError: If the disk is full or cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(contents)
        os.replace(partial, path)
    except OSError:
        with suppress(OSError):
            partial.unlink()
        raise


def sync(path: Path) -> None:
    """Return once a file's contents are on the disk, safe from a power cut."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
