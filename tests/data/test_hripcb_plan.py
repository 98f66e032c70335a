"""What is cut where: no board in two splits, defects whole, none where none should be."""

from __future__ import annotations

import collections
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nas_edge.data.hripcb.annotation import MarkedDefect
from nas_edge.data.hripcb.board_split import split_boards
from nas_edge.data.hripcb.cut import cut_crops, is_whole
from nas_edge.data.hripcb.options import PrepareOptions
from nas_edge.data.hripcb.plan import Crop, plan_crops
from nas_edge.data.hripcb.scan import BoardImage, scan_boards
from nas_edge.data.synthetic import DEFECT_KINDS
from nas_edge.errors import DataError

TEN = [f"{i:02d}" for i in (1, 4, 5, 6, 7, 8, 9, 10, 11, 12)]  # HRIPCB's


def planned(images, **options):
    wanted = PrepareOptions(**{"size": 64, "count": 400, **options})
    boards = split_boards([one.board for one in images], wanted, "here")
    return boards, plan_crops(images, boards, wanted, "here")


def board_image(board, *boxes, size=(400, 300), kind="short"):
    defects = tuple(MarkedDefect(kind, box) for box in boxes)
    return BoardImage(Path(f"{board}_{kind}_01.jpg"), board, size, 1, defects)


@pytest.fixture(scope="module")
def images(pcb_dataset):
    return scan_boards(pcb_dataset)


@given(
    num=st.integers(3, 40), val=st.floats(0.01, 0.8), test=st.floats(0.01, 0.8), seed=st.integers(0)
)
def test_every_board_is_in_one_split_and_every_split_has_one(num, val, test, seed):
    boards = [f"{i:02d}" for i in range(num)]
    found = split_boards(boards * 2, PrepareOptions(val=val, test=test, seed=seed), "here")

    assert sorted(found["train"] + found["val"] + found["test"]) == boards
    assert all(found.values())


def test_hripcbs_ten_boards_are_split_as_the_public_crops_are():
    found = split_boards(TEN, PrepareOptions(), "here")
    assert {split: len(boards) for split, boards in found.items()} == {
        "train": 7,
        "val": 2,
        "test": 1,
    }
    others = {tuple(split_boards(TEN, PrepareOptions(seed=i), "here")["val"]) for i in range(20)}
    assert len(others) > 5


def test_too_few_boards_are_refused():
    with pytest.raises(DataError, match=r"here: must show at least 3 boards .* shows 2 \(01, 02\)"):
        split_boards(["01", "02", "01"], PrepareOptions(), "here")


@pytest.mark.parametrize("defects", ["binary", "six"])
@pytest.mark.parametrize("seed", [0, 1])
def test_no_crop_is_of_a_board_of_another_split(images, defects, seed):
    boards, crops = planned(images, defects=defects, seed=seed)

    for crop in crops:
        assert images[crop.image].board in boards[crop.place.split("/")[0]]
        assert images[crop.image].path.stem in crop.place  # a file's name tells where it is from


@pytest.mark.parametrize("size", [64, 200])
@pytest.mark.parametrize("defects", ["binary", "six"])
def test_normal_crops_touch_no_box_and_defects_are_whole(images, defects, size):
    _, crops = planned(images, defects=defects, size=size, count=200)

    for crop in crops:
        name = crop.place.split("/")[1]
        left, top, right, bottom = crop.box
        width, height = images[crop.image].size
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        assert right - left == bottom - top
        seen = np.zeros((height, width), dtype=bool)
        seen[top:bottom, left:right] = True
        shown = [
            seen[one.box[1] : one.box[3], one.box[0] : one.box[2]]
            for one in images[crop.image].defects
        ]
        if name == "normal":
            assert not any(part.any() for part in shown)
        else:
            assert any(part.all() for part in shown)
            kinds = {one.kind for one in images[crop.image].defects}
            assert name == "defect" or kinds == {name}


@pytest.mark.parametrize("defects", ["binary", "six"])
def test_classes_are_balanced_and_kinds_of_defects_take_turns(images, defects):
    boards, crops = planned(images, defects=defects, count=700)

    counts = collections.Counter(tuple(crop.place.split("/")[:2]) for crop in crops)
    for split in boards:
        of_split = {count for (one, _), count in counts.items() if one == split}
        assert len(of_split) == 1
    assert sum(counts.values()) <= 700
    kinds = collections.Counter(
        images[crop.image].defects[0].kind for crop in crops if "/normal/" not in crop.place
    )
    assert set(kinds) == set(DEFECT_KINDS)
    assert max(kinds.values()) - min(kinds.values()) <= 3  # one a split


def test_count_and_shares_are_those_of_the_public_crops(images):
    _, crops = planned(images, count=1000, per_defect=100)
    counts = collections.Counter(crop.place.split("/")[0] for crop in crops)
    assert counts == {"train": 700, "val": 200, "test": 100}


def test_one_defect_is_cut_a_limited_number_of_times(images):
    _, crops = planned(images, count=20_000, per_defect=2)

    whole = collections.Counter()
    for crop in crops:
        if "/defect/" in crop.place:
            whole[crop.image] += 1
    for image, count in whole.items():
        assert count <= 2 * len(images[image].defects)
    assert len(crops) == sum(whole.values()) * 2


def test_crops_are_spread_over_defects_and_none_is_cut_twice_alike(images):
    _, crops = planned(images, count=1000)

    assert len({(c.image, c.box, c.turn, c.contrast, c.brightness) for c in crops}) == len(crops)
    assert {crop.turn for crop in crops} == set(range(8))
    assert len({crop.place for crop in crops}) == len(crops)


def test_normal_crops_are_taken_where_the_board_has_its_defects():
    """Else the place alone would tell the classes apart."""
    images = [
        board_image(board, box)
        for board in ("01", "02", "03")
        for box in ((20, 20, 40, 40), (360, 260, 380, 280))
    ]
    _, crops = planned(images, size=60, count=60)

    normal = [crop for crop in crops if "/normal/" in crop.place]
    assert normal
    for crop in normal:
        own = images[crop.image].defects[0].box
        other = (360, 260, 380, 280) if own[0] == 20 else (20, 20, 40, 40)
        assert crop.box[0] <= other[0] < other[2] <= crop.box[2]
        assert crop.box[1] <= other[1] < other[3] <= crop.box[3]


def test_a_board_full_of_defects_has_no_normal_crop():
    images = [board_image(board, (0, 0, 400, 300)) for board in ("01", "02", "03")]
    with pytest.raises(DataError, match=r"must have a place without a defect, .* lower --size"):
        planned(images)


def test_a_defect_larger_than_the_crop_is_shown_whole_and_one_larger_than_the_board_as_can_be():
    boxes = {"01": (10, 10, 210, 60), "02": (0, 0, 390, 20), "03": (100, 100, 110, 110)}
    images = [board_image(board, box) for board, box in boxes.items()]
    _, crops = planned(images, size=50, count=60)

    for crop in crops:
        if "/defect/" in crop.place:
            board = images[crop.image].board
            side = crop.box[2] - crop.box[0]
            if board == "01":
                assert crop.box[0] <= 10
                assert crop.box[2] >= 210
            elif board == "02":
                assert side == 300  # all that the image has
            else:
                assert 45 <= side <= 55


def test_an_image_smaller_than_a_crop_is_named():
    images = [board_image(board, (5, 5, 9, 9), size=(400, 63)) for board in ("01", "02", "03")]
    with pytest.raises(DataError, match=r"01_short_01\.jpg: must be at least 64 pixels a side"):
        planned(images)


def test_six_classes_need_images_of_one_kind():
    images = [board_image(board, (5, 5, 9, 9)) for board in ("01", "02", "03")]
    mixed = (*images[0].defects, MarkedDefect("spur", (20, 20, 30, 30)))
    images[0] = dataclasses.replace(images[0], defects=mixed)
    assert planned(images)[1]
    with pytest.raises(DataError, match=r"shows short and spur; use --defects binary"):
        planned(images, defects="six")


def test_a_split_without_a_kind_is_named():
    images = [board_image(board, (5, 5, 9, 9)) for board in ("01", "02", "03")]
    with pytest.raises(DataError, match=r"must show 'missing_hole', but none does; take another"):
        planned(images, defects="six")


def test_a_count_too_small_for_every_split_is_refused(images):
    with pytest.raises(DataError, match=r"but 10 leaves val without; raise --count"):
        planned(images, count=10, defects="six")


def encoded_positions(width, height):
    """An image whose red is 4 times the column and green 4 times the row."""
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    return np.dstack([4 * across, 4 * down, 0 * down + 128]).astype(np.uint8)


@pytest.mark.parametrize("turn", range(8))
def test_a_crop_is_the_part_of_the_image_turned_and_mirrored(tmp_path, turn):
    pixels = encoded_positions(60, 50)
    Image.fromarray(pixels).save(tmp_path / "board.png")
    crop = Crop("x.jpg", 0, (10, 6, 42, 38), turn, 1.0, 0.0)

    cut_crops(tmp_path / "board.png", [crop], 32, tmp_path)

    expected = pixels[6:38, 10:42]
    if turn >= 4:
        expected = expected[:, ::-1]
    expected = np.rot90(expected, turn % 4)
    with Image.open(tmp_path / "x.jpg") as image:
        assert np.abs(np.asarray(image).astype(int) - expected).max() <= 12


def test_a_crop_is_made_larger_brighter_and_richer_in_contrast(tmp_path):
    Image.new("RGB", (40, 40), (100, 128, 200)).save(tmp_path / "board.png")
    crop = Crop("x.jpg", 0, (0, 0, 20, 20), 0, 1.5, 10.0)

    cut_crops(tmp_path / "board.png", [crop], 32, tmp_path)

    with Image.open(tmp_path / "x.jpg") as image:
        assert image.size == (32, 32)
        # (100 - 128) * 1.5 + 138, 128 + 10, (200 - 128) * 1.5 + 138
        assert np.abs(np.asarray(image).astype(int) - (96, 138, 246)).max() <= 2


def test_a_damaged_board_is_named(tmp_path):
    Image.fromarray(encoded_positions(60, 50)).save(tmp_path / "board.jpg")
    whole = (tmp_path / "board.jpg").read_bytes()
    (tmp_path / "board.jpg").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(DataError, match=r"board\.jpg: cannot be decoded \(OSError: .*repair it"):
        cut_crops(tmp_path / "board.jpg", [Crop("x.jpg", 0, (0, 0, 9, 9), 0, 1, 0)], 9, tmp_path)


def test_a_file_that_ends_early_is_not_whole(tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "a.jpg")
    assert is_whole(tmp_path / "a.jpg")
    assert not is_whole(tmp_path / "none.jpg")
    for cut in (0, 1, 300):
        (tmp_path / "b.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:cut])
        assert not is_whole(tmp_path / "b.jpg")
