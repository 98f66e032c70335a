"""HRIPCB's folder in, its board images with their boxes out. Of an image only the header is read.

    PCB_DATASET/images/Missing_hole/01_missing_hole_01.jpg
    PCB_DATASET/Annotations/Missing_hole/01_missing_hole_01.xml

The number in front names the board that was photographed; ten boards make HRIPCB.
"""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from nas_edge.data.decode import MAX_PIXELS
from nas_edge.data.folder import EXTENSIONS
from nas_edge.data.hripcb.annotation import MarkedDefect, read_annotation
from nas_edge.data.synthetic.defects import DEFECT_KINDS
from nas_edge.errors import DataError, EnvironmentProblem

_NAME = re.compile(r"(\d+)_.+")


@dataclass(frozen=True)
class BoardImage:
    """A photograph of a board.

    Attributes:
        path: The file.
        board: The board's number as two digits, "01".
        size: (width, height) in pixels.
        num_bytes: The file's size.
        defects: What its annotation marks.
    """

    path: Path
    board: str
    size: Tuple[int, int]
    num_bytes: int
    defects: Tuple[MarkedDefect, ...]


def scan_boards(source: Path) -> Tuple[BoardImage, ...]:
    """Return the images of a PCB_DATASET folder, or of a folder that holds one, by name.

    Raises:
        DataError: If the folder has another layout, or an image and its annotation do not fit.
    """
    root = _find_root(source)
    images, notes = _by_kind(root, "images"), _by_kind(root, "Annotations")
    found = []
    for kind, folder in sorted(images.items()):
        files = _files(folder, EXTENSIONS)
        texts = _files(notes[kind], (".xml",)) if kind in notes else {}
        wanted = root / "Annotations" / folder.name
        _check_pairs(files, texts, folder, wanted)
        found += [_open(files[stem], texts[stem]) for stem in sorted(files)]
    if not found:
        raise DataError(f"{root / 'images'}: must hold images of boards, but holds none")
    return tuple(found)


def digest_of(images: Sequence[BoardImage]) -> str:
    """Return a hash of all names, sizes and boxes: another one means another source."""
    digest = hashlib.sha256()
    for one in images:
        facts = (one.path.parent.name, one.path.name, one.size, one.num_bytes)
        boxes = [(defect.kind, defect.box) for defect in one.defects]
        digest.update(repr((facts, boxes)).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]


def _find_root(source: Path) -> Path:
    for root in (source, source / "PCB_DATASET"):
        if (root / "images").is_dir():
            if not (root / "Annotations").is_dir():
                raise DataError(
                    f"{root}: must hold the folders 'images' and 'Annotations', but "
                    "has no 'Annotations'"
                )
            return root
    what = "is a file" if source.exists() else "there is no such folder"
    what = "has no 'images'" if source.is_dir() else what
    raise DataError(
        f"{source}: must be HRIPCB's PCB_DATASET with the folders 'images' and 'Annotations', "
        f"but {what}"
    )


def _by_kind(root: Path, name: str) -> Dict[str, Path]:
    """Return the folders of `root/name` by the defect that they are named after."""
    found: Dict[str, Path] = {}
    for entry in _entries(root / name):
        if not entry.is_dir():
            continue
        kind = entry.name.lower()
        if kind not in DEFECT_KINDS:
            known = ", ".join(one.capitalize() for one in DEFECT_KINDS)
            raise DataError(
                f"{entry}: must be named after one of HRIPCB's defects ({known}); "
                "rename or remove it"
            )
        if kind in found:
            raise DataError(f"{entry}: stands beside {found[kind].name!r}; keep one of the two")
        found[kind] = entry
    return found


def _files(folder: Path, endings: Sequence[str]) -> Dict[str, Path]:
    found: Dict[str, Path] = {}
    for entry in _entries(folder):
        if entry.suffix.lower() not in endings:
            continue
        if entry.stem in found:
            raise DataError(
                f"{entry}: stands beside {found[entry.stem].name!r}; keep one of the two"
            )
        found[entry.stem] = entry
    return found


def _check_pairs(files: Dict[str, Path], texts: Dict[str, Path], folder: Path, notes: Path) -> None:
    lonely = sorted(files.keys() - texts.keys())
    if lonely:
        raise DataError(
            f"{files[lonely[0]]}: has no annotation {notes / (lonely[0] + '.xml')}"
            f"{_more(lonely)}; add it or remove the image"
        )
    lonely = sorted(texts.keys() - files.keys())
    if lonely:
        raise DataError(
            f"{texts[lonely[0]]}: has no image in {folder}{_more(lonely)}; add it or remove the "
            "annotation"
        )


def _more(names: Sequence[str]) -> str:
    return f" ({len(names) - 1} more like it)" if len(names) > 1 else ""


def _open(path: Path, annotation: Path) -> BoardImage:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        raise DataError(
            f"{path}: must be named like 01_missing_hole_01.jpg, the board's number in front; "
            "rename it"
        )
    size, num_bytes = _size_of(path)
    defects = read_annotation(annotation, *size)
    return BoardImage(path, f"{int(match.group(1)):02d}", size, num_bytes, defects)


def _size_of(path: Path) -> Tuple[Tuple[int, int], int]:
    from PIL import Image

    reason: Optional[str] = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of oddities in files
            with Image.open(path) as opened:
                size = (int(opened.size[0]), int(opened.size[1]))
        if size[0] * size[1] > MAX_PIXELS:
            reason = f"must have at most {MAX_PIXELS:,} pixels, but is {size[0]}x{size[1]}"
    except Exception as err:  # Pillow raises many kinds for a damaged file
        reason = f"cannot be read as an image ({type(err).__name__})"
    if reason:
        raise DataError(f"{path}: {reason}; repair it, or remove it with its annotation")
    return size, os.path.getsize(path)


def _entries(folder: Path) -> List[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as err:
        raise EnvironmentProblem(f"{folder}: cannot be read ({err.strerror or err})") from err
