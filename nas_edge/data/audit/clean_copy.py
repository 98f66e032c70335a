"""A selection in, a new folder of images out, with a list of what was left out.

The list is ``left_out.csv`` beside the folders of splits or classes, where neither a study nor an
audit looks: they take folders only.
"""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import BinaryIO, Callable, Optional

from nas_edge.config.units import format_bytes
from nas_edge.data.audit.listing import Listing
from nas_edge.data.audit.selection import Selection
from nas_edge.data.whole_folder import new_folder, require_vacant
from nas_edge.errors import DataError, EnvironmentProblem

LEFT_OUT_FILE = "left_out.csv"


def require_place_for_copy(root: Path, out: Path) -> None:
    """Refuse a place where a copy of ``root`` must not lie.

    Raises:
        DataError: If something is there, or it is inside ``root``, where it would become a class.
    """
    source, target = root.resolve(), out.resolve()
    if target == source or source in target.parents:
        raise DataError(f"{out}: must not be inside {root}; choose another path")
    require_vacant(out)


def write_clean_copy(
    listing: Listing,
    selection: Selection,
    out: Path,
    on_progress: Optional[Callable[[int, int], None]] = None,
) -> Path:
    """Copy the files that are kept to a new folder, whole or not at all.

    Files keep their names and places below the folder.

    Args:
        listing: The folder that was audited.
        selection: What is kept of it.
        out: A new path or an empty folder, outside the audited one.
        on_progress: Called with files done and files in all.
    Returns:
        The list of what was left out.
    Raises:
        DataError: If nothing is kept, or ``out`` is taken or inside the audited folder.
        EnvironmentProblem: If it cannot be written.
    """
    if not selection.kept:
        raise DataError(f"{listing.root}: no image would be left; mend the folder by hand")
    require_place_for_copy(listing.root, out)
    num_bytes = sum(_size(file.path) for file in selection.kept)
    with new_folder(out) as folder:
        _require_space(folder, num_bytes, out)
        for done, file in enumerate(selection.kept, start=1):
            target = _free(folder / file.path.relative_to(listing.root))
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(file.path, target)
            if on_progress and (done % 64 == 0 or done == len(selection.kept)):
                on_progress(done, len(selection.kept))
        list_file = _free(folder / LEFT_OUT_FILE)
        _write_list(listing, selection, list_file)
    return out / list_file.name


def _require_space(folder: Path, num_bytes: int, out: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < num_bytes:
        raise EnvironmentProblem(
            f"{out}: the copies need {format_bytes(num_bytes)}, but the disk has "
            f"{format_bytes(free)} left; free some or choose another disk"
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as err:
        raise _gone(path, err) from err


def _copy(source: Path, target: Path) -> None:
    with _open(source) as file, open(target, "xb") as copy:
        shutil.copyfileobj(file, copy, 2**20)


def _open(source: Path) -> BinaryIO:
    try:
        return open(source, "rb")
    except OSError as err:
        raise _gone(source, err) from err


def _gone(path: Path, err: OSError) -> EnvironmentProblem:
    reason = err.strerror or str(err)
    return EnvironmentProblem(f"{path}: cannot be read any more ({reason}); audit again")


def _free(path: Path) -> Path:
    """Return a path that nothing has yet.

    Names that differ in their case alone are one where the file system does not tell them apart,
    and a class may be called like the list.
    """
    number = 1
    free = path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


def _write_list(listing: Listing, selection: Selection, path: Path) -> None:
    # Names of files need not be UTF-8.
    with open(path, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "split", "class", "reason", "detail"])
        for one in selection.left_out:
            name = listing.name(one.file)
            rows.writerow([name, one.file.split, one.file.label, one.reason, one.detail])
