"""A candidate's process, started to see whether it can be."""

from pathlib import Path

import pytest

from nas_edge.candidate.child_check import check_child


@pytest.fixture
def task(monkeypatch):
    """Return the name by which a child finds one of tasks/bad_children.py."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "tasks"))
    return "bad_children:{}".format


def test_child_starts_and_trains():
    check = check_child("cpu")

    assert check.state == "ok", check.found
    assert "trained on cpu" in check.found


def test_device_that_cannot_train_is_a_problem():
    check = check_child("mps:99")

    assert check.state == "problem"
    assert check.mend
    assert "log.txt" not in check.found  # which is gone by then


@pytest.mark.parametrize(
    ("name", "found", "mend"),
    [
        ("exit_7", "7", "python -c"),
        ("allocate_too_much", "allocate", "close programs"),
        ("lose_the_gpu", "the GPU is lost", "run `sudo reboot`"),
    ],
)
def test_child_that_fails_is_a_problem_with_its_mend(task, name, found, mend):
    check = check_child("cpu", task(name))

    assert check.state == "problem"
    assert found in check.found
    assert mend in check.mend


@pytest.mark.slow
def test_child_that_hangs_is_given_up(task):
    check = check_child("cpu", task("hang"), timeout_s=15)

    assert check.state == "problem"
    assert check.found == "was started, but did not answer within 15 s"


def test_server_that_does_not_come_up_is_a_problem(monkeypatch):
    def fail(*_):
        raise EOFError

    monkeypatch.setattr("nas_edge.candidate.child_check.run_in_child", fail)

    assert "EOFError" in check_child("cpu").found
