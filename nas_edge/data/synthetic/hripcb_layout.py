"""Writes synthetic boards in the layout of HRIPCB: whole images, VOC XML boxes, clean templates."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from PIL import Image

from nas_edge.data.synthetic.boards import BoardDrawing, SyntheticBoards
from nas_edge.data.synthetic.defects import DEFECT_KINDS
from nas_edge.data.whole_folder import new_folder

_JPEG_QUALITY = 95


def write_hripcb(boards: SyntheticBoards, out_dir: str | Path) -> Path:
    """Write a folder like HRIPCB's PCB_DATASET, whole or not at all.

    `images/Missing_hole/01_missing_hole_01.jpg` has its boxes in
    `Annotations/Missing_hole/01_missing_hole_01.xml`; `PCB_USED/01.JPG` is that board without
    defects.

    Args:
        boards: What to draw.
        out_dir: A folder that does not exist yet, or is empty.
    Returns:
        `out_dir` as a path.
    Raises:
        DataError: If out_dir holds something, or a board is too small for its defects.
        EnvironmentProblem: If it cannot be written.
    """
    target = Path(out_dir)
    with new_folder(target) as folder:
        (folder / "PCB_USED").mkdir()
        for kind in DEFECT_KINDS:
            (folder / "images" / kind.capitalize()).mkdir(parents=True)
            (folder / "Annotations" / kind.capitalize()).mkdir(parents=True)
        for board in range(1, boards.num_boards + 1):
            _write_board(boards, board, folder)
    return target


def _write_board(boards: SyntheticBoards, board: int, folder: Path) -> None:
    panel = boards.draw_template(board)
    _save(boards.draw_clean(panel, board), folder / "PCB_USED" / f"{board:02d}.JPG")
    for kind in DEFECT_KINDS:
        for index in range(1, boards.images_per_defect + 1):
            drawing = boards.draw(panel, board, kind, index)
            place, stem = kind.capitalize(), f"{board:02d}_{kind}_{index:02d}"
            _save(drawing, folder / "images" / place / f"{stem}.jpg")
            text = voc_annotation(drawing, place, f"{stem}.jpg")
            (folder / "Annotations" / place / f"{stem}.xml").write_text(text, encoding="utf-8")


def _save(drawing: BoardDrawing, path: Path) -> None:
    Image.fromarray(drawing.image).save(path, format="JPEG", quality=_JPEG_QUALITY, subsampling=0)


def voc_annotation(drawing: BoardDrawing, folder: str, filename: str) -> str:
    """Return a drawing's boxes as the text of a Pascal VOC file."""
    height, width, depth = drawing.image.shape
    root = ElementTree.Element("annotation")
    _add(root, "folder", folder)
    _add(root, "filename", filename)
    size = ElementTree.SubElement(root, "size")
    for name, value in (("width", width), ("height", height), ("depth", depth)):
        _add(size, name, str(value))
    for box in drawing.boxes:
        entry = ElementTree.SubElement(root, "object")
        _add(entry, "name", str(drawing.kind))
        bounds = ElementTree.SubElement(entry, "bndbox")
        for name, value in zip(("xmin", "ymin", "xmax", "ymax"), box):
            _add(bounds, name, str(value))
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _add(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = text
