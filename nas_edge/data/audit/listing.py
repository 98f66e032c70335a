"""A folder of images in, every file with its split and class out; gaps are noted, not refused.

The layouts are those of `nas_edge.data.folder`. Nothing is read but names.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, Tuple

from nas_edge.data.folder import (
    SPLITS,
    is_split_layout,
    list_classes,
    refuse_misnamed_splits,
    require_folder,
)
from nas_edge.errors import DataError

UNSPLIT = "all"  # the one split of a folder of classes
Listed = Mapping[str, Mapping[str, List[Path]]]


@dataclass(frozen=True)
class ListedFile:
    """A file, its split, and the class whose folder it lies in."""

    path: Path
    split: str
    label: str


@dataclass(frozen=True)
class Listing:
    """The files of a folder, in the order of splits, classes and names.

    ``gaps`` says, in a line each, why `nas-edge run` would not take the folder as it is.
    """

    root: Path
    splits: Tuple[str, ...]
    class_names: Tuple[str, ...]
    files: Tuple[ListedFile, ...]
    gaps: Tuple[str, ...]

    @property
    def has_splits(self) -> bool:
        """Whether the folder says itself what is for training and what for testing."""
        return self.splits != (UNSPLIT,)

    def name(self, file: ListedFile) -> str:
        """Return a file's place below the folder, with forward slashes."""
        return file.path.relative_to(self.root).as_posix()


def list_for_audit(root: Path) -> Listing:
    """Return the files of a folder in either layout.

    Raises:
        DataError: If there is no such folder, no image in it, or its splits have other names.
        EnvironmentProblem: If it cannot be read.
    """
    require_folder(root)
    if is_split_layout(root):
        found = {split: list_classes(root / split) for split in SPLITS if (root / split).is_dir()}
    else:
        refuse_misnamed_splits(root)
        found = {UNSPLIT: list_classes(root)}
    files = tuple(
        ListedFile(path, split, label)
        for split, classes in found.items()
        for label, paths in classes.items()
        for path in paths
    )
    if not files:
        raise DataError(
            f"{root}: must hold images in DIR/{{train,val,test}}/<class>/ or in DIR/<class>/, "
            "but holds none there"
        )
    names = tuple(sorted({label for classes in found.values() for label in classes}))
    return Listing(root, tuple(found), names, files, tuple(_gaps(found, names)))


def _gaps(found: Listed, class_names: Tuple[str, ...]) -> List[str]:
    gaps = []
    if UNSPLIT not in found:
        gaps += [
            f"there is no folder {split!r}" for split in ("train", "val") if split not in found
        ]
    if len(class_names) < 2:
        gaps.append(f"there is one class only, {class_names[0]!r}")
    least = 3 if UNSPLIT in found else 1
    for split, classes in found.items():
        for label in class_names:
            count = len(classes.get(label, ()))
            if count < least:
                where = "" if split == UNSPLIT else f" in {split!r}"
                gaps.append(f"class {label!r} has {_images(count)}{where}" + _why(least))
    return gaps


def _images(count: int) -> str:
    return {0: "no image", 1: "one image"}.get(count, f"{count} images")


def _why(least: int) -> str:
    return f", too few for {least} splits" if least > 1 else ""


def count_files(listing: Listing) -> Dict[str, Dict[str, int]]:
    """Return how many files each class has in each split, damaged ones included."""
    counts = {split: dict.fromkeys(listing.class_names, 0) for split in listing.splits}
    for file in listing.files:
        counts[file.split][file.label] += 1
    return counts
