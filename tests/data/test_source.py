"""From a study's data section to its images: cached, noticed when changed, refused when bad."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas_edge.config.study import DataConfig, SplitConfig, SyntheticConfig
from nas_edge.data.source import load_image_set
from nas_edge.errors import ConfigError, DataError

SIZE = 8


def write(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((SIZE, SIZE, 3), value, dtype=np.uint8)).save(path)


@pytest.fixture
def classes(tmp_path):
    """Return one folder of two classes; a pixel is 100 * label + number."""
    for label, name in enumerate("ab"):
        for i in range(20):
            write(tmp_path / "in" / name / f"{i:02d}.png", 100 * label + i)
    return tmp_path / "in"


def load(root: Path, cache: Path, lines=None, **options):
    config = DataConfig(path=str(root), **options)
    return load_image_set(config, SIZE, cache, lines.append if lines is not None else None)


def test_one_folder_of_classes_is_split_and_decoded(classes, tmp_path):
    images = load(classes, tmp_path / "cache")

    assert images.counts == {"train": 28, "val": 6, "test": 6}
    values = [images.arrays(split)[0][:, 0, 0, 0].tolist() for split in images.splits]
    assert sorted(value for part in values for value in part) == [*range(20), *range(100, 120)]
    for split in images.splits:
        pixels, labels = images.arrays(split)
        assert (pixels[:, 0, 0, 0] >= 100).tolist() == labels.astype(bool).tolist()


def test_an_unchanged_folder_is_not_decoded_again(classes, tmp_path):
    first = load(classes, tmp_path / "cache")
    lines = []

    again = load(classes, tmp_path / "cache", lines)

    assert (again, lines) == (first, [])


def change_pixels(root):
    write(root / "a" / "03.png", 77)


def add_image(root):
    write(root / "a" / "20.png", 20)


def remove_image(root):
    (root / "a" / "03.png").unlink()


def rename_class(root):
    (root / "a").rename(root / "c")


@pytest.mark.parametrize("change", [change_pixels, add_image, remove_image, rename_class])
def test_a_changed_folder_is_decoded_again(classes, tmp_path, change):
    first = load(classes, tmp_path / "cache")
    change(classes)
    os.utime(classes / "b" / "00.png")  # as any copy would

    again = load(classes, tmp_path / "cache")

    assert again.folder != first.folder
    assert again.identity != first.identity


def test_new_times_alone_are_decoded_again_and_found_equal(classes, tmp_path):
    first = load(classes, tmp_path / "cache")
    os.utime(classes / "a" / "03.png", (1, 1))

    again = load(classes, tmp_path / "cache")

    assert again.folder != first.folder
    assert again.identity == first.identity


@pytest.mark.parametrize("options", [{"split": SplitConfig(seed=1)}, {"damaged": "skip"}])
def test_another_split_or_rule_is_another_cache(classes, tmp_path, options):
    first = load(classes, tmp_path / "cache")

    assert load(classes, tmp_path / "cache", **options).folder != first.folder


def test_another_image_size_is_another_cache(classes, tmp_path):
    small = load_image_set(DataConfig(path=str(classes)), SIZE, tmp_path / "cache")
    large = load_image_set(DataConfig(path=str(classes)), 2 * SIZE, tmp_path / "cache")

    assert (small.image_size, large.image_size) == (SIZE, 2 * SIZE)
    assert small.identity != large.identity


def test_a_damaged_image_stops_or_is_left_out(classes, tmp_path):
    (classes / "a" / "05.png").write_bytes(b"")

    with pytest.raises(DataError, match=r"05\.png: the file is empty; repair or remove it"):
        load(classes, tmp_path / "cache")
    images = load(classes, tmp_path / "cache", damaged="skip")

    assert images.left_out == 1
    assert sum(images.counts.values()) == 39


def test_a_link_to_nothing_is_named(classes, tmp_path):
    (classes / "a" / "zz.png").symlink_to(tmp_path / "nowhere")

    with pytest.raises(DataError, match=r"zz\.png: cannot be read \(No such file"):
        load(classes, tmp_path / "cache")


def test_names_of_files_may_hold_anything(tmp_path):
    for name in ("two words", "日本", "line\nbreak"):
        for i in range(3):
            write(tmp_path / "in" / name / f"{name} {i}.png", i)

    images = load(tmp_path / "in", tmp_path / "cache")

    assert set(images.class_names) == {"two words", "日本", "line\nbreak"}
    assert load(tmp_path / "in", tmp_path / "cache") == images


def test_names_of_files_need_not_be_utf8(tmp_path):
    for name in (b"a", b"\xff"):
        folder = os.fsencode(tmp_path / "in") + b"/" + name
        try:
            os.makedirs(folder)
        except OSError:
            pytest.skip("this file system wants UTF-8")
        for i in range(3):
            write(Path(os.fsdecode(folder + b"/\xfe%d.png" % i)), i)

    images = load(tmp_path / "in", tmp_path / "cache")

    assert images.class_names == ("a", os.fsdecode(b"\xff"))
    assert load(tmp_path / "in", tmp_path / "cache") == images


def test_a_folder_must_be_named(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load_image_set(DataConfig(), SIZE, tmp_path / "cache")

    assert str(caught.value) == ("data.path is missing: name the folder of images with --data DIR")


def test_the_synthetic_set_is_drawn_once(tmp_path):
    config = DataConfig(
        source="synthetic-pcb", synthetic=SyntheticConfig(train=8, val=6, test=4, seed=3)
    )
    lines = []

    first = load_image_set(config, 32, tmp_path / "cache", lines.append)
    drawn = len(lines)
    again = load_image_set(config, 32, tmp_path / "cache", lines.append)

    assert first.counts == {"train": 8, "val": 6, "test": 4}
    assert again == first
    assert drawn == len(lines) == 3


def real_images() -> Path:
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "pcb"
    return Path(os.environ.get("NAS_EDGE_PCB", str(beside)))


@pytest.mark.slow
@pytest.mark.skipif(not real_images().is_dir(), reason="no PCB images (NAS_EDGE_PCB)")
def test_the_real_pcb_images_are_all_read(tmp_path):
    images = load_image_set(DataConfig(path=str(real_images())), 32, tmp_path / "cache")

    assert images.class_names == ("0", "1")
    assert images.counts == {"train": 2000, "val": 500, "test": 500}
    for split, count in images.counts.items():
        pixels, labels = images.arrays(split)
        assert labels.sum() == count // 2
        assert pixels.reshape(count, -1).std(axis=1).min() > 0  # none is blank
        # Distinct files, of which a few differ too little to show at this size.
        assert len({image.tobytes() for image in pixels}) >= 0.99 * count
