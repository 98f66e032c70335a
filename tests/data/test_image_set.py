"""The cache of decoded images: whole or not there, labels beside their images, one identity."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas_edge.data.folder import scan_classes, scan_splits
from nas_edge.data.image_set import build_from_arrays, build_from_files, open_image_set
from nas_edge.errors import DataError, EnvironmentProblem

SIZE = 8


def write(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((SIZE, SIZE, 3), value, dtype=np.uint8)).save(path)


def make_folder(root: Path, per_class: int = 6) -> Path:
    """Write splits of two classes; a pixel is 100 * label + number, so that each is known."""
    for split in ("train", "val", "test"):
        for label, name in enumerate(("dab", "good")):
            for i in range(per_class):
                write(root / split / name / f"{i:02d}.png", 100 * label + i)
    return root


def build(root: Path, folder: Path, **options):
    return build_from_files(folder, scan_splits(root), SIZE, description=str(root), **options)


def draw(split: str, count: int):
    rng = np.random.default_rng(len(split))
    images = rng.integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)
    return images, np.arange(count) % 2


def leftovers(folder: Path):
    return sorted(path.name for path in folder.parent.iterdir()) if folder.parent.exists() else []


def test_every_image_lies_beside_its_label(tmp_path):
    images = build(make_folder(tmp_path / "in"), tmp_path / "cache" / "x")

    assert images.class_names == ("dab", "good")
    assert images.counts == {"train": 12, "val": 12, "test": 12}
    assert (images.splits, images.num_outputs) == (("train", "val", "test"), 1)
    for split in images.splits:
        pixels, labels = images.arrays(split)
        assert isinstance(pixels, np.memmap)
        assert (pixels.shape, pixels.dtype) == ((12, SIZE, SIZE, 3), np.uint8)
        assert labels.dtype == np.int64
        assert pixels[:, 0, 0, 0].tolist() == [*range(6), *range(100, 106)]
        assert labels.tolist() == [0] * 6 + [1] * 6
    assert leftovers(images.folder) == ["x"]


def test_more_than_two_classes_have_an_output_each(tmp_path):
    built = build_from_arrays(
        tmp_path / "x", ["a", "b", "c"], draw, {"train": 6}, SIZE, description="drawn"
    )

    assert built.num_outputs == 3


def test_what_is_built_is_opened_again_as_it_was(tmp_path):
    built = build(make_folder(tmp_path / "in"), tmp_path / "x")

    assert open_image_set(tmp_path / "x") == built


@pytest.mark.parametrize("damage", [None, "", "{", '{"format": 999}', '{"format": 0}'])
def test_a_folder_without_whole_meta_data_is_not_taken_for_whole(tmp_path, damage):
    build(make_folder(tmp_path / "in"), tmp_path / "x")
    meta = tmp_path / "x" / "meta.json"
    meta.unlink() if damage is None else meta.write_text(damage, encoding="utf-8")

    assert open_image_set(tmp_path / "x") is None


def test_damaged_images_stop_by_name_and_leave_nothing(tmp_path):
    root = make_folder(tmp_path / "in")
    for number in ("02", "04"):
        (root / "val" / "good" / f"{number}.png").write_bytes(b"")

    with pytest.raises(DataError) as caught:
        build(root, tmp_path / "cache" / "x")

    assert str(caught.value) == (
        f"{root / 'val' / 'good' / '02.png'}: the file is empty (1 more like it); repair or remove "
        "it, or leave damaged images out (in a study file data.damaged: skip; nas-edge run "
        "--skip-damaged)"
    )
    assert leftovers(tmp_path / "cache" / "x") == []


def test_labels_stay_with_their_images_when_damaged_ones_are_left_out(tmp_path):
    root = make_folder(tmp_path / "in")
    for name in ("dab/00.png", "dab/03.png", "good/01.png", "good/05.png"):
        (root / "train" / name).write_bytes(b"no image")
    lines = []

    images = build(root, tmp_path / "x", skip_damaged=True, on_progress=lines.append)

    pixels, labels = images.arrays("train")
    assert pixels[:, 0, 0, 0].tolist() == [1, 2, 4, 5, 100, 102, 103, 104]
    assert labels.tolist() == [0] * 4 + [1] * 4
    assert pixels.shape == (8, SIZE, SIZE, 3)
    assert images.counts == {"train": 8, "val": 12, "test": 12}
    assert images.left_out == 4
    assert f"left out: {root / 'train' / 'dab' / '00.png'}: is not an image" in lines
    assert "left out 4 of 12 images" in lines
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == sorted(
        ["meta.json", "split.csv"]
        + [f"{split}-{what}.npy" for split in images.splits for what in ("images", "labels")]
    )


def test_leaving_damaged_images_out_equals_removing_them(tmp_path):
    root = make_folder(tmp_path / "in")
    (root / "train" / "good" / "03.png").write_bytes(b"no image")
    skipped = build(root, tmp_path / "a", skip_damaged=True)
    (root / "train" / "good" / "03.png").unlink()

    assert build(root, tmp_path / "b").identity == skipped.identity


def test_a_class_of_damaged_images_only_is_refused(tmp_path):
    root = make_folder(tmp_path / "in", per_class=2)
    for i in range(2):
        (root / "val" / "good" / f"{i:02d}.png").write_bytes(b"")

    with pytest.raises(DataError, match=r"class 'good' has no image left in 'val'$"):
        build(root, tmp_path / "x", skip_damaged=True)


def test_the_same_pixels_elsewhere_have_the_same_identity(tmp_path):
    first = build(make_folder(tmp_path / "one"), tmp_path / "a")
    moved = shutil.copytree(str(tmp_path / "one"), str(tmp_path / "other place"))

    again = build(Path(moved), tmp_path / "b")

    assert again.identity == first.identity
    assert again.description != first.description


def test_a_changed_pixel_label_class_or_split_changes_the_identity(tmp_path):
    def identity(change) -> str:
        root = make_folder(tmp_path / change.__name__)
        change(root)
        return build(root, tmp_path / f"{change.__name__}-cache").identity

    def nothing(root):
        pass

    def pixel(root):
        image = np.full((SIZE, SIZE, 3), 0, dtype=np.uint8)
        image[3, 4, 1] = 1
        Image.fromarray(image).save(root / "train" / "dab" / "00.png")

    def label(root):
        (root / "train" / "good" / "00.png").rename(root / "train" / "dab" / "99.png")

    def class_name(root):
        for split in ("train", "val", "test"):
            (root / split / "good").rename(root / split / "fine")

    def split(root):
        (root / "train" / "dab" / "05.png").rename(root / "val" / "dab" / "99.png")

    changes = (nothing, pixel, label, class_name, split)
    assert len({identity(change) for change in changes}) == len(changes)


def test_building_again_replaces_what_was_there(tmp_path):
    build(make_folder(tmp_path / "in"), tmp_path / "x")
    (tmp_path / "x" / "rubbish").write_text("old", encoding="utf-8")

    images = build(make_folder(tmp_path / "in", per_class=9), tmp_path / "x")

    assert images.counts["train"] == 18
    assert not (tmp_path / "x" / "rubbish").exists()


def test_an_error_while_building_keeps_what_was_there(tmp_path):
    root = make_folder(tmp_path / "in")
    before = build(root, tmp_path / "x")
    (root / "val" / "good" / "02.png").write_bytes(b"")

    with pytest.raises(DataError):
        build(root, tmp_path / "x")

    assert open_image_set(tmp_path / "x") == before


SLOW_BUILD = """
import sys, time
from pathlib import Path
import numpy as np
from nas_edge.data.image_set import build_from_arrays

def draw(split, count):
    if split == "val":
        print("half", flush=True)
        time.sleep(60)
    return np.ones((count, 8, 8, 3), dtype=np.uint8), np.arange(count) % 2

build_from_arrays(
    Path(sys.argv[1]), ["a", "b"], draw, {"train": 40, "val": 40}, 8, description="killed"
)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_build_that_is_killed_half_way_is_not_taken_for_whole_and_is_built_again(
    tmp_path, repository
):
    folder = tmp_path / "cache" / "x"
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW_BUILD, str(folder)],
        stdout=subprocess.PIPE,
        cwd=str(repository),
    )
    try:
        assert child.stdout.readline() == b"half\n"
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()

    assert (tmp_path / "cache" / "x.partial" / "train-images.npy").exists()  # it was half way
    assert open_image_set(folder) is None
    images = build_from_arrays(
        folder, ["a", "b"], draw, {"train": 40, "val": 40}, SIZE, description="again"
    )
    assert images.counts == {"train": 40, "val": 40}
    assert leftovers(folder) == ["x"]


def test_a_disk_too_small_is_found_before_anything_is_decoded(small_disk):
    with pytest.raises(EnvironmentProblem) as caught:
        build_from_arrays(
            small_disk / "x", ["a", "b"], draw, {"train": 20000}, SIZE, description="big"
        )

    assert str(caught.value) == (
        f"{small_disk / 'x'}: the decoded images need 4 MiB, but the disk has 1 MiB left; free "
        "some or use --out on another disk"
    )
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_fills_up_while_building_is_an_error_and_no_crash(small_disk, repository):
    """In a process of its own: writing a memory map on a full disk would kill it (SIGBUS)."""
    code = f"""
import numpy as np
from pathlib import Path
from nas_edge.data.image_set import build_from_arrays
from nas_edge.errors import EnvironmentProblem
disk = Path({str(small_disk)!r})

def draw(split, count):
    if split == "train":
        (disk / "other").write_bytes(bytes(600_000))  # somebody else's file
    return np.full((count, 8, 8, 3), 255, dtype=np.uint8), np.arange(count) % 2

try:
    sizes = {{"train": 1000, "val": 3000}}
    build_from_arrays(disk / "x", ["a", "b"], draw, sizes, 8, description="big")
except EnvironmentProblem as err:
    print(err)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=str(repository)
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{small_disk / 'x'}: cannot be written (the disk is full)\n"
    assert [path.name for path in small_disk.iterdir()] == ["other"]


def test_a_read_only_disk_is_the_environments_fault(small_disk):
    done = subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], capture_output=True)
    if done.returncode:
        pytest.skip("cannot mount a disk read-only here")

    with pytest.raises(EnvironmentProblem) as caught:
        build_from_arrays(small_disk / "x", ["a", "b"], draw, {"train": 4}, SIZE, description="ro")

    assert str(caught.value) == f"{small_disk / 'x'}: cannot be written (Read-only file system)"
    assert caught.value.exit_code == 3


def test_a_file_in_the_folders_place_is_the_environments_fault(tmp_path):
    (tmp_path / "cache").write_text("a file", encoding="utf-8")

    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        build_from_arrays(
            tmp_path / "cache" / "x", ["a", "b"], draw, {"train": 4}, SIZE, description="d"
        )


def test_one_folder_of_classes_can_be_built_too(tmp_path):
    for i in range(3):
        write(tmp_path / "in" / "a" / f"{i}.png", i)
        write(tmp_path / "in" / "b" / f"{i}.png", 50 + i)

    images = build_from_files(
        tmp_path / "x", {"train": scan_classes(tmp_path / "in")}, SIZE, description="one"
    )

    assert images.arrays("train")[0][:, 0, 0, 0].tolist() == [0, 1, 2, 50, 51, 52]
