"""`nas-edge run` as a process: killed, interrupted, resumed, refused."""

import inspect
import json
import os
import signal
import time

import pytest
from click.testing import CliRunner

KILL = "import os, signal\ndie = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)\n"
# Where the process is killed, and whether a trial has begun by then.
MOMENTS = {
    "data": KILL + "from nas_edge.data import synthetic\nsynthetic.SyntheticPcb.draw_many = die\n",
    "creation": KILL + "from nas_edge.study import opening\nopening.plain = die\n",
    "ask": KILL
    + "from optuna import Trial\nold = Trial.suggest_categorical\n"
    + "def suggest(self, name, choices):\n"
    + "    if self.number == 1 and name == 'middle.blocks': die()\n"
    + "    return old(self, name, choices)\n"
    + "Trial.suggest_categorical = suggest\n",
    "tell": KILL
    + "from nas_edge.study import engine\nold = engine.tell\n"
    + "engine.tell = lambda s, t, m: die() if t.number == 1 else old(s, t, m)\n",
}


def outcomes(trials):
    return [(t.number, t.state.name, t.params) for t in trials]


def read_until(process, text, limit=90):
    end = time.monotonic() + limit
    lines = []
    while time.monotonic() < end:
        line = process.stdout.readline()
        if not line:
            break
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError(f"no {text!r} in {lines}: {process.stderr.read()}")


def test_run_ends_with_the_front_and_writes_every_file(finished):
    assert "3 candidates: 3 finished" in finished.out
    assert "report: runs/tiny/report.html" in finished.out
    folder = finished.run_folder
    names = finished.names
    assert {"run.json", "study.yaml", "space.yaml", "study.db", "report.html", "log.txt"} <= names
    assert not [name for name in names if name.endswith(("-wal", "-shm"))]
    for number in range(3):
        files = {path.name for path in (folder / "candidates" / f"{number:04d}").iterdir()}
        assert {"architecture.yaml", "history.csv", "curve.png", "measurement.json"} <= files
        assert "checkpoint.pt" not in files


def test_candidate_files_can_be_read_again(finished):
    import csv

    import optuna

    from nas_edge import Architecture

    storage = optuna.storages.RDBStorage(f"sqlite:///{(finished.run_folder / 'study.db')}")
    for trial in finished.trials():
        folder = finished.run_folder / "candidates" / f"{trial.number:04d}"
        stored = Architecture.from_dict(trial.user_attrs["nas_edge:point"])
        assert Architecture.load(folder / "architecture.yaml") == stored
        with open(folder / "history.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["epoch"] for row in rows] == ["1", "2"]
        assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        metas = optuna.artifacts.get_all_artifact_meta(trial, storage=storage)
        assert {meta.filename for meta in metas} == {
            "architecture.yaml",
            "history.csv",
            "curve.png",
        }
        store = optuna.artifacts.FileSystemArtifactStore(str(finished.run_folder / "artifacts"))
        for meta in metas:
            with store.open_reader(meta.artifact_id) as file:
                assert file.read() == (folder / meta.filename).read_bytes()


def test_same_command_on_a_finished_run_trains_nothing_more(finished):
    before = outcomes(finished.trials())

    code, _, err = finished.call("run", "tiny.yaml", "--quiet")

    assert (code, err) == (0, "")
    assert outcomes(finished.trials()) == before


def test_run_killed_while_training_goes_on_with_the_same_trials(workplace, finished):
    workplace.write(recipe={"epochs": 4, "batch_size": 8, "image_size": 24}, trials=2)
    process = workplace.start("run", "tiny.yaml")
    read_until(process, "[2/2]")
    read_until(process, "epoch 1/4")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()

    code, _, err = workplace.call("run", "tiny.yaml")

    assert code == 0, err
    assert outcomes(workplace.trials()) == outcomes(finished.trials())[:2]
    measured = json.loads((workplace.run_folder / "candidates/0001/measurement.json").read_text())
    assert [row["epoch"] for row in measured["history"]] == [1, 2, 3, 4]


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_run_killed_at_any_moment_loses_and_doubles_no_trial(workplace, finished, moment):
    code, _, _ = workplace.call("run", "tiny.yaml", code=MOMENTS[moment])
    assert code == -signal.SIGKILL

    code, _, err = workplace.call("run", "tiny.yaml")

    assert code == 0, err
    assert outcomes(workplace.trials()) == outcomes(finished.trials())
    assert workplace.call("front", "runs/tiny")[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_says_how_to_go_on(workplace, number):
    process = workplace.start("run", "tiny.yaml", "--trials", 2)
    read_until(process, "epoch 1/2")
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert "the same command goes on where it was (runs/tiny)" in err
    assert "Traceback" not in err
    code, _, err = workplace.call("run", "tiny.yaml", "--trials", 2)
    assert code == 0, err
    assert [t.state.name for t in workplace.trials()] == ["COMPLETE"] * 2


@pytest.mark.slow
def test_second_process_on_a_folder_is_turned_away_and_the_first_goes_on(workplace):
    first = workplace.start("run", "tiny.yaml")
    read_until(first, "epoch 1/2")
    os.killpg(first.pid, signal.SIGSTOP)  # or it may end before the second has begun

    code, _, err = workplace.call("run", "tiny.yaml")

    os.killpg(first.pid, signal.SIGCONT)
    assert code == 2
    assert err.count("\n") == 1
    assert "another process is running this study" in err
    _, err = first.communicate(timeout=120)
    assert first.returncode == 0, err
    assert [t.state.name for t in workplace.trials()] == ["COMPLETE"] * 3


CHANGES = {
    "space": ({"space": {"stem": {"width1": 8, "width2": 4}}}, "space.stem.width1 was [4]"),
    "recipe": (
        {"recipe": {"epochs": 1, "batch_size": 8, "image_size": 24}},
        "recipe.epochs was 2 and is now 1",
    ),
    "data": (
        {"data": {"source": "synthetic-pcb", "synthetic": {"train": 16, "val": 16, "test": 8}}},
        "data.counts.train was 32 and is now 16",
    ),
    "other images": (
        {
            "data": {
                "source": "synthetic-pcb",
                "synthetic": {"train": 32, "val": 16, "test": 8, "seed": 5},
            }
        },
        "the images, their labels or their split have changed",
    ),
    "objectives": (
        {"objectives": ["val_accuracy", "params"]},
        "objectives was ['val_accuracy', 'peak_memory'] and is now ['val_accuracy', 'params']",
    ),
    "limit": ({"memory_limit": "2GiB"}, "memory_limit was None and is now 2147483648"),
    "seed": ({"seed": 7}, "seed was 0 and is now 7"),
}


def runner():
    """Click 8.1 mixes the two streams unless told not to; later ones cannot."""
    options = inspect.signature(CliRunner).parameters
    return CliRunner(mix_stderr=False) if "mix_stderr" in options else CliRunner()


@pytest.mark.parametrize("what", CHANGES)
def test_run_refuses_to_go_on_with_something_else(finished, what, monkeypatch):
    """In this process: each costs a start otherwise. Nothing of the run may change."""
    from nas_edge.cli.main import main

    changes, expected = CHANGES[what]
    kept = {
        name: (finished.run_folder / name).read_bytes() for name in ("study.yaml", "space.yaml")
    }
    monkeypatch.chdir(finished.folder)
    finished.write(**changes)
    try:
        result = runner().invoke(main, ["run", "tiny.yaml", "--quiet"])
    finally:
        finished.write()

    assert result.exit_code == 2
    assert "cannot go on, because" in result.stderr
    assert expected in result.stderr
    assert {name: (finished.run_folder / name).read_bytes() for name in kept} == kept


def test_run_refuses_another_device(finished, monkeypatch):
    """The device of the run is written as another, as if the folder came from there."""
    import shutil

    import optuna

    from nas_edge.cli.main import main

    copy = finished.folder / "copy"
    shutil.copytree(finished.run_folder, copy)
    url = f"sqlite:///{copy / 'study.db'}"
    study = optuna.load_study(study_name=None, storage=url)
    identity = study.user_attrs["nas_edge:identity"]
    identity["device"] = {"kind": "cuda", "name": "Orin"}
    study.set_user_attr("nas_edge:identity", identity)
    monkeypatch.chdir(finished.folder)

    result = runner().invoke(main, ["run", "tiny.yaml", "--quiet", "--out", str(copy)])

    assert result.exit_code == 2
    assert "device.kind was 'cuda' and is now 'cpu'" in result.stderr
    assert "device.name was 'Orin'" in result.stderr


def test_limit_below_the_smallest_candidate_is_refused_before_training(workplace):
    from nas_edge.cli.main import main

    here = os.getcwd()
    os.chdir(workplace.folder)
    try:
        result = runner().invoke(main, ["run", "tiny.yaml", "--memory-limit", "10KiB"])
    finally:
        os.chdir(here)

    assert result.exit_code == 2
    assert "memory_limit must be at least what the smallest candidate needs" in result.stderr
    assert "but got 10240 bytes" in result.stderr
    assert not (workplace.run_folder / "candidates").exists()


@pytest.mark.slow
def test_trials_raised_on_the_command_line_go_on(workplace, finished):
    import shutil

    shutil.copytree(finished.run_folder, workplace.run_folder)

    code, out, err = workplace.call("run", "tiny.yaml", "--trials", 4)

    assert code == 0, err
    assert outcomes(workplace.trials())[:3] == outcomes(finished.trials())
    assert "4 candidates: 4 finished" in out
