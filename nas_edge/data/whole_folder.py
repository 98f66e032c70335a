"""Folders and files that appear whole or not at all: written beside their place, moved there."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator

from nas_edge.errors import EnvironmentProblem


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
        reason = "the disk is full" if err.errno == errno.ENOSPC else err.strerror or str(err)
        raise EnvironmentProblem(f"{folder}: cannot be written ({reason})") from err
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


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
