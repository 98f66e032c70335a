"""A Pascal VOC file in, its boxes out, each checked against the image that it belongs to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Tuple
from xml.etree import ElementTree
from xml.parsers import expat

from nas_edge.data.synthetic.defects import DEFECT_KINDS
from nas_edge.errors import DataError, EnvironmentProblem

Box = Tuple[int, int, int, int]
MAX_BYTES = 1 << 20  # a file of HRIPCB has 2 kB


@dataclass(frozen=True)
class MarkedDefect:
    """A defect's kind, and its (left, top, right, bottom) in pixels, the latter two exclusive."""

    kind: str
    box: Box


def read_annotation(path: Path, width: int, height: int) -> Tuple[MarkedDefect, ...]:
    """Return the defects that a VOC file marks, at least one.

    Args:
        path: The XML file.
        width: Of its image, in pixels.
        height: Likewise.
    Raises:
        DataError: If the file is no such annotation, has a DOCTYPE, or marks something that is no
            defect of HRIPCB or lies outside the image.
    """
    root = _parse(path)
    defects = []
    for number, entry in enumerate(root.iter("object"), start=1):
        where = f"{path}: object {number}"
        kind = (entry.findtext("name") or "").strip().lower()
        if kind not in DEFECT_KINDS:
            raise DataError(
                f"{where}: name must be one of {', '.join(DEFECT_KINDS)}, but is {kind!r}"
            )
        left, top, right, bottom = (
            _coordinate(entry, name, where) for name in ("xmin", "ymin", "xmax", "ymax")
        )
        box = (math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom))
        if not (0 <= box[0] < box[2] <= width and 0 <= box[1] < box[3] <= height):
            raise DataError(
                f"{where}: its box must lie inside the image of {width}x{height} pixels, but is "
                f"xmin {left:g}, ymin {top:g}, xmax {right:g}, ymax {bottom:g}"
            )
        defects.append(MarkedDefect(kind, box))
    if not defects:
        raise DataError(f"{path}: must mark at least one defect, but has no object")
    return tuple(defects)


def _parse(path: Path) -> ElementTree.Element:
    try:
        with open(path, "rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as err:
        raise EnvironmentProblem(f"{path}: cannot be read ({err.strerror or err})") from err
    if len(text) > MAX_BYTES:
        raise DataError(f"{path}: must be at most {MAX_BYTES >> 20} MiB to be an annotation")
    try:
        _refuse_doctype(text, path)
        root = ElementTree.fromstring(text)
    except (expat.ExpatError, ElementTree.ParseError, ValueError, LookupError) as err:
        if isinstance(err, DataError):
            raise
        raise DataError(f"{path}: is not valid XML ({err}); repair it") from err
    if root.tag != "annotation":
        raise DataError(f"{path}: must be a Pascal VOC annotation, but holds <{root.tag}>")
    return root


def _refuse_doctype(text: bytes, path: Path) -> None:
    """Only a DOCTYPE can declare entities, whose expansion would fill any memory."""

    def refuse(name: str, *_: Any) -> None:
        raise DataError(f"{path}: must have no DOCTYPE, but declares {name!r}; remove it")

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(text, True)


def _coordinate(entry: ElementTree.Element, name: str, where: str) -> float:
    text = (entry.findtext(f"bndbox/{name}") or "").strip()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{where}: bndbox/{name} must be a number, but is {text!r}")
    return value
