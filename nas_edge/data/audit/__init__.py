"""What is wrong with a folder of images, and a copy of it in which it is mended."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Callable, Optional, Union

from nas_edge.data.audit.clean_copy import require_place_for_copy, write_clean_copy
from nas_edge.data.audit.findings import Audit, NearGroup
from nas_edge.data.audit.frame import audit_frame
from nas_edge.data.audit.listing import ListedFile, Listing, list_for_audit
from nas_edge.data.audit.near import NEAR_DISTANCE, find_neighbours
from nas_edge.data.audit.reading import read_files
from nas_edge.data.audit.selection import LeftOut, Selection, empty_classes, select_clean
from nas_edge.data.audit.summary import audit_to_dict, sizes_of
from nas_edge.errors import EnvironmentProblem

__all__ = [
    "NEAR_DISTANCE",
    "Audit",
    "LeftOut",
    "ListedFile",
    "Listing",
    "NearGroup",
    "Selection",
    "audit_folder",
    "audit_frame",
    "audit_to_dict",
    "empty_classes",
    "list_for_audit",
    "require_place_for_copy",
    "select_clean",
    "sizes_of",
    "write_clean_copy",
]


def audit_folder(
    root: Union[str, Path],
    *,
    distance: int = NEAR_DISTANCE,
    on_progress: Optional[Callable[[int, int], None]] = None,
) -> Audit:
    """Read every image of a folder and look for what would spoil a study.

    Args:
        root: ``root/{train,val,test}/<class>/``, or ``root/<class>/``.
        distance: Two images are near if at most so many of their hashes' 256 bits differ.
        on_progress: Called with files read and files in all.
    Raises:
        DataError: If there is no such folder, or no image in it.
        EnvironmentProblem: If the folder cannot be read.
    """
    for package in ("imagehash", "scipy"):
        if find_spec(package) is None:
            raise EnvironmentProblem(f"an audit needs {package}; pip install {package}")
    listing = list_for_audit(Path(root))
    readings = read_files([file.path for file in listing.files], on_progress)
    hashes = [content.hash_bits for content in readings.contents.values()]
    return Audit(listing, readings, find_neighbours(hashes, distance), distance)
