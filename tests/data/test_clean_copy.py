"""The clean copy: each image once, in the right split, with a list of everything left out."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path

import pytest
from scattered_images import by_brute_force, put, scattered, scene

from nas_edge.config.study import DataConfig
from nas_edge.data.audit import (
    audit_folder,
    empty_classes,
    require_place_for_copy,
    select_clean,
    write_clean_copy,
)
from nas_edge.data.source import list_files
from nas_edge.errors import DataError, EnvironmentProblem

RANK = ["test", "val", "train"]


def copied(root: Path, out: Path, *, near: bool = False):
    """Write a clean copy; return the selection and what lies in it."""
    audit = audit_folder(root)
    selection = select_clean(audit, near=near)
    write_clean_copy(audit.listing, selection, out)
    return selection, sorted(path.relative_to(out).as_posix() for path in out.glob("*/*/*"))


def test_each_image_is_kept_once_in_test_before_val_before_train(tmp_path):
    scattered(tmp_path / "in")
    places = by_brute_force(tmp_path / "in")

    selection, there = copied(tmp_path / "in", tmp_path / "out")

    expected = []
    for place in places:
        if len({label for _, label, _ in place}) == 1:
            expected.append("/".join(min(place, key=lambda p: (RANK.index(p[0]), p))))
    assert there == sorted(expected)
    for name in there:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "in" / name).read_bytes()
    again = audit_folder(tmp_path / "out")
    assert not again.has_leakage
    assert again.repeated_within_split == ()
    assert len(again.listing.files) == len(again.readings.contents) == len(there)
    assert len(selection.kept) + len(selection.left_out) == sum(map(len, places))
    assert sum(selection.counts().values()) == len(selection.left_out)


def test_the_list_names_every_file_left_out_with_its_reason(tmp_path):
    root = tmp_path / "in"
    for split in ("train", "val", "test"):
        for number, label in enumerate("ab"):
            put(root / split / label / "own.png", scene(len(split) * 10 + number))
    put(root / "train" / "a" / "1.png", scene(1))
    put(root / "train" / "a" / "2.png", scene(1))
    put(root / "train" / "a" / "3.png", scene(3))
    put(root / "val" / "a" / "3.png", scene(3))
    put(root / "test" / "a" / "4.png", scene(4))
    put(root / "test" / "b" / "5, \u00fc.png", scene(4))
    (root / "val" / "b" / "6.png").write_bytes(b"")

    copied(root, tmp_path / "out")

    with open(tmp_path / "out" / "left_out.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["file", "split", "class", "reason", "detail"],
        ["train/a/2.png", "train", "a", "there twice", "train/a/1.png"],
        ["train/a/3.png", "train", "a", "in another split too", "val/a/3.png"],
        ["val/b/6.png", "val", "b", "damaged", "the file is empty"],
        ["test/a/4.png", "test", "a", "under two labels", "a, b"],
        ["test/b/5, \u00fc.png", "test", "b", "under two labels", "a, b"],
    ]


@pytest.mark.parametrize("splits", [("train/", "val/", "test/"), ("",)])
def test_a_study_takes_the_copy_and_is_not_disturbed_by_the_list(tmp_path, splits):
    number = 0
    for split in splits:
        for label in "ab":
            for _ in range(4):
                number += 1
                put(tmp_path / "in" / f"{split}{label}" / f"{number}.png", scene(number))
            put(tmp_path / "in" / f"{split}{label}" / "again.png", scene(number))

    audit = audit_folder(tmp_path / "in")
    write_clean_copy(audit.listing, select_clean(audit), tmp_path / "out")

    found = list_files(tmp_path / "out", DataConfig())
    assert (tmp_path / "out" / "left_out.csv").is_file()
    assert sum(len(files.paths) for files in found.values()) == number
    assert all(files.class_names == ("a", "b") for files in found.values())


def near_set(root: Path) -> None:
    """Write a picture in several forms, chained: each is near the next, and in another split."""
    for split in ("train", "val", "test"):
        for number, label in enumerate("ab"):
            put(root / split / label / "own.png", scene(len(split) * 10 + number))
    put(root / "train" / "a" / "x.png", scene(1, side=96))
    put(root / "train" / "a" / "y.png", scene(1, side=80))
    put(root / "val" / "b" / "x.jpg", scene(1, side=96))
    put(root / "test" / "a" / "x.bmp", scene(1, side=96).convert("L"))
    put(root / "train" / "b" / "p.png", scene(2, side=96))
    put(root / "val" / "a" / "p.png", scene(2, side=64))
    put(root / "train" / "a" / "q.png", scene(3, side=96))
    put(root / "train" / "b" / "q.png", scene(3, side=64))


def test_near_duplicates_stay_unless_asked_for(tmp_path):
    near_set(tmp_path / "in")

    selection, there = copied(tmp_path / "in", tmp_path / "out")

    assert selection.left_out == ()
    assert len(there) == 6 + 8


def test_near_duplicates_across_splits_are_left_out_on_demand(tmp_path):
    near_set(tmp_path / "in")

    selection, there = copied(tmp_path / "in", tmp_path / "out", near=True)

    assert len(there) == 6 + 8 - 4
    left_out = {
        one.file.path.relative_to(tmp_path / "in").as_posix(): one.detail
        for one in selection.left_out
    }
    assert left_out == {
        "train/a/x.png": "test/a/x.bmp",
        "train/a/y.png": "test/a/x.bmp",
        "val/b/x.jpg": "test/a/x.bmp",
        "train/b/p.png": "val/a/p.png",
    }
    assert selection.counts() == {"near duplicate in another split": 4}
    assert not any(group.across_splits for group in audit_folder(tmp_path / "out").near_groups)


def test_an_image_left_out_drives_out_no_other(tmp_path):
    """A near one of an image that is kept nowhere, because it has two labels, stays."""
    root = tmp_path / "in"
    for split in ("train", "test"):
        for number, label in enumerate("ab"):
            put(root / split / label / "own.png", scene(len(split) * 10 + number))
    put(root / "test" / "a" / "x.png", scene(1))
    put(root / "test" / "b" / "x.png", scene(1))
    put(root / "train" / "a" / "x.png", scene(1, side=40))

    selection = select_clean(audit_folder(root), near=True)

    assert selection.counts() == {"under two labels": 2}


def test_near_duplicates_without_splits_cannot_be_left_out(tmp_path):
    for number in range(3):
        put(tmp_path / "a" / f"{number}.png", scene(number))

    with pytest.raises(DataError, match="must have splits for near duplicates across them"):
        select_clean(audit_folder(tmp_path), near=True)


def test_a_class_that_loses_its_last_image_is_named(tmp_path):
    put(tmp_path / "train" / "a" / "1.png", scene(1))
    put(tmp_path / "train" / "b" / "2.png", scene(2))
    put(tmp_path / "val" / "a" / "1.png", scene(1))
    put(tmp_path / "val" / "b" / "3.png", scene(3))
    audit = audit_folder(tmp_path)

    assert empty_classes(audit, select_clean(audit)) == ["class 'a' has no image left in 'train'"]


def test_a_class_named_like_the_list_keeps_its_name(tmp_path):
    for number in range(3):
        put(tmp_path / "in" / "left_out.csv" / f"{number}.png", scene(number))
        put(tmp_path / "in" / "b" / f"{number}.png", scene(10 + number))
    audit = audit_folder(tmp_path / "in")

    list_file = write_clean_copy(audit.listing, select_clean(audit), tmp_path / "out")

    assert list_file == tmp_path / "out" / "left_out-2.csv"
    assert list_file.is_file()
    assert len(list((tmp_path / "out" / "left_out.csv").iterdir())) == 3


def test_copies_are_files_of_their_own(tmp_path):
    put(tmp_path / "elsewhere.png", scene(1))
    for number in range(3):
        put(tmp_path / "in" / "a" / f"{number}.png", scene(number + 2))
    (tmp_path / "in" / "a" / "link.png").symlink_to(tmp_path / "elsewhere.png")
    audit = audit_folder(tmp_path / "in")

    write_clean_copy(audit.listing, select_clean(audit), tmp_path / "out")

    copy = tmp_path / "out" / "a" / "link.png"
    assert not copy.is_symlink()
    assert copy.stat().st_nlink == 1
    assert copy.read_bytes() == (tmp_path / "elsewhere.png").read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="names of bytes")
def test_names_that_are_not_utf8_are_kept(tmp_path):
    put(tmp_path / "in" / "a" / "1.png", scene(1))
    put(tmp_path / "in" / "a" / "2.png", scene(1))
    try:
        os.rename(tmp_path / "in" / "a" / "2.png", os.fsencode(tmp_path) + b"/in/a/\xff.png")
    except OSError:
        pytest.skip("this file system wants UTF-8")
    audit = audit_folder(tmp_path / "in")

    write_clean_copy(audit.listing, select_clean(audit), tmp_path / "out")

    assert (
        b"\na/\xff.png,all,a,there twice,a/1.png\r\n"
        in (tmp_path / "out" / "left_out.csv").read_bytes()
    )


# --- places that are refused -----------------------------------------------------------------


@pytest.fixture
def small(tmp_path):
    """Return an audit of three images, and what is kept of them."""
    for number in range(3):
        put(tmp_path / "in" / "a" / f"{number}.png", scene(number))
    audit = audit_folder(tmp_path / "in")
    return audit.listing, select_clean(audit)


@pytest.mark.parametrize("out", ["in", "in/clean", "in/a/deep/er", "other/../in/x", "link/x"])
def test_a_copy_inside_the_folder_is_refused(tmp_path, small, out):
    (tmp_path / "link").symlink_to(tmp_path / "in")
    (tmp_path / "other").mkdir()

    with pytest.raises(DataError, match="must not be inside"):
        write_clean_copy(*small, tmp_path / out)
    assert sorted(path.name for path in (tmp_path / "in").rglob("*")) == [
        "0.png",
        "1.png",
        "2.png",
        "a",
    ]


def test_a_place_that_is_taken_is_refused_and_left_alone(tmp_path, small):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("x", encoding="utf-8")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")

    for name in ("taken", "file", "link"):
        with pytest.raises(DataError, match="must be new or an empty folder"):
            write_clean_copy(*small, tmp_path / name)
    with pytest.raises(DataError, match="must be new or an empty folder"):
        require_place_for_copy(tmp_path / "in", tmp_path)  # the folder's parent is not empty
    assert (tmp_path / "taken" / "mine.txt").read_text(encoding="utf-8") == "x"


@pytest.mark.parametrize("out", ["new", "deep/er/new", "empty", "."])
def test_new_and_empty_folders_are_taken(tmp_path, small, out, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    out = Path(out) if out == "." else tmp_path / out
    write_clean_copy(*small, out)

    place = tmp_path / "here" if out == Path() else out
    assert sorted(path.name for path in place.iterdir()) == ["a", "left_out.csv"]
    assert not list(tmp_path.rglob(".*"))
    assert place.stat().st_mode == (tmp_path / "in").stat().st_mode


def test_a_disk_that_is_too_small_is_found_before_anything_is_copied(tmp_path, small_disk):
    for number in range(3):
        path = tmp_path / "in" / "a" / f"{number}.png"
        path.write_bytes(put(path, scene(number)) + bytes(500_000))
    audit = audit_folder(tmp_path / "in")

    with pytest.raises(EnvironmentProblem) as caught:
        write_clean_copy(audit.listing, select_clean(audit), small_disk / "out")

    assert str(caught.value) == (
        f"{small_disk / 'out'}: the copies need 1.4 MiB, but the disk has 1.0 MiB left; free some "
        "or choose another disk"
    )
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_fills_up_while_copying_leaves_nothing(tmp_path, small_disk):
    for number in range(100):
        path = tmp_path / "in" / "a" / f"{number}.png"
        path.write_bytes(put(path, scene(number)) + bytes(200))
    audit = audit_folder(tmp_path / "in")

    def fill(done, total):
        (small_disk / "other").write_bytes(bytes(shutil.disk_usage(small_disk).free))

    with pytest.raises(EnvironmentProblem) as caught:
        write_clean_copy(audit.listing, select_clean(audit), small_disk / "out", fill)

    assert str(caught.value) == (
        f"{small_disk / 'out'}: cannot be written (the disk is full); mend that, or choose "
        "another path"
    )
    assert [path.name for path in small_disk.iterdir()] == ["other"]


def test_a_file_that_is_gone_since_the_audit_is_named(tmp_path, small):
    (tmp_path / "in" / "a" / "1.png").unlink()

    with pytest.raises(EnvironmentProblem, match=r"in/a/1\.png: cannot be read any more"):
        write_clean_copy(*small, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_copy_of_nothing_is_refused(tmp_path):
    (tmp_path / "in" / "a").mkdir(parents=True)
    (tmp_path / "in" / "a" / "1.png").write_bytes(b"")
    audit = audit_folder(tmp_path / "in")

    with pytest.raises(DataError, match="no image would be left"):
        write_clean_copy(audit.listing, select_clean(audit), tmp_path / "out")
