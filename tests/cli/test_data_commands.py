"""The commands that make image sets, as a user types them."""

from __future__ import annotations

import signal
import time

import pytest
from in_process import call, error_of

BOARDS = ["--boards", 3, "--images", 1, "--board-size", 200, 160, "--difficulty", 0.2]


@pytest.fixture(scope="module")
def boards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("boards") / "PCB_DATASET"
    result = call("data", "synthetic", "--layout", "hripcb", "--out", folder, *BOARDS)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{folder}: 18 images of 3 boards; try: nas-edge data prepare")
    return folder


def prepare(source, out, *options):
    sizes = ("--size", 48, "--count", 60)
    return call("data", "prepare-pcb", "--source", source, "--out", out, *sizes, *options)


def test_boards_are_drawn_prepared_and_reported(boards, tmp_path):
    result = prepare(boards, tmp_path / "crops")

    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert [line.split(";")[0] for line in lines[:3]] == [
        "train: 21 defect, 21 normal",
        "val: 6 defect, 6 normal",
        "test: 3 defect, 3 normal",
    ]
    boards_of = [line.split("; boards ")[1] for line in lines[:3]]
    assert sorted(boards_of) == ["01", "02", "03"]
    assert lines[3] == (
        f"{tmp_path / 'crops'}: 60 images; try: nas-edge run pcb --data {tmp_path / 'crops'}"
    )
    again = prepare(boards, tmp_path / "crops").stdout.splitlines()
    assert again == [f"{tmp_path / 'crops'}: is there already, made with these options", *lines]


def test_preparing_again_with_other_options_is_refused_in_one_line(boards, tmp_path):
    prepare(boards, tmp_path / "crops")

    message = error_of(prepare(boards, tmp_path / "crops", "--seed", 1, "--per-defect", 9))

    assert "options.per_defect was 20 and is now 9; options.seed was 0 and is now 1; " in message


def test_shares_must_leave_something_to_train_on(boards, tmp_path):
    message = error_of(prepare(boards, tmp_path / "crops", "--val", 0.5, "--test", 0.4))
    assert "--val and --test must leave a tenth for train, but come to 0.9" in message


@pytest.mark.parametrize("share", ["--val", "--test"])
def test_a_share_that_is_no_number_is_refused(boards, tmp_path, share):
    result = prepare(boards, tmp_path / "crops", share, "nan")

    assert result.exit_code == 2
    assert f"Invalid value for '{share}': 'nan' is not a number" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_is_a_file_is_called_one(tmp_path):
    (tmp_path / "file").write_text("")

    message = error_of(prepare(tmp_path / "file", tmp_path / "crops"))

    assert "with the folders 'images' and 'Annotations', but is a file" in message


def test_a_source_that_is_not_there_is_named(tmp_path):
    message = error_of(prepare(tmp_path / "none", tmp_path / "crops"))
    assert f"{tmp_path / 'none'}: must be HRIPCB's PCB_DATASET" in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_preparation_says_that_it_goes_on(boards, workplace, number):
    command = ("data", "prepare-pcb", "--source", boards, "--out", "crops", "--size", 96)
    process = workplace.start(*command, "--count", 3000, "--per-defect", 999, "--workers", 1)
    try:
        partial = workplace.folder / "crops.partial"
        while process.poll() is None and len(list(partial.glob("*/*/*.jpg"))) < 5:
            time.sleep(0.01)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()

    assert process.returncode == 130
    assert errors == "stopped; the same command goes on where it was\nnas-edge: interrupted\n"
    assert not (workplace.folder / "crops").exists()
    assert (partial / "preparation.json").exists()


@pytest.mark.slow
def test_caltechs_layout_is_drawn_and_trained_on(workplace):
    code, out, errors = workplace.call(
        *("data", "synthetic", "--layout", "caltech101", "--out", "caltech"),
        *("--classes", 7, "--images", 5, "--image-size", 24),
    )
    assert (code, errors) == (0, "")
    assert out.startswith("caltech: 40 images of 7 categories and a background; in a study file:")

    workplace.write(data={"source": "caltech101"}, trials=3)
    code, out, errors = workplace.call("run", "tiny.yaml", "--data", "caltech")

    assert code == 0, errors
    assert "(21 train, 7 val, 7 test; 7 classes" in out
    assert list(workplace.run_folder.rglob("split.csv"))


@pytest.mark.parametrize(
    ("layout", "option", "says"),
    [
        ("hripcb", ("--classes", 7), "--classes is for --layout crops or caltech101 only"),
        ("hripcb", ("--counts", 1, 1, 1), "--counts is for --layout crops only"),
        ("hripcb", ("--image-size", 64), "--image-size is for --layout crops or caltech101 only"),
        ("crops", ("--boards", 5), "--boards is for --layout hripcb only"),
        ("caltech101", ("--board-size", 99, 99), "--board-size is for --layout hripcb only"),
        ("crops", ("--images", 4), "--images is for --layout hripcb or caltech101 only"),
    ],
)
def test_an_option_of_another_layout_is_refused(tmp_path, layout, option, says):
    result = call("data", "synthetic", "--layout", layout, "--out", tmp_path / "x", *option)

    assert result.exit_code == 2
    assert says in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_archive_is_refused_in_one_line(tmp_path):
    (tmp_path / "mine.zip").write_bytes(b"x")
    fetch = ("data", "fetch", "caltech101", "--out", tmp_path / "out", "--archive")

    assert "must be Caltech-101 as published" in error_of(call(*fetch, tmp_path / "mine.zip"))
    assert "there is no such file" in error_of(call(*fetch, tmp_path / "none.zip"))
    result = call(*fetch, tmp_path / "mine.zip", "--any-hash")
    assert result.exit_code == 2
    assert "mine.zip: is damaged or no archive" in result.stderr
