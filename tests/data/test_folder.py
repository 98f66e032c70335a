"""Image folders: both layouts, every name that a file system allows, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nas_edge.config.study import DataConfig
from nas_edge.data.folder import is_split_layout, scan_classes, scan_splits
from nas_edge.data.source import list_files
from nas_edge.errors import DataError


def touch(root: Path, *names: str) -> Path:
    """Make files (nothing here opens them) and return the root."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def refusal(call, *args) -> str:
    with pytest.raises(DataError) as caught:
        call(*args)
    return str(caught.value)


def relative(files, root):
    return [path.relative_to(root).as_posix() for path in files.paths]


def test_classes_and_files_come_in_the_order_of_their_names(tmp_path):
    touch(tmp_path, "b/2.png", "a/10.jpg", "a/2.jpg", "b/1.png", "a/1.jpg")

    files = scan_classes(tmp_path)

    assert files.class_names == ("a", "b")
    assert relative(files, tmp_path) == ["a/1.jpg", "a/10.jpg", "a/2.jpg", "b/1.png", "b/2.png"]
    assert files.labels == (0, 0, 0, 1, 1)


def test_only_images_count_whatever_the_case_of_their_ending(tmp_path):
    touch(
        tmp_path,
        *(f"a/{name}" for name in ("1.JPG", "2.JpEg", "3.png", "4.bmp", "5.webp", "6.TIFF")),
        *(f"a/{name}" for name in ("readme.txt", "Thumbs.db", "jpg", "x.jpg.bak")),
        "b/1.ppm",
        "notes.txt",
    )

    files = scan_classes(tmp_path)

    assert len(files.paths) == 7
    assert files.labels.count(0) == 6


def test_hidden_files_and_folders_are_left_alone(tmp_path):
    touch(tmp_path, "a/1.png", "a/._1.png", "a/.cache/2.png", "b/1.png", ".git/1.png")

    files = scan_classes(tmp_path)

    assert files.class_names == ("a", "b")
    assert relative(files, tmp_path) == ["a/1.png", "b/1.png"]


def test_images_in_folders_below_a_class_belong_to_it(tmp_path):
    touch(tmp_path, "a/x/y/1.png", "a/0.png", "b/z/1.png")

    files = scan_classes(tmp_path)

    assert relative(files, tmp_path) == ["a/0.png", "a/x/y/1.png", "b/z/1.png"]


@pytest.mark.parametrize(
    "name", ["two words", "größe", "日本", "line\nbreak", "'quoted' \"x\"", "a;b"]
)
def test_names_may_hold_anything(tmp_path, name):
    touch(tmp_path, f"{name}/{name}.png", "~/1.png")

    files = scan_classes(tmp_path)

    assert set(files.class_names) == {name, "~"}
    assert tmp_path / name / f"{name}.png" in files.paths


@pytest.mark.skipif(os.name != "posix", reason="names of bytes")
def test_names_need_not_be_utf8(tmp_path):
    folder = os.fsencode(tmp_path) + b"/\xff"
    try:
        os.makedirs(folder)
    except OSError:
        pytest.skip("this file system wants UTF-8")
    with open(folder + b"/\xfe.png", "wb") as file:
        file.write(b"x")
    touch(tmp_path, "b/1.png")

    files = scan_classes(tmp_path)

    assert os.fsencode(files.paths[1]).endswith(b"\xff/\xfe.png")


def test_a_link_to_itself_and_a_link_to_a_folder_above_are_named(tmp_path):
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.png").write_bytes(b"")
    (tmp_path / "good" / "self.png").symlink_to("self.png")
    with pytest.raises(DataError, match=r"self\.png: cannot be read"):
        scan_classes(tmp_path)
    (tmp_path / "good" / "self.png").unlink()
    (tmp_path / "good" / "up").symlink_to("..")
    with pytest.raises(DataError, match="must not link to a folder above it"):
        scan_classes(tmp_path)


def test_split_layout_is_read_split_by_split(tmp_path):
    touch(tmp_path, *(f"{s}/{c}/{s}.png" for s in ("train", "val", "test") for c in "ab"))

    found = list_files(tmp_path, DataConfig())

    assert list(found) == ["train", "val", "test"]
    assert relative(found["val"], tmp_path) == ["val/a/val.png", "val/b/val.png"]


def test_test_split_may_be_missing(tmp_path):
    touch(tmp_path, *(f"{s}/{c}/1.png" for s in ("train", "val") for c in "ab"))

    assert list(scan_splits(tmp_path)) == ["train", "val"]


@pytest.mark.parametrize("there", [("train",), ("val",), ("test",), ("val", "test")])
def test_a_missing_split_is_named_and_not_taken_for_classes(tmp_path, there):
    touch(tmp_path, *(f"{s}/{c}/{i}.png" for s in there for c in "ab" for i in range(9)))

    message = refusal(list_files, tmp_path, DataConfig())

    assert message == (
        f"{tmp_path}: must have the folders 'train' and 'val', but has "
        f"{', '.join(sorted(there))}; or give one folder of classes, which is then split"
    )


def test_splits_of_another_name_are_not_taken_for_classes(tmp_path):
    touch(
        tmp_path, *(f"{s}/{c}/{i}.png" for s in ("Training", "valid") for c in "ab" for i in "12")
    )

    assert refusal(list_files, tmp_path, DataConfig()) == (
        f"{tmp_path}: must name its splits train, val and test, but has Training, valid; "
        "rename them"
    )


def test_one_folder_of_classes_is_split(tmp_path):
    touch(tmp_path, *(f"{c}/{i}.png" for c in "ab" for i in range(20)))

    assert not is_split_layout(tmp_path)
    found = list_files(tmp_path, DataConfig())

    assert {split: len(files.paths) for split, files in found.items()} == {
        "train": 28,
        "val": 6,
        "test": 6,
    }


def test_splits_with_different_classes_are_refused(tmp_path):
    touch(tmp_path, "train/a/1.png", "train/b/1.png", "val/a/1.png", "val/c/1.png")

    assert refusal(scan_splits, tmp_path) == (
        f"{tmp_path / 'val'}: must have the classes of train (a, b), but has a, c"
    )


def test_an_empty_class_is_refused_by_name(tmp_path):
    touch(tmp_path, "a/1.png", "b/readme.txt")

    message = refusal(scan_classes, tmp_path)

    assert message.startswith(f"{tmp_path / 'b'}: must hold at least one image (.jpg, .jpeg, ")
    assert message.endswith("but holds none; add images or remove the folder")


@pytest.mark.parametrize(
    ("names", "rest"), [((), "0"), (("a/1.png",), "1 (a)"), (("1.png", "2.png"), "0")]
)
def test_fewer_than_two_classes_are_refused(tmp_path, names, rest):
    touch(tmp_path, *names)

    assert refusal(scan_classes, tmp_path) == (
        f"{tmp_path}: must hold at least two folders, one a class, but holds {rest}"
    )


def test_a_folder_that_is_none_is_refused(tmp_path):
    file = touch(tmp_path, "a.png") / "a.png"

    missing = tmp_path / "missing"
    assert refusal(list_files, missing, DataConfig()) == (
        f"{missing}: must be a folder of images, but there is no such folder"
    )
    assert refusal(list_files, file, DataConfig()) == (
        f"{file}: must be a folder of images, but is a file"
    )
    assert refusal(scan_classes, missing) == f"{missing}: there is no such folder"
    assert refusal(scan_classes, file) == f"{file}: must be a folder of images, but is a file"


def test_a_link_to_a_folder_is_followed_and_a_link_to_nothing_is_no_class(tmp_path):
    touch(tmp_path / "elsewhere", "1.png")
    root = touch(tmp_path / "root", "a/1.png")
    (root / "b").symlink_to(tmp_path / "elsewhere")
    (root / "c").symlink_to(tmp_path / "nowhere")

    assert scan_classes(root).class_names == ("a", "b")
