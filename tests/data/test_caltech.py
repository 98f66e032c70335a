"""Caltech-101's folders: where they are found, what counts as a class, and how they are split."""

from __future__ import annotations

import collections
import csv
import shutil

import pytest
from PIL import Image

from nas_edge.config.study import DataConfig, SplitConfig
from nas_edge.data.caltech import find_categories, scan_categories
from nas_edge.data.source import list_files, load_image_set
from nas_edge.data.synthetic import DEFECT_KINDS
from nas_edge.errors import DataError
from nas_edge.models.torchvision_import import import_torchvision

OBJECTS = tuple(sorted(("normal", *DEFECT_KINDS)))


def config(path, **options):
    return DataConfig(source="caltech101", path=str(path), **options)


def refusal(call, *args):
    with pytest.raises(DataError) as caught:
        call(*args)
    return str(caught.value)


def rows_of(images):
    with open(images.folder / "split.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_images_are_split_60_20_20_in_every_class_and_the_split_is_written_down(
    caltech_root, tmp_path
):
    images = load_image_set(config(caltech_root), 16, tmp_path / "cache")

    assert images.class_names == OBJECTS
    assert images.counts == {"train": 42, "val": 14, "test": 14}
    rows = rows_of(images)
    shares = collections.Counter((row["class"], row["split"]) for row in rows)
    assert shares == {
        (name, split): count
        for name in OBJECTS
        for split, count in (("train", 6), ("val", 2), ("test", 2))
    }
    files = [row["file"] for row in rows]
    assert files == sorted(set(files))
    for row in rows:
        assert row["file"].startswith(f"101_ObjectCategories/{row['class']}/image_")
        assert (caltech_root / row["file"]).is_file()


def test_the_same_seed_gives_the_same_split_and_another_another(caltech_root, tmp_path):
    first = load_image_set(config(caltech_root), 16, tmp_path / "a")
    again = load_image_set(config(caltech_root), 16, tmp_path / "b")
    other = load_image_set(config(caltech_root, split={"seed": 1}), 16, tmp_path / "c")

    assert rows_of(first) == rows_of(again)
    assert first.identity == again.identity
    assert rows_of(other) != rows_of(first)
    assert other.counts == first.counts  # a seed alone leaves the shares at 60/20/20


def test_shares_of_ones_own_are_kept():
    assert DataConfig(source="caltech101").split == SplitConfig(val=0.2, test=0.2)
    assert DataConfig(source="folder").split == SplitConfig(val=0.15, test=0.15)
    assert DataConfig(source="caltech101", split={"val": 0.1}).split.test == 0.2
    given = SplitConfig(val=0.3, test=0.1, seed=2)
    assert DataConfig(source="caltech101", split=given).split == given


def test_the_background_is_a_class_only_if_it_is_asked_for(caltech_root, tmp_path):
    images = load_image_set(config(caltech_root, background=True), 16, tmp_path / "cache")

    assert images.class_names == tuple(sorted((*OBJECTS, "BACKGROUND_Google")))
    assert sum(images.counts.values()) == 80


def test_classes_and_labels_are_those_of_torchvision(caltech_root, tmp_path):
    shutil.copytree(caltech_root, tmp_path / "caltech101")
    theirs = import_torchvision().datasets.Caltech101(str(tmp_path))

    ours = scan_categories(find_categories(tmp_path), background=False)

    assert list(ours.class_names) == theirs.categories
    assert list(ours.labels) == theirs.y
    assert [path.name for path in ours.paths] == [f"image_{i:04d}.jpg" for i in theirs.index]


@pytest.mark.parametrize("place", ["caltech101", "caltech-101", "."])
def test_every_layout_is_found(caltech_root, tmp_path, place):
    root = shutil.copytree(caltech_root, tmp_path / "root" / place)
    found = list_files(tmp_path / "root", config(tmp_path / "root"))
    bare = list_files(root / "101_ObjectCategories", config(root))

    assert found == bare
    assert found["train"].class_names == OBJECTS


def test_the_background_may_be_missing(caltech_root, tmp_path):
    root = shutil.copytree(caltech_root, tmp_path / "root")
    shutil.rmtree(root / "101_ObjectCategories" / "BACKGROUND_Google")

    assert list_files(root, config(root)) == list_files(root, config(root))
    message = refusal(list_files, root, config(root, background=True))
    assert "must hold BACKGROUND_Google where data.background is true" in message


def test_a_file_of_the_background_without_an_ending_is_no_image(caltech_root, tmp_path):
    """The published archive has one, named tmp."""
    root = shutil.copytree(caltech_root, tmp_path / "root")
    (root / "101_ObjectCategories" / "BACKGROUND_Google" / "tmp").write_bytes(b"x")

    files = scan_categories(find_categories(root), background=True)

    assert len(files.paths) == 80


def test_grey_images_become_rgb(tmp_path):
    for name in ("ant", "bass"):
        folder = tmp_path / "101_ObjectCategories" / name
        folder.mkdir(parents=True)
        for i in range(1, 6):
            mode, colour = ("L", 77) if i == 3 else ("RGB", (77, 77, 77))
            Image.new(mode, (30, 20), colour).save(folder / f"image_{i:04d}.jpg")

    images = load_image_set(config(tmp_path), 16, tmp_path / "cache")

    assert images.left_out == 0
    assert images.counts == {"train": 6, "val": 2, "test": 2}
    for split in images.splits:
        pixels, _ = images.arrays(split)
        assert (abs(pixels.astype(int) - 77) <= 1).all()


def test_a_folder_that_holds_no_categories_says_what_to_do(tmp_path):
    (tmp_path / "empty").mkdir()
    message = refusal(list_files, tmp_path / "empty", config("x"))
    assert message == (
        f"{tmp_path / 'empty'}: must hold 101_ObjectCategories/ or Caltech-101's categories "
        f"themselves, but holds no folder; `nas-edge data fetch caltech101 --out "
        f"{tmp_path / 'empty'}` gets it"
    )
    for split in ("train", "val"):
        (tmp_path / "splits" / split).mkdir(parents=True)
    message = refusal(list_files, tmp_path / "splits", config("x"))
    assert (
        "has splits of its own (train, val), which Caltech-101 has not; give the folder" in message
    )
    assert "there is no such folder" in refusal(list_files, tmp_path / "none", config("x"))


def test_left_out_images_are_not_in_the_split_list(caltech_root, tmp_path):
    root = shutil.copytree(caltech_root, tmp_path / "root")
    damaged = root / "101_ObjectCategories" / "short" / "image_0004.jpg"
    damaged.write_bytes(b"")

    images = load_image_set(config(root, damaged="skip"), 16, tmp_path / "cache")

    assert images.left_out == 1
    assert len(rows_of(images)) == 69
    assert not any("short/image_0004" in row["file"] for row in rows_of(images))
