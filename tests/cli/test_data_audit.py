"""`nas-edge data audit`: exit codes, what is printed where, and a clean copy."""

import contextlib
import json
import os
import shutil
import subprocess
import sys

import in_process
import numpy as np
import pytest
from PIL import Image

from nas_edge.cli.main import audit
from nas_edge.data.audit import NEAR_DISTANCE


def call(*arguments):
    return in_process.call("data", "audit", *arguments)


def draw(path, seed):
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(coarse).resize((48, 48), Image.Resampling.BICUBIC).save(path)


@pytest.fixture
def clean(tmp_path):
    """Return a folder of 24 distinct images."""
    for number in range(24):
        split = ("train", "val", "test")[number % 3]
        draw(tmp_path / "in" / split / "ab"[number % 2] / f"{number}.png", number)
    return tmp_path / "in"


@pytest.fixture
def leaky(clean):
    """Return one with an image in two splits, one under two labels, one twice, one damaged."""
    draw(clean / "train" / "a" / "crossing.png", 100)
    draw(clean / "test" / "a" / "crossing.png", 100)
    draw(clean / "val" / "a" / "either.png", 101)
    draw(clean / "val" / "b" / "either.png", 101)
    draw(clean / "train" / "b" / "once.png", 102)
    draw(clean / "train" / "b" / "twice.png", 102)
    (clean / "train" / "b" / "empty.png").write_bytes(b"")
    return clean


def test_a_clean_folder_exits_0_and_says_so(clean):
    result = call(clean)

    assert result.exit_code == 0
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0] == f"{clean}: 24 files, 24 distinct images"
    assert lines[-1] == f"{clean}: no leakage"
    assert "leakage:" not in result.stdout
    assert "8 " in next(line for line in lines if " all " in line)


def test_leakage_exits_1_and_is_named(leaky):
    result = call(leaky)

    assert result.exit_code == 1
    assert "same image in several splits: train/a/crossing.png = test/a/crossing.png" in (
        result.stdout
    )
    assert "same image under two labels: val/a/either.png = val/b/either.png" in result.stdout
    assert "same image twice in a split: train/b/once.png = train/b/twice.png" in result.stdout
    assert "problem: damaged files: train/b/empty.png: the file is empty" in result.stdout
    assert result.stdout.splitlines()[-1] == (
        f"{leaky}: leakage: 1 image in several splits, 1 under two labels; --fix OUT writes a "
        "clean copy"
    )


def test_a_copy_within_a_split_is_no_leakage(clean):
    shutil.copy(clean / "train" / "a" / "0.png", clean / "train" / "a" / "copy.png")

    assert call(clean).exit_code == 0


def test_copies_in_one_folder_of_classes_will_leak_and_that_is_said(clean):
    shutil.copy(clean / "train" / "a" / "0.png", clean / "train" / "a" / "copy.png")

    result = call(clean / "train")

    assert result.exit_code == 0
    assert "no leakage yet, but a study will share the copies out" in result.stdout


def test_json_holds_everything_and_nothing_else_is_printed(leaky):
    result = call(leaky, "--json")

    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert found["leakage"] is True
    assert found["num_files"] == 31
    assert found["num_distinct"] == 27
    assert found["num_damaged"] == 1
    assert [one["files"] for one in found["in_several_splits"]] == [
        ["train/a/crossing.png", "test/a/crossing.png"]
    ]
    assert [one["files"] for one in found["under_two_labels"]] == [
        ["val/a/either.png", "val/b/either.png"]
    ]
    assert found["counts"] == {
        "train": {"a": 5, "b": 7},
        "val": {"a": 5, "b": 5},
        "test": {"a": 5, "b": 4},
    }
    assert found["damaged"] == [{"file": "train/b/empty.png", "reason": "the file is empty"}]
    assert found["clean_copy"] is None


def test_fix_writes_a_copy_that_is_clean(leaky, tmp_path):
    result = call(leaky, "--fix", tmp_path / "out")

    assert result.exit_code == 1  # it speaks of the folder that was audited
    assert f"{tmp_path / 'out'}: 26 images; left out 5 (1 damaged; 2 under two labels; 1 in" in (
        result.stdout
    )
    assert call(tmp_path / "out").exit_code == 0
    assert (tmp_path / "out" / "test" / "a" / "crossing.png").is_file()
    assert not (tmp_path / "out" / "train" / "a" / "crossing.png").exists()

    again = call(leaky, "--fix", tmp_path / "again", "--json")
    assert json.loads(again.stdout)["clean_copy"] == {
        "folder": str(tmp_path / "again"),
        "num_kept": 26,
        "num_left_out": 5,
        "left_out": {
            "damaged": 1,
            "under two labels": 2,
            "in another split too": 1,
            "there twice": 1,
        },
        "gaps": [],
    }


def test_near_leaves_near_duplicates_out_of_the_copy(clean, tmp_path):
    with Image.open(clean / "test" / "a" / "2.png") as image:
        image.resize((40, 40)).save(clean / "train" / "a" / "near.png")

    kept = call(clean, "--fix", tmp_path / "one")
    result = call(clean, "--fix", tmp_path / "two", "--near")

    assert kept.exit_code == result.exit_code == 0
    assert (tmp_path / "one" / "train" / "a" / "near.png").exists()
    assert not (tmp_path / "two" / "train" / "a" / "near.png").exists()
    assert "warning: near duplicates: train/a/near.png ~ test/a/2.png" in result.stdout
    assert "left out 1 (1 near duplicate in another split)" in result.stdout
    exact_only = call(clean, "--distance", "0")
    assert "near duplicates: train" not in exact_only.stdout


def test_a_class_emptied_by_the_copy_is_a_problem(clean, tmp_path):
    shutil.rmtree(clean / "val" / "a")
    draw(clean / "val" / "a" / "1.png", 0)

    result = call(clean, "--fix", tmp_path / "out")

    assert "class 'a' has no image left" not in result.stdout  # val is kept before train
    shutil.rmtree(clean / "test" / "a")
    draw(clean / "test" / "a" / "1.png", 0)
    result = call(clean, "--fix", tmp_path / "out2")
    assert f"problem: {tmp_path / 'out2'}: class 'a' has no image left in 'val'" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["missing"], "must be a folder of images, but there is no such folder"),
        (["in/train/a/0.png"], "must be a folder of images, but is a file"),
        (["in", "--fix", "in/out"], "must not be inside"),
        (["in", "--fix", "taken"], "must be new or an empty folder"),
        (["in/train", "--fix", "out", "--near"], "must have splits"),
    ],
)
def test_bad_input_exits_2_in_one_line(clean, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("x")

    result = call(*arguments)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("nas-edge: error: ")
    assert says in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_a_folder_that_may_not_be_read_exits_3(clean):
    """As another user, because root reads everything."""
    locked = clean / "val"
    locked.chmod(0)
    try:
        if os.access(locked, os.R_OK):
            pytest.skip("this user may read everything")
        result = call(clean)
    finally:
        locked.chmod(0o755)

    assert result.exit_code == 3
    assert f"{locked}: cannot be read (Permission denied)" in result.stderr


@pytest.mark.skipif(os.name != "posix", reason="names of bytes")
def test_any_name_can_be_printed(clean):
    names = [b"a\nb[red].png", b"\xff\xfe.png", "größe.png".encode()]
    try:
        for name in names:
            draw(clean / "train" / "a" / os.fsdecode(name), 100)
    except OSError:
        pytest.skip("this file system wants UTF-8")

    result = call(clean)
    found = json.loads(call(clean, "--json").stdout)

    line = next(one for one in result.stdout.splitlines() if "twice in a split:" in one)
    assert line.endswith("train/a/a\ufffdb[red].png = train/a/größe.png = train/a/\ufffd\ufffd.png")
    assert found["repeated_within_split"][0]["files"][2] == os.fsdecode(b"train/a/\xff\xfe.png")


def test_the_distance_is_the_librarys():
    (distance,) = (option for option in audit.params if option.name == "distance")

    assert distance.default == NEAR_DISTANCE


def until_closed(terminal):
    """Yield what a terminal still holds: a read gives a part, and its end is an error."""
    with contextlib.suppress(OSError):
        while part := os.read(terminal, 65536):
            yield part


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals")
def test_progress_is_drawn_on_a_terminal_and_keeps_out_of_the_output(clean, repository):
    import pty

    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(repository), "TERM": "xterm"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "nas_edge", "data", "audit", str(clean), "--json"],
            stdout=subprocess.PIPE,
            stderr=theirs,
            env=environment,
            timeout=60,
        )
        os.close(theirs)
        drawn = b"".join(until_closed(ours)).decode()
    finally:
        os.close(ours)

    assert done.returncode == 0
    assert json.loads(done.stdout)["num_files"] == 24
    assert "reading" in drawn
    assert "24/24" in drawn
