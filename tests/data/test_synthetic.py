from __future__ import annotations

import collections
import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas_edge.data.synthetic import (
    DEFECT_KINDS,
    SyntheticPcb,
    parameters_at,
    write_class_folders,
)
from nas_edge.data.synthetic.layout import Layout, apply_defect
from nas_edge.data.synthetic.raster import Palette, paint
from nas_edge.data.synthetic.scene import Scene
from nas_edge.data.synthetic.shapes import View
from nas_edge.errors import DataError

SEEN_DIFFICULTIES = (0.0, 0.5, 1.0)

# One colour a material and no shadow, so that a picture is a map of what conducts.
COPPER, NOTHING = (255, 255, 255), (0, 0, 0)
CONDUCTION = Palette(
    laminate=NOTHING,
    copper=COPPER,
    shadow=NOTHING,
    pad=COPPER,
    rim=COPPER,
    hole=NOTHING,
    ink=COPPER,
)


def digest(image: np.ndarray) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()


def clean(scene: Scene, is_defective: bool) -> np.ndarray:
    return np.asarray(scene.paint(is_defective)).astype(int)


def conducting(layout: Layout) -> Layout:
    """The layout without dirt and ink, its holes filled: only what carries current."""
    pads = tuple(dataclasses.replace(pad, hole=None) for pad in layout.pads)
    return dataclasses.replace(layout, pads=pads, ink=(), marks=(), bareness=0.0)


def count_pieces(layout: Layout) -> int:
    """Pieces of copper on the whole layout: union-find over the runs of a picture's rows."""
    width, height = int(layout.width), int(layout.height)
    view = View((layout.width / 2, layout.height / 2), 1.0, 0.0, (width / 2, height / 2))
    picture = paint(conducting(layout), view, CONDUCTION, (width, height))
    is_copper = np.asarray(picture)[:, :, 0] > 127
    parents: list[int] = []
    above: list[tuple[int, int, int]] = []
    for row in is_copper:
        edges = np.flatnonzero(np.diff(np.concatenate(([0], row, [0])).astype(int)))
        runs = []
        for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist()):
            parents.append(len(parents))
            runs.append((begin, end, len(parents) - 1))
            for other_begin, other_end, other in above:
                if other_begin < end and begin < other_end:
                    parents[root_of(parents, other)] = root_of(parents, len(parents) - 1)
        above = runs
    return sum(parent == i for i, parent in enumerate(parents))


def root_of(parents: list[int], i: int) -> int:
    while parents[i] != i:
        i = parents[i]
    return i


def test_image_depends_on_seed_split_and_index_and_on_nothing_else():
    pcb = SyntheticPcb(num_classes=7, seed=3)
    image, label = pcb.draw("train", 5)
    pcb.draw("val", 9)  # what was drawn before must not matter
    again, same_label = SyntheticPcb(num_classes=7, seed=3).draw("train", 5)
    np.testing.assert_array_equal(image, again)
    assert label == same_label == 5
    others = [
        SyntheticPcb(num_classes=7, seed=4).draw("train", 5),
        pcb.draw("val", 5),
        pcb.draw("test", 5),
        pcb.draw("train", 12),
    ]
    assert len({digest(other) for other, _ in others} | {digest(image)}) == 5


def test_draw_many_equals_single_draws():
    pcb = SyntheticPcb(num_classes=2, image_size=32)
    images, labels = pcb.draw_many("val", 6, start=3)
    assert images.shape == (6, 32, 32, 3)
    assert (images.dtype, labels.dtype) == (np.uint8, np.int64)
    for i in range(6):
        image, label = pcb.draw("val", 3 + i)
        np.testing.assert_array_equal(images[i], image)
        assert labels[i] == label
    empty, none = pcb.draw_many("val", 0)
    assert empty.shape == (0, 32, 32, 3)
    assert none.shape == (0,)


@pytest.mark.parametrize(("difficulty", "count"), [(0.0, 100), (0.5, 560)])
def test_no_two_images_are_alike(difficulty, count):
    pcb = SyntheticPcb(num_classes=2, image_size=16, difficulty=difficulty)
    splits = [pcb.draw_many(split, count)[0] for split in ("train", "val", "test")]
    assert len({digest(image) for images in splits for image in images}) == 3 * count


def test_classes_are_balanced():
    pcb = SyntheticPcb(num_classes=2, image_size=16)
    kinds = collections.Counter(pcb.defect_of(i) for i in range(2400))
    assert kinds == {None: 1200, **dict.fromkeys(DEFECT_KINDS, 200)}
    labels = pcb.draw_many("train", 24)[1]
    assert np.bincount(labels).tolist() == [12, 12]
    seven = SyntheticPcb(num_classes=7, image_size=16)
    assert np.bincount(seven.draw_many("test", 21)[1]).tolist() == [3] * 7
    for i in range(21):
        drawing = seven.draw_annotated("test", i)
        assert seven.class_names[drawing.label] == (drawing.defect or "normal")


@pytest.mark.parametrize("size", [16, 64, 97, 224])
def test_any_size_is_drawn_with_its_box_inside(size):
    pcb = SyntheticPcb(num_classes=7, image_size=size)
    for i in range(7):
        drawing = pcb.draw_annotated("train", i)
        assert drawing.image.shape == (size, size, 3)
        assert drawing.image.dtype == np.uint8
        assert drawing.image.std() > 5.0
        if drawing.defect is None:
            assert drawing.box is None
        else:
            left, top, right, bottom = drawing.box
            assert 0 <= left < right <= size
            assert 0 <= top < bottom <= size


@pytest.mark.parametrize("difficulty", SEEN_DIFFICULTIES)
@pytest.mark.parametrize("size", [48, 97])
def test_defect_changes_the_clean_picture_inside_its_box_only(size, difficulty):
    pcb = SyntheticPcb(num_classes=7, image_size=size, difficulty=difficulty)
    for i in (i for i in range(84) if i % 7):
        scene = pcb.draw_scene("train", i)
        change = np.abs(clean(scene, True) - clean(scene, False)).max(axis=2)
        left, top, right, bottom = scene.box
        assert change[top:bottom, left:right].max() > 10, (i, scene.defect.kind)
        change[top:bottom, left:right] = 0
        assert change.max() == 0, (i, scene.defect.kind)


@pytest.mark.parametrize("difficulty", SEEN_DIFFICULTIES)
def test_defects_do_to_the_circuit_what_their_names_say(difficulty):
    pcb = SyntheticPcb(num_classes=7, difficulty=difficulty)
    more_pieces = {"open_circuit": 1, "short": -1, "spurious_copper": 1}
    for i in (i for i in range(42) if i % 7):
        scene = pcb.draw_scene("val", i)
        before = count_pieces(scene.layout)
        after = count_pieces(apply_defect(scene.layout, scene.defect))
        assert after - before == more_pieces.get(scene.defect.kind, 0), (i, scene.defect.kind)


def test_missing_hole_is_a_pad_that_would_be_drilled():
    pcb = SyntheticPcb(num_classes=7)
    for i in range(1, 70, 7):
        scene = pcb.draw_scene("train", i)
        assert scene.defect.kind == "missing_hole"
        index = scene.defect.undrilled
        assert scene.layout.pads[index].hole is not None
        defective = apply_defect(scene.layout, scene.defect)
        assert [p.is_drilled for p in defective.pads].count(False) == 1
        assert not defective.pads[index].is_drilled
        assert all(p.is_drilled for p in scene.layout.pads), "the argument was modified"


def test_bite_leaves_some_of_the_trace_and_spur_grows_outside_of_it():
    pcb = SyntheticPcb(num_classes=7, difficulty=0.0)
    for i in range(70):
        scene = pcb.draw_scene("train", i)
        if scene.defect.kind in ("mouse_bite", "spur"):
            before, after = (
                np.asarray(paint(conducting(layout), scene.view, CONDUCTION, (64, 64)))[:, :, 0]
                for layout in (scene.layout, apply_defect(scene.layout, scene.defect))
            )
            is_bite = scene.defect.kind == "mouse_bite"
            assert (after.sum(dtype=int) < before.sum(dtype=int)) == is_bite


def test_knobs_replace_those_of_the_difficulty():
    knobs = dataclasses.replace(parameters_at(0.2), noise=0.0, mottle=0.0)
    image = SyntheticPcb(knobs=knobs).draw("train", 0)[0]
    noisy = SyntheticPcb(difficulty=0.2).draw("train", 0)[0]
    assert np.abs(image.astype(int) - noisy.astype(int)).mean() > 0.5


def test_knobs_without_room_for_a_defect_are_refused():
    knobs = dataclasses.replace(parameters_at(0.2), defect_scale=(40.0, 40.0))
    with pytest.raises(DataError, match=r"knobs must leave room for a spur"):
        SyntheticPcb(num_classes=7, knobs=knobs).draw("train", 5)


def test_written_folders_read_back_equal(tmp_path):
    pcb = SyntheticPcb(num_classes=7, image_size=24, seed=1)
    out = write_class_folders(pcb, tmp_path / "a" / "set", {"train": 9, "val": 2})
    assert sorted(p.name for p in out.iterdir()) == ["train", "val"]
    assert sorted(p.name for p in (out / "val").iterdir()) == sorted(pcb.class_names)
    files = sorted(out.glob("train/*/*.png"))
    assert len(files) == 9
    for file in files:
        image, label = pcb.draw("train", int(file.stem))
        assert file.parent.name == pcb.class_names[label]
        with Image.open(file) as picture:
            np.testing.assert_array_equal(np.asarray(picture), image)
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["set"], "something was left behind"


def test_folder_that_holds_something_is_refused_and_left_alone(tmp_path):
    (tmp_path / "precious.txt").write_text("x")
    with pytest.raises(DataError, match=r"must be new or an empty folder, but is there"):
        write_class_folders(SyntheticPcb(image_size=16), tmp_path, {"train": 1})
    assert [p.name for p in tmp_path.iterdir()] == ["precious.txt"]


def test_empty_folder_is_filled_and_a_failure_leaves_nothing(tmp_path, monkeypatch):
    target = tmp_path / "set"
    target.mkdir()
    pcb = SyntheticPcb(image_size=16)
    original = SyntheticPcb.draw

    def fail_late(self: SyntheticPcb, split: str, index: int) -> tuple[np.ndarray, int]:
        if index == 2:
            raise OSError("no space left on device")
        return original(self, split, index)

    monkeypatch.setattr(SyntheticPcb, "draw", fail_late)
    with pytest.raises(OSError, match="no space left"):
        write_class_folders(pcb, target, {"train": 3})
    assert [p.name for p in tmp_path.iterdir()] == ["set"]
    assert not any(target.iterdir())
    monkeypatch.setattr(SyntheticPcb, "draw", original)
    write_class_folders(pcb, target, {"train": 3})
    assert len(list(Path(target).glob("train/*/*.png"))) == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_classes": 3}, r"num_classes must be 2 or 7, but got 3"),
        ({"image_size": 15}, r"image_size must be an integer of at least 16, but got 15"),
        ({"image_size": 64.0}, r"image_size must be an integer of at least 16, but got 64\.0"),
        ({"seed": -1}, r"seed must be an integer of at least 0, but got -1"),
        ({"seed": True}, r"seed must be an integer of at least 0, but got True"),
        ({"difficulty": 1.5}, r"difficulty must be between 0 and 1, but got 1\.5"),
        ({"difficulty": float("nan")}, r"difficulty must be between 0 and 1, but got nan"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(DataError, match=message):
        SyntheticPcb(**settings)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.draw("dev", 0), r"split must be one of train, val, test, but got 'dev'"),
        (lambda p: p.draw("val", -1), r"index must be an integer of at least 0, but got -1"),
        (lambda p: p.draw_many("val", -1), r"count must be an integer of at least 0, but got -1"),
        (lambda p: p.draw_many("val", 1, start=-2), r"start must be .* but got -2"),
        (lambda p: parameters_at(-0.1), r"difficulty must be between 0 and 1, but got -0\.1"),
        (lambda p: write_class_folders(p, "x", {}), r"counts must name at least one of train"),
        (lambda p: write_class_folders(p, "x", {"dev": 1}), r"counts .* but names 'dev'"),
        (lambda p: write_class_folders(p, "x", {"val": 0}), r"counts\['val'\] .* but got 0"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(DataError, match=message):
        call(SyntheticPcb(image_size=16))
