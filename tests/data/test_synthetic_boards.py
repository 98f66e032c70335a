"""Whole synthetic boards, and the layouts of HRIPCB and Caltech-101 that they are written in."""

from __future__ import annotations

import collections
import hashlib
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from nas_edge.data.synthetic import (
    DEFECT_KINDS,
    SyntheticBoards,
    SyntheticPcb,
    write_caltech101,
    write_hripcb,
)
from nas_edge.errors import DataError, EnvironmentProblem

SMALL = {"num_boards": 1, "images_per_defect": 1, "size": (200, 160), "field_px": 96.0}


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("difficulty", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("kind", DEFECT_KINDS)
def test_a_board_differs_from_itself_without_defects_in_the_boxes_only(kind, difficulty):
    boards = SyntheticBoards(seed=3, difficulty=difficulty)
    panel = boards.draw_template(2)

    drawing = boards.draw(panel, 2, kind, 1)

    clean = boards.draw_clean(panel, 2, kind, 1).image  # the same light and noise
    differs = (drawing.image != clean).any(axis=2)
    assert 3 <= len(drawing.boxes) <= 5
    for left, top, right, bottom in drawing.boxes:
        assert 0 <= left < right <= 600
        assert 0 <= top < bottom <= 480
        assert differs[top:bottom, left:right].any()
        differs[top:bottom, left:right] = False
    assert not differs.any()


def test_boxes_of_a_board_do_not_overlap():
    boards = SyntheticBoards(seed=5)
    panel = boards.draw_template(1)
    for kind in DEFECT_KINDS:
        for index in range(1, 4):
            covered = np.zeros((480, 600), dtype=int)
            for left, top, right, bottom in boards.draw(panel, 1, kind, index).boxes:
                covered[top:bottom, left:right] += 1
            assert covered.max() == 1


def test_images_of_a_template_show_the_same_board_and_other_templates_do_not():
    boards = SyntheticBoards(**{**SMALL, "num_boards": 2})
    first, second = boards.draw_template(1), boards.draw_template(2)

    clean = np.asarray(first.paint()).astype(int)
    assert (np.asarray(first.paint()) == clean).all()
    assert (np.asarray(second.paint()) != clean).any(axis=2).mean() > 0.3
    others = [
        np.asarray(boards.draw(first, 1, kind, i).image).astype(int)
        for kind in ("short", "spur")
        for i in (1, 2)
    ]
    assert len({other.tobytes() for other in others}) == 4


def test_a_board_depends_on_the_seed_and_its_numbers_alone():
    def draw(seed, board, index):
        boards = SyntheticBoards(**{**SMALL, "num_boards": 3}, seed=seed)
        return boards.draw(boards.draw_template(board), board, "short", index).image.tobytes()

    assert draw(0, 1, 1) == draw(0, 1, 1)
    assert len({draw(0, 1, 1), draw(1, 1, 1), draw(0, 2, 1), draw(0, 1, 2)}) == 4


def test_hripcb_layout_is_complete(pcb_dataset, drawn_boards):
    folders = [kind.capitalize() for kind in DEFECT_KINDS]
    assert folders[0] == "Missing_hole"
    assert sorted(path.name for path in pcb_dataset.iterdir()) == [
        "Annotations",
        "PCB_USED",
        "images",
    ]
    assert sorted(path.name for path in (pcb_dataset / "PCB_USED").iterdir()) == [
        f"{board:02d}.JPG" for board in range(1, 6)
    ]
    for folder, kind in zip(folders, DEFECT_KINDS):
        stems = [f"{board:02d}_{kind}_{i:02d}" for board in range(1, 6) for i in (1, 2)]
        for place, ending in (("images", "jpg"), ("Annotations", "xml")):
            names = sorted(path.name for path in (pcb_dataset / place / folder).iterdir())
            assert names == [f"{stem}.{ending}" for stem in stems]


def test_annotations_are_those_of_the_drawing(pcb_dataset, drawn_boards):
    path = pcb_dataset / "Annotations" / "Open_circuit" / "03_open_circuit_02.xml"
    drawing = drawn_boards.draw(drawn_boards.draw_template(3), 3, "open_circuit", 2)

    root = ElementTree.parse(path).getroot()

    assert root.findtext("filename") == "03_open_circuit_02.jpg"
    assert (root.findtext("size/width"), root.findtext("size/height")) == ("320", "256")
    assert [entry.findtext("name") for entry in root.iter("object")] == ["open_circuit"] * len(
        drawing.boxes
    )
    boxes = [
        tuple(int(box.findtext(name)) for name in ("xmin", "ymin", "xmax", "ymax"))
        for box in root.iter("bndbox")
    ]
    assert boxes == list(drawing.boxes)
    with Image.open(pcb_dataset / "images" / "Open_circuit" / "03_open_circuit_02.jpg") as image:
        pixels = np.asarray(image).astype(int)
    assert np.abs(pixels - drawing.image).mean() < 3  # JPEG's loss


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    for name in "ab":
        write_hripcb(SyntheticBoards(**SMALL), tmp_path / name)
        write_caltech101(SyntheticPcb(image_size=24), tmp_path / f"{name}-caltech", 2)

    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert digests(tmp_path / "a-caltech") == digests(tmp_path / "b-caltech")


def test_caltech_layout_is_complete(caltech_root):
    root = caltech_root / "101_ObjectCategories"
    assert sorted(path.name for path in root.iterdir()) == sorted(
        ["BACKGROUND_Google", "normal", *DEFECT_KINDS]
    )
    modes = collections.Counter()
    for folder in root.iterdir():
        names = sorted(path.name for path in folder.iterdir())
        assert names == [f"image_{i:04d}.jpg" for i in range(1, 11)]
        for path in folder.iterdir():
            with Image.open(path) as image:
                assert image.size == (36, 24)
                modes[image.mode] += 1
    assert modes == {"RGB": 72, "L": 8}  # some of Caltech's are grey
    assert len(set(digests(root).values())) == 80


@pytest.mark.parametrize(
    "write", [write_hripcb, lambda _, out: write_caltech101(SyntheticPcb(), out, 1)]
)
def test_nothing_that_is_there_is_written_over(tmp_path, write):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    (tmp_path / "file").write_text("x")

    with pytest.raises(DataError, match="must be new or an empty folder"):
        write(SyntheticBoards(**SMALL), tmp_path / "out")
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        write(SyntheticBoards(**SMALL), tmp_path / "file" / "below")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "out"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_boards": 0}, "num_boards must be an integer of at least 1, but got 0"),
        ({"images_per_defect": 0}, "images_per_defect must be an integer of at least 1"),
        ({"size": (600, 63)}, "size must be an integer of at least 64, but got 63"),
        ({"seed": -1}, "seed must be an integer of at least 0, but got -1"),
        ({"field_px": float("nan")}, "field_px must be between 16 and 4096, but got nan"),
        ({"difficulty": 2.0}, "difficulty must be between 0 and 1"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(DataError, match=message):
        SyntheticBoards(**settings)


def test_a_board_that_is_too_small_for_its_defects_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"a board must have room for 3 defects .* make it larger"):
        write_hripcb(SyntheticBoards(size=(64, 64), field_px=400), tmp_path / "out")

    assert list(tmp_path.iterdir()) == []
