"""Image folders in, lists of files with labels out. Nothing is decoded here.

Two layouts: ``DIR/{train,val,test}/<class>/*`` (test may be missing), or ``DIR/<class>/*``, which
is then split by `nas_edge.data.split`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Tuple

from nas_edge.errors import DataError, EnvironmentProblem

SPLITS = ("train", "val", "test")
SPLIT_LIKE = (*SPLITS, "training", "valid", "validation", "testing")
EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm")


@dataclass(frozen=True)
class ImageFiles:
    """Files of one split: ``paths[i]`` has label ``labels[i]``, an index into ``class_names``."""

    class_names: Tuple[str, ...]
    paths: Tuple[Path, ...]
    labels: Tuple[int, ...]


def require_folder(root: Path) -> None:
    """Refuse what is no folder.

    Raises:
        DataError: If there is nothing, or a file.
        EnvironmentProblem: If that cannot be found out.
    """
    try:
        is_folder, is_there = root.is_dir(), root.exists()
    except OSError as err:
        raise EnvironmentProblem(f"{root}: cannot be read ({err.strerror})") from err
    if not is_folder:
        what = "is a file" if is_there else "there is no such folder"
        raise DataError(f"{root}: must be a folder of images, but {what}")


def is_split_layout(root: Path) -> bool:
    """Return whether the folder has split folders of its own."""
    return any((root / split).is_dir() for split in SPLITS)


def refuse_misnamed_splits(root: Path) -> None:
    """Refuse e.g. ``Training`` and ``validation``, which would pass for two classes.

    Raises:
        DataError: If every folder is named like a split.
    """
    names = [entry.name for entry in _entries(root) if _is_folder(entry)]
    if names and all(name.lower() in SPLIT_LIKE for name in names):
        raise DataError(
            f"{root}: must name its splits train, val and test, but has {', '.join(names)}; "
            "rename them"
        )


def scan_splits(root: Path) -> Dict[str, ImageFiles]:
    """Return the files of ``root/{train,val,test}/<class>/``.

    Raises:
        DataError: If a split or class is missing or empty, or splits have different classes.
    """
    if not all((root / split).is_dir() for split in ("train", "val")):
        raise DataError(
            f"{root}: must have the folders 'train' and 'val', but has {_names(root)}; "
            "or give one folder of classes, which is then split"
        )
    found = {name: scan_classes(root / name) for name in SPLITS if (root / name).is_dir()}
    expected = found["train"].class_names
    for name, files in found.items():
        if files.class_names != expected:
            raise DataError(
                f"{root / name}: must have the classes of train ({', '.join(expected)}), "
                f"but has {', '.join(files.class_names)}"
            )
    return found


def scan_classes(folder: Path, leave_out: Tuple[str, ...] = ()) -> ImageFiles:
    """Return the files of ``folder/<class>/``, classes and files in the order of their names.

    Args:
        folder: The folder of classes.
        leave_out: Names of folders that are no classes.
    Raises:
        DataError: If the folder is missing, has fewer than two classes, or a class has no image.
    """
    listed = list_classes(folder, leave_out)
    if len(listed) < 2:
        raise DataError(
            f"{folder}: must hold at least two folders, one a class, but holds {len(listed)}"
            + "".join(f" ({name})" for name in listed)
        )
    paths: List[Path] = []
    labels: List[int] = []
    for label, (name, images) in enumerate(listed.items()):
        if not images:
            raise DataError(
                f"{folder / name}: must hold at least one image ({', '.join(EXTENSIONS)}), but "
                "holds none; add images or remove the folder"
            )
        paths.extend(images)
        labels.extend([label] * len(images))
    return ImageFiles(tuple(listed), tuple(paths), tuple(labels))


def list_classes(folder: Path, leave_out: Tuple[str, ...] = ()) -> Dict[str, List[Path]]:
    """Return the images of each folder in ``folder``, of which there may be none at all.

    Args:
        folder: The folder of classes.
        leave_out: Names of folders that are no classes.
    Raises:
        DataError: If the folder is missing, or holds a link that leads nowhere else.
    """
    folders = [e for e in _entries(folder) if e.name not in leave_out and _is_folder(e)]
    return {entry.name: _images(Path(entry.path)) for entry in folders}


def _images(folder: Path, above: Tuple[str, ...] = ()) -> List[Path]:
    """Return the images below a class folder, its subfolders included."""
    place = os.path.realpath(folder)
    if place in above:
        raise DataError(f"{folder}: must not link to a folder above it; remove the link")
    images: List[Path] = []
    for entry in _entries(folder):
        if _is_folder(entry):
            images.extend(_images(Path(entry.path), (*above, place)))
        elif entry.name.lower().endswith(EXTENSIONS):
            images.append(Path(entry.path))
    return images


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as err:  # a link to itself
        raise DataError(f"{entry.path}: cannot be read ({err.strerror}); remove it") from err


def _entries(folder: Path) -> List[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted((e for e in entries if not e.name.startswith(".")), key=lambda e: e.name)
    except FileNotFoundError:
        raise DataError(f"{folder}: there is no such folder") from None
    except NotADirectoryError:
        raise DataError(f"{folder}: must be a folder of images, but is a file") from None
    except OSError as err:
        raise EnvironmentProblem(f"{folder}: cannot be read ({err.strerror or err})") from err


def _names(folder: Path) -> str:
    return ", ".join(entry.name for entry in _entries(folder)) or "nothing"
