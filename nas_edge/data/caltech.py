"""Caltech-101 on disk: where its categories lie, and which of them are classes.

The archive holds 101 categories of objects and BACKGROUND_Google, pictures of anything. The 9,146
images that are commonly named count the background too; the objects have 8,677. `torchvision`
leaves the background out as well.
"""

from __future__ import annotations

import os
from pathlib import Path

from nas_edge.data.folder import SPLITS, ImageFiles, scan_classes
from nas_edge.errors import DataError, EnvironmentProblem

CATEGORIES_FOLDER = "101_ObjectCategories"
BACKGROUND = "BACKGROUND_Google"
# torchvision's layout, that of the zip file, the unpacked tar file.
_PLACES = (
    f"caltech101/{CATEGORIES_FOLDER}",
    f"caltech-101/{CATEGORIES_FOLDER}",
    CATEGORIES_FOLDER,
)


def find_categories(root: Path) -> Path:
    """Return the folder that holds the categories, at or below a folder that a user named.

    Raises:
        DataError: If there is none; it says what was looked for.
    """
    for place in _PLACES:
        if (root / place).is_dir():
            return root / place
    try:
        names = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
    except OSError as err:
        raise EnvironmentProblem(f"{root}: cannot be read ({err.strerror or err})") from err
    names = [name for name in names if not name.startswith(".")]
    if any(name in SPLITS for name in names):
        raise DataError(
            f"{root}: has splits of its own ({', '.join(names)}), which Caltech-101 has not; "
            "give the folder of its categories, or in a study file data.source: folder"
        )
    if len(names) >= 2:
        return root
    raise DataError(
        f"{root}: must hold {CATEGORIES_FOLDER}/ or Caltech-101's categories themselves, but holds "
        f"{', '.join(names) or 'no folder'}; `nas-edge data fetch caltech101 --out {root}` gets it"
    )


def scan_categories(folder: Path, background: bool) -> ImageFiles:
    """Return the images of the categories.

    Args:
        folder: What holds the categories.
        background: Whether BACKGROUND_Google is one of them.
    Raises:
        DataError: If it is to be one and is not there, or a category has no image.
    """
    if background and not (folder / BACKGROUND).is_dir():
        raise DataError(
            f"{folder}: must hold {BACKGROUND} where data.background is true, but does not; set "
            "it to false"
        )
    return scan_classes(folder, leave_out=() if background else (BACKGROUND,))
