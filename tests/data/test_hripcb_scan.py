"""HRIPCB's folder as it is read: names, boxes, and every way in which it can be wrong."""

from __future__ import annotations

import re
import shutil
from xml.etree import ElementTree

import pytest
from PIL import Image

from nas_edge.data.hripcb.annotation import read_annotation
from nas_edge.data.hripcb.scan import digest_of, scan_boards
from nas_edge.data.synthetic import DEFECT_KINDS
from nas_edge.errors import DataError

BOX = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"


def annotation(*boxes, name="short"):
    objects = [f"<object><name>{name}</name>{BOX.format(*box)}</object>" for box in boxes]
    return f"<annotation><filename>x.jpg</filename>{''.join(objects)}</annotation>"


def read(tmp_path, text, width=100, height=80):
    path = tmp_path / "x.xml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_annotation(path, width, height)


def refusal(call, *args):
    with pytest.raises(DataError) as caught:
        call(*args)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def copy(pcb_dataset, tmp_path):
    """Return a copy of the set to change."""
    return shutil.copytree(pcb_dataset, tmp_path / "PCB_DATASET")


def test_boxes_and_kinds_are_read(tmp_path):
    found = read(tmp_path, annotation((1, 2, 30, 40), (0, 0, 100, 80), name=" Mouse_Bite "))

    assert [one.kind for one in found] == ["mouse_bite", "mouse_bite"]
    assert [one.box for one in found] == [(1, 2, 30, 40), (0, 0, 100, 80)]


def test_a_box_between_pixels_holds_all_that_it_touches(tmp_path):
    assert read(tmp_path, annotation((1.5, 2.0, 30.1, 40)))[0].box == (1, 2, 31, 40)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (annotation((1, 2, 101, 40)), "object 1: its box must lie inside the image of 100x80"),
        (annotation((1, 2, 3, 4), (-1, 2, 30, 40)), "object 2: its box must lie inside"),
        (annotation((1, 2, 30, 81)), "but is xmin 1, ymin 2, xmax 30, ymax 81"),
        (annotation((30, 2, 30, 40)), "its box must lie inside"),
        (annotation((40, 2, 30, 40)), "its box must lie inside"),
        (annotation(("a", 2, 30, 40)), "bndbox/xmin must be a number, but is 'a'"),
        (annotation((1, "nan", 30, 40)), "bndbox/ymin must be a number, but is 'nan'"),
        (annotation((1, 2, "1e999", 40)), "bndbox/xmax must be a number, but is '1e999'"),
        (annotation((1, 2, 3, "")), "bndbox/ymax must be a number, but is ''"),
        (annotation((1, 2, 3, 4), name="scratch"), "name must be one of missing_hole, mouse_bite"),
        (annotation(), "must mark at least one defect"),
        ("<html/>", "must be a Pascal VOC annotation, but holds <html>"),
        ("", "is not valid XML"),
        ("<annotation>", "is not valid XML"),
        ("<annotation><object></annotation>", "mismatched tag: line 1"),
        (b"\xff\xfe\x00<", "is not valid XML"),
        (b'<?xml version="1.0" encoding="nonsense"?><annotation/>', "is not valid XML"),
        (b" " * (2 << 20), "must be at most 1 MiB"),
    ],
)
def test_an_annotation_that_is_wrong_is_named(tmp_path, text, says):
    message = refusal(read, tmp_path, text)

    assert says in message
    assert message.startswith(f"{tmp_path / 'x.xml'}: ")


LAUGHS = """<?xml version="1.0"?>
<!DOCTYPE annotation [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<annotation><object><name>&b;</name></object></annotation>"""
OUTSIDE = """<!DOCTYPE annotation SYSTEM "file:///etc/passwd">
<annotation/>"""
FILE = """<!DOCTYPE annotation [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<annotation><object><name>&x;</name></object></annotation>"""


@pytest.mark.parametrize("text", [LAUGHS, OUTSIDE, FILE])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_before_they_are_expanded(tmp_path, text, encoding):
    message = refusal(read, tmp_path, text.encode(encoding))

    assert "must have no DOCTYPE, but declares 'annotation'" in message


def test_images_are_found_with_their_boards(pcb_dataset):
    images = scan_boards(pcb_dataset)

    assert len(images) == 5 * 6 * 2
    assert {one.board for one in images} == {"01", "02", "03", "04", "05"}
    assert {one.size for one in images} == {(320, 256)}
    assert {defect.kind for one in images for defect in one.defects} == set(DEFECT_KINDS)
    for one in images:
        notes = pcb_dataset / "Annotations" / one.path.parent.name / f"{one.path.stem}.xml"
        assert len(one.defects) == len(list(ElementTree.parse(notes).iter("object")))


def test_the_folder_above_and_other_files_are_no_matter(copy, tmp_path):
    (copy / "rotation").mkdir()
    (copy / "images" / "Thumbs.db").write_text("x")
    (copy / "images" / "Short" / "notes.txt").write_text("x")
    (copy / "images" / "Short" / "._01_short_01.jpg").write_text("x")

    assert len(scan_boards(tmp_path)) == 60


def test_the_case_of_names_is_no_matter(copy):
    (copy / "images" / "Short").rename(copy / "images" / "SHORT")
    path = copy / "images" / "Spur" / "01_spur_01.jpg"
    path.rename(path.with_suffix(".JPG"))

    assert len(scan_boards(copy)) == 60


def test_another_box_or_file_is_another_source(copy):
    first = digest_of(scan_boards(copy))
    assert digest_of(scan_boards(copy)) == first

    path = copy / "Annotations" / "Spur" / "01_spur_01.xml"
    text = path.read_text()
    path.write_text(re.sub("<xmin>.*?</xmin>", "<xmin>0</xmin>", text))
    second = digest_of(scan_boards(copy))
    path.write_text(text)
    with open(copy / "images" / "Spur" / "01_spur_01.jpg", "ab") as file:
        file.write(b"\0")

    assert len({first, second, digest_of(scan_boards(copy))}) == 3


def remove_folder(root):
    shutil.rmtree(root)


def remove_annotations(root):
    shutil.rmtree(root / "Annotations")


def remove_annotation(root):
    (root / "Annotations" / "Short" / "02_short_01.xml").unlink()


def remove_annotations_of_a_kind(root):
    shutil.rmtree(root / "Annotations" / "Short")


def remove_image(root):
    (root / "images" / "Short" / "02_short_01.jpg").unlink()


def rename_kind(root):
    (root / "images" / "Short").rename(root / "images" / "Shorts")


def rename_image(root):
    for place, ending in (("images", "jpg"), ("Annotations", "xml")):
        path = root / place / "Short" / f"02_short_01.{ending}"
        path.rename(path.with_name(f"short_01.{ending}"))


def empty_image(root):
    (root / "images" / "Short" / "02_short_01.jpg").write_bytes(b"")


def huge_image(root):
    Image.new("L", (11_000, 10_000)).save(root / "images" / "Short" / "02_short_01.jpg")


def double_image(root):
    path = root / "images" / "Short" / "02_short_01.jpg"
    shutil.copy(path, path.with_suffix(".png"))


def remove_images(root):
    for path in (*root.glob("images/*/*"), *root.glob("Annotations/*/*")):
        path.unlink()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (remove_folder, "must be HRIPCB's PCB_DATASET .*, but there is no such folder"),
        (remove_annotations, "but has no 'Annotations'"),
        (remove_annotation, r"02_short_01\.jpg: has no annotation .*02_short_01\.xml; add it"),
        (remove_annotations_of_a_kind, r"01_short_01\.jpg: has no annotation .*\(9 more like it\)"),
        (remove_image, r"02_short_01\.xml: has no image in .*Short; add it"),
        (rename_kind, "Shorts: must be named after one of HRIPCB's defects .Missing_hole, "),
        (rename_image, r"short_01\.jpg: must be named like 01_missing_hole_01\.jpg"),
        (empty_image, r"02_short_01\.jpg: cannot be read as an image .* remove it with its"),
        (huge_image, r"02_short_01\.jpg: must have at most 100,000,000 pixels, but is 11000x10000"),
        (double_image, r"02_short_01\.png: stands beside '02_short_01\.jpg'"),
        (remove_images, "must hold images of boards, but holds none"),
    ],
)
def test_a_folder_that_is_wrong_is_named(copy, change, says):
    change(copy)

    assert re.search(says, refusal(scan_boards, copy))
