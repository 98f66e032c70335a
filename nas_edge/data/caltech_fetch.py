"""Caltech-101 from its archive, given or downloaded, into torchvision's layout.

The archive is checked against the MD5 that torchvision checks, and unpacked whole or not at all.
"""

from __future__ import annotations

import errno
import http.client
import os
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

from nas_edge.data.archive import UnpackLimits, md5_of, unpack
from nas_edge.data.caltech import BACKGROUND, CATEGORIES_FOLDER
from nas_edge.data.folder import list_classes
from nas_edge.data.whole_folder import whole_folder
from nas_edge.errors import DataError, EnvironmentProblem

# As torchvision's Caltech101 has them: the zip file since 0.17, the tar file up to 0.16.
URL = "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip"
ZIP_NAME, TAR_NAME = "caltech-101.zip", "101_ObjectCategories.tar.gz"
MD5 = {
    ZIP_NAME: "3138e1922a9193bfa496528edbbc45d0",
    TAR_NAME: "b224c7392d521a49829488ab0f1120d9",
}
LIMITS = UnpackLimits()

_SILENCE_S = 60.0
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_FREE_BYTES = 200 << 20  # what the images need, and a little more
Download = Callable[[str, str, str, str], None]


@dataclass(frozen=True)
class Fetched:
    """Where the categories lie, and how many files were unpacked; 0: they were there already."""

    folder: Path
    num_files: int


def fetch_caltech101(
    out: Path,
    *,
    download: Download,
    archive: Optional[Path] = None,
    any_hash: bool = False,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Fetched:
    """Make `out/caltech101/101_ObjectCategories`, as torchvision has it.

    Args:
        out: The folder in which it will lie.
        download: Called with URL, folder, name and MD5 if need be: torchvision's `download_url`.
        archive: caltech-101.zip or 101_ObjectCategories.tar.gz; None: the one that lies in
            `out/caltech101`, or else a download.
        any_hash: Whether another archive than the published ones is taken.
        on_progress: Receives a line for a person now and then.
    Raises:
        DataError: If the archive is not what it should be, or something is in its place.
        EnvironmentProblem: If it cannot be downloaded, or the disk is full or cannot be written.
    """
    place = out / "caltech101"
    target = place / CATEGORIES_FOLDER
    _require_no_file(target)
    if target.is_dir():
        _require_categories(target)
        return Fetched(target, 0)
    given = archive or _lying_there(place)
    found = given or _downloaded(place, download, on_progress)
    _check_hash(found, any_hash)
    on_progress(f"unpacking {found}")
    with whole_folder(target, _FREE_BYTES, "the images") as partial:
        num_files = unpack(found, TAR_NAME, CATEGORIES_FOLDER, partial, LIMITS)
    if given is None:
        found.unlink()
    return Fetched(target, num_files)


def _require_no_file(folder: Path) -> None:
    """Refuse a place that a file, or a link to nothing, keeps from being a folder."""
    for path in (folder, *folder.parents):
        if os.path.lexists(path) and not os.path.isdir(path):
            raise DataError(
                f"{path}: must be a folder or new, but is a file; remove it, or use --out for "
                "another folder"
            )


def _require_categories(folder: Path) -> None:
    """Refuse to take a folder without images for the set."""
    listed = list_classes(folder, leave_out=(BACKGROUND,))
    num_filled = sum(bool(images) for images in listed.values())
    if num_filled < 2:
        raise DataError(
            f"{folder}: must hold at least two categories with images to be Caltech-101, but holds "
            f"{num_filled}; remove it and run the same command again"
        )


def _lying_there(place: Path) -> Optional[Path]:
    return next((place / name for name in MD5 if (place / name).is_file()), None)


def _check_hash(path: Path, any_hash: bool) -> None:
    found = md5_of(path)
    if found not in MD5.values() and not any_hash:
        known = " or ".join(f"{md5} ({name})" for name, md5 in MD5.items())
        raise DataError(
            f"{path}: must be Caltech-101 as published, MD5 {known}, but its MD5 is {found}; get "
            "it again, or take it as it is with --any-hash"
        )


def _downloaded(place: Path, download: Download, on_progress: Callable[[str], None]) -> Path:
    """Download beside its place, so that half a file is never taken for the archive."""
    unfinished = place / ".download"
    waited = socket.getdefaulttimeout()
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir(parents=True)
    except OSError as err:
        raise _unwritable(place, err) from err
    try:
        on_progress(f"downloading {URL} (131 MiB)")
        socket.setdefaulttimeout(_SILENCE_S)  # the download has no limit of its own
        download(URL, str(unfinished), ZIP_NAME, MD5[ZIP_NAME])
        os.replace(unfinished / ZIP_NAME, place / ZIP_NAME)
    except (OSError, RuntimeError, http.client.HTTPException) as err:
        if isinstance(err, OSError) and err.errno in _DISK_ERRORS:
            raise _unwritable(place, err) from err
        raise _no_download(place, str(err) or type(err).__name__) from err
    finally:
        socket.setdefaulttimeout(waited)
        shutil.rmtree(unfinished, ignore_errors=True)
    return place / ZIP_NAME


def _unwritable(place: Path, err: OSError) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{place}: cannot be written ({err.strerror or err}); mend that, or use --out for another "
        "folder"
    )


def _no_download(place: Path, reason: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{URL}: cannot be downloaded ({reason}); on a machine with a network get it from there "
        f"(131 MiB, MD5 {MD5[ZIP_NAME]}), put it at {place / ZIP_NAME}, and run the same command "
        "again"
    )
