"""From whole boards on disk to images for training: the same bytes whatever happened between."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from PIL import Image

from nas_edge.config.study import DataConfig
from nas_edge.data.hripcb.options import PrepareOptions
from nas_edge.data.hripcb.prepare import prepare_pcb
from nas_edge.data.source import load_image_set
from nas_edge.data.synthetic import DEFECT_KINDS
from nas_edge.errors import DataError, EnvironmentProblem

OPTIONS = PrepareOptions(size=48, count=240)


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def refusal(call, *args, **options):
    with pytest.raises(DataError) as caught:
        call(*args, **options)
    return str(caught.value)


@pytest.fixture(scope="module")
def whole(pcb_dataset, tmp_path_factory):
    """Return a set that was prepared in one go; not to be changed."""
    out = tmp_path_factory.mktemp("whole") / "crops"
    prepare_pcb(pcb_dataset, out, OPTIONS)
    return out


@pytest.mark.parametrize(
    ("defects", "classes"),
    [("binary", ("defect", "normal")), ("six", tuple(sorted(("normal", *DEFECT_KINDS))))],
)
def test_boards_on_disk_become_images_for_training(pcb_dataset, tmp_path, defects, classes):
    options = PrepareOptions(size=48, count=280, defects=defects)

    made = prepare_pcb(pcb_dataset, tmp_path / "crops", options)
    images = load_image_set(DataConfig(path=str(tmp_path / "crops")), 32, tmp_path / "cache")

    assert images.class_names == classes
    assert images.counts == {split: sum(one.values()) for split, one in made.counts.items()}
    assert images.left_out == 0
    for split in ("train", "val", "test"):
        _, labels = images.arrays(split)
        assert [int((labels == i).sum()) for i in range(len(classes))] == list(
            made.counts[split].values()
        )


def test_no_board_is_in_two_splits_on_disk(whole):
    record = json.loads((whole / "preparation.json").read_text())
    seen = {
        split: {path.name.split("_")[1] for path in (whole / split).rglob("*.jpg")}
        for split in ("train", "val", "test")
    }

    assert seen == {split: set(boards) for split, boards in record["boards"].items()}
    assert sorted(board for boards in seen.values() for board in boards) == [
        f"{board:02d}" for board in range(1, 6)
    ]


def test_what_was_done_is_written_down(whole, pcb_dataset):
    record = json.loads((whole / "preparation.json").read_text())

    assert record["options"] == {
        "defects": "binary",
        "size": 48,
        "count": 240,
        "seed": 0,
        "val": 0.2,
        "test": 0.1,
        "per_defect": 20,
    }
    assert record["counts"] == {
        split: {name: len(list((whole / split / name).iterdir())) for name in ("defect", "normal")}
        for split in ("train", "val", "test")
    }
    assert record["source"]["images"] == 60
    for path in whole.rglob("*.jpg"):
        with Image.open(path) as image:
            assert (image.size, image.mode) == ((48, 48), "RGB")


@pytest.mark.parametrize("workers", [1, 5])
def test_the_same_options_give_the_same_bytes(whole, pcb_dataset, tmp_path, workers):
    prepare_pcb(pcb_dataset, tmp_path / "crops", OPTIONS, workers=workers)

    assert digests(tmp_path / "crops") == digests(whole)


def test_another_seed_gives_others(whole, pcb_dataset, tmp_path):
    prepare_pcb(pcb_dataset, tmp_path / "crops", PrepareOptions(size=48, count=240, seed=1))

    assert not set(digests(tmp_path / "crops").values()) & set(digests(whole).values())


KILLED = """
import os, signal, sys
from pathlib import Path
from nas_edge.data.hripcb.options import PrepareOptions
from nas_edge.data.hripcb.prepare import prepare_pcb

def die_half_way(done, total):
    if done > total // 3:
        os.kill(os.getpid(), signal.SIGKILL)

options = PrepareOptions(size=48, count=240)
prepare_pcb(Path(sys.argv[1]), Path(sys.argv[2]), options, workers=2, on_progress=die_half_way)
"""


def test_a_killed_preparation_goes_on_and_ends_the_same(whole, pcb_dataset, tmp_path, repository):
    out, partial = tmp_path / "crops", tmp_path / "crops.partial"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(pcb_dataset), str(out)], cwd=str(repository)
    )
    assert done.returncode == -signal.SIGKILL
    there = sorted(path for path in partial.rglob("*.jpg") if not path.name.startswith("."))
    assert 80 <= len(there) < 240
    assert not out.exists()  # half a set is not taken for one
    there[0].write_bytes(there[0].read_bytes()[:200])  # what a power cut may leave
    kept = there[1].stat().st_mtime_ns
    seen = []

    prepare_pcb(pcb_dataset, out, OPTIONS, on_progress=lambda *counts: seen.append(counts))

    assert digests(out) == digests(whole)
    assert seen[0] == (len(there) - 1, 240)  # what was there is not cut again
    assert seen[-1] == (240, 240)
    assert (out / there[1].relative_to(partial)).stat().st_mtime_ns == kept
    assert [path.name for path in tmp_path.iterdir()] == ["crops"]


def test_a_whole_set_is_not_made_again(whole, pcb_dataset):
    before = digests(whole)

    made = prepare_pcb(pcb_dataset, whole, OPTIONS)

    assert made.was_there
    assert digests(whole) == before


@pytest.mark.parametrize("lost", [1, 3])
def test_a_set_that_lost_crops_since_is_not_taken_for_whole(whole, pcb_dataset, tmp_path, lost):
    out = shutil.copytree(whole, tmp_path / "crops")
    first, *others = sorted((out / "test" / "normal").iterdir())[:lost]
    first.unlink()
    for path in others:
        path.write_bytes(path.read_bytes()[:100])
    before = digests(out)

    assert refusal(prepare_pcb, pcb_dataset, out, OPTIONS) == (
        f"{out}: must hold the 240 crops of preparation.json, but test/normal/{first.name}"
        f"{' and 2 more' if others else ''} cannot be found or read to its end; remove the folder, "
        "or use --out for another one"
    )
    assert digests(out) == before


def test_other_options_are_refused_with_what_differs(whole, pcb_dataset, tmp_path):
    message = refusal(prepare_pcb, pcb_dataset, whole, PrepareOptions(size=48, count=200, seed=3))
    assert "was made with other options: options.count was 240 and is now 200; " in message
    assert "options.seed was 0 and is now 3" in message

    shutil.copytree(whole, tmp_path / "crops.partial")
    message = refusal(
        prepare_pcb, pcb_dataset, tmp_path / "crops", PrepareOptions(size=40, count=240)
    )
    assert "crops.partial: was begun with other options: options.size was 48 and is now" in message


def test_another_source_is_refused(whole, pcb_dataset, tmp_path):
    copy = shutil.copytree(pcb_dataset, tmp_path / "PCB_DATASET")
    prepare_pcb(copy, whole, OPTIONS)  # where it lies does not matter
    for place, ending in (("images", "jpg"), ("Annotations", "xml")):
        (copy / place / "Short" / f"01_short_01.{ending}").unlink()

    message = refusal(prepare_pcb, copy, whole, OPTIONS)

    assert "was made from other files, the source's have changed since: source.defects" in message
    assert "source.images was 60 and is now 59; remove the folder, or use --out" in message
    assert "options" not in message
    shutil.copytree(whole, tmp_path / "crops.partial")
    message = refusal(prepare_pcb, copy, tmp_path / "crops", OPTIONS)
    assert "crops.partial: was begun from other files" in message


def test_another_version_of_pillow_is_no_other_option(whole, pcb_dataset, tmp_path):
    out = shutil.copytree(whole, tmp_path / "crops")
    record = json.loads((out / "preparation.json").read_text())
    (out / "preparation.json").write_text(json.dumps({**record, "pillow": "1.0"}))

    message = refusal(prepare_pcb, pcb_dataset, out, OPTIONS)

    assert "crops: was made by other versions: pillow was '1.0' and is now " in message


@pytest.mark.parametrize("place", ["crops", "crops.partial"])
def test_a_folder_of_something_else_is_left_alone(pcb_dataset, tmp_path, place):
    (tmp_path / place).mkdir()
    (tmp_path / place / "mine.txt").write_text("x")

    message = refusal(prepare_pcb, pcb_dataset, tmp_path / "crops", OPTIONS)

    assert f"{tmp_path / place}: must be " in message
    assert "but holds something else" in message
    assert (tmp_path / place / "mine.txt").read_text() == "x"


def test_an_empty_folder_is_filled(whole, pcb_dataset, tmp_path):
    (tmp_path / "crops").mkdir()

    prepare_pcb(pcb_dataset, tmp_path / "crops", OPTIONS)

    assert digests(tmp_path / "crops") == digests(whole)


def test_two_at_once_do_not_mix(pcb_dataset, tmp_path):
    messages = []

    def interfere(done, total):
        if not messages:
            messages.append(refusal(prepare_pcb, pcb_dataset, tmp_path / "crops", OPTIONS))

    prepare_pcb(pcb_dataset, tmp_path / "crops", OPTIONS, on_progress=interfere)

    assert "another process is writing it" in messages[0]


def test_a_damaged_image_stops_and_what_is_there_is_kept(pcb_dataset, tmp_path):
    copy = shutil.copytree(pcb_dataset, tmp_path / "PCB_DATASET")
    path = copy / "images" / "Short" / "01_short_01.jpg"
    contents = path.read_bytes()
    table = contents.index(b"\xff\xc4")  # of Huffman codes
    path.write_bytes(contents[: table + 5] + b"\xff" * 16 + contents[table + 21 :])

    message = refusal(prepare_pcb, copy, tmp_path / "crops", OPTIONS, workers=1)

    assert message.startswith(f"{path}: cannot be decoded")
    assert f"; what is cut so far lies in {tmp_path / 'crops.partial'}: remove" in message
    path.write_bytes(contents)  # of the same size: the source is what it was
    prepare_pcb(copy, tmp_path / "crops", OPTIONS)
    assert (tmp_path / "crops" / "preparation.json").exists()


def test_a_full_disk_is_one_line_and_the_next_call_goes_on(pcb_dataset, small_disk, whole):
    options = PrepareOptions(size=96, count=600)
    with pytest.raises(EnvironmentProblem) as caught:
        prepare_pcb(pcb_dataset, small_disk / "crops", options, workers=1)

    assert str(caught.value) == (
        f"{small_disk / 'crops'}: cannot be written (the disk is full); mend that and run the same "
        f"command again, which goes on with {small_disk / 'crops.partial'}, or use --out for "
        "another folder"
    )
    assert caught.value.exit_code == 3
    done = subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], capture_output=True)
    if done.returncode == 0:
        prepare_pcb(pcb_dataset, small_disk / "crops", options)
        assert len(list((small_disk / "crops").rglob("*.jpg"))) > 300


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_cannot_be_written_is_the_environments_fault(pcb_dataset, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        prepare_pcb(pcb_dataset, tmp_path / "crops", OPTIONS)
