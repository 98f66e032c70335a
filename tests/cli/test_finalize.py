"""`nas-edge finalize` as a process: its table and JSON, killed, interrupted, refused."""

import json
import os
import re
import signal
import time

import pytest

from nas_edge import finalists_frame, open_run
from nas_edge.study.finalist_space import finalist_seeds
from nas_edge.study.finalists import chosen_finalists


def measured(place):
    return sorted((place.run_folder / "finalists" / "candidates").glob("*/measurement.json"))


def wait_for(condition, process, limit=90):
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)


@pytest.mark.slow
def test_killed_and_interrupted_finalists_go_on_where_they_were(copy_of_finished, repository):
    place = copy_of_finished()
    command = ("finalize", "runs/tiny", "--seeds", 2, "--device", "cpu")
    process = place.start(*command)
    wait_for(lambda: measured(place), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    first = measured(place)[0].read_text()

    process = place.start(*command)
    trials = place.run_folder / "finalists" / "candidates"
    wait_for(lambda: (trials / "0001").is_dir(), process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped; the same command goes on where it was (runs/tiny)" in err
    assert "Traceback" not in err

    code, out, err = place.call(*command)
    assert code == 0, err
    assert measured(place)[0].read_text() == first
    run = open_run(place.run_folder)
    num_networks = len(chosen_finalists(run))
    assert len(run.finalists.records) == 2 * num_networks
    assert {r.measurement.seed for r in run.finalists.records} == set(finalist_seeds(0, 2))
    assert finalists_frame(run)["num_seeds"].tolist() == [2] * num_networks
    assert "tiny: finalists" in out
    assert "2 epochs, as in the search" in out
    assert 'id="finalists"' in (place.run_folder / "report.html").read_text()

    code, out, err = place.call(*command, "--json", "--quiet")
    assert code == 0, err
    end = json.loads(out)
    assert end["event"] == "end"
    assert len(end["finalists"]["rows"]) == num_networks
    assert end["finalists"]["judge"] == "test_accuracy"
    row = end["finalists"]["rows"][0]
    assert row["test_accuracy"]["low"] <= row["test_accuracy"]["mean"]
    assert row["seeds"] == finalist_seeds(0, 2)
    told = (repository / "docs" / "terminal.md").read_text(encoding="utf-8").split("\n\n")[-1]
    assert set(re.findall(r"^\| `(\w+)`", told, re.MULTILINE)) == set(end["finalists"])
    assert set(row) | set(row["test_accuracy"]) <= set(re.findall(r"`(\w+)`", told))

    code, out, err = place.call("front", "runs/tiny")
    assert code == 0, err
    assert "nas-edge front runs/tiny --confidence 0.9" in out
    code, out, err = place.call("front", "runs/tiny", "--confidence", 0.9, "--json")
    assert code == 0, err
    assert {row["num_seeds"] for row in json.loads(out)["rows"] if row["on_front"]} <= {1, 2}
    number = run.front()[0].number
    code, out, err = place.call("show", f"runs/tiny:{number}")
    assert code == 0, err
    assert "finalist: test accuracy" in out


def test_two_at_once_are_refused(copy_of_finished):
    place = copy_of_finished()
    first = place.start("finalize", "runs/tiny", "--device", "cpu")
    wait_for(lambda: (place.run_folder / "finalists" / "log.txt").is_file(), first)
    code, _, err = place.call("finalize", "runs/tiny", "--device", "cpu")
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert code == 2
    assert "another process is running this study; wait for it" in err
    assert "--out" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("finalize", "no/run"), "there is no such folder"),
        (("finalize", "runs/tiny", "--device", "cuda"), "cuda"),
        (("front", "runs/tiny", "runs/tiny"), "each RUN must be given once"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(finished, arguments, message):
    code, _, err = finished.call(*arguments)
    assert code in (2, 3)
    assert message in err
    assert len(err.strip().splitlines()) == 1
