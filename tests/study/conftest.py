"""Small spaces and tables of known results, so that a study takes milliseconds."""

import contextlib
import os
import sqlite3

import pytest

from nas_edge import Measurement

os.environ.setdefault("OMP_NUM_THREADS", "1")

# 64 networks that train in a moment, and the paper's in as few channels.
SPACE = {
    "name": "refs",
    "reference_multiplier": 0.03,
    "references": ["xception-lite"],
    "stem": {"width1": 1, "width2": 2},
    "entry": {"width1": 4, "width2": 8, "width3": [8, 15], "kernels": ["1-3"]},
    "middle": {"blocks": [0, 8], "squeeze": [0.5], "kernels": ["1-1-3"]},
    "exit": {
        "width1": [8, 22],
        "width2": [8, 31],
        "width3": [8, 46],
        "width4": [8, 61],
        "kernels": ["1-3"],
        "residual_kernel": 3,
    },
    "style": ["lite"],
}


class LetterSpace:
    """Points are plain data: {"a": 0..n-1, "b": 0..n-1}. Only what run_study asks for."""

    def __init__(self, size=4):
        self.size = size

    def suggest(self, trial):
        values = list(range(self.size))
        return {name: trial.suggest_categorical(name, values) for name in ("a", "b")}

    def contains(self, point):
        return all(0 <= value < self.size for value in point.values())

    def key(self, point):
        return f"a{point['a']}b{point['b']}"


class ReferenceSpace(LetterSpace):
    """With references, parameters, searched choices and a fingerprint."""

    def __init__(self, size=4):
        super().__init__(size)
        self.references = {"xception": {"a": 3, "b": 3}, "xception-lite": {"a": 2, "b": 2}}

    @property
    def searched(self):
        return {name: tuple(range(self.size)) for name in ("a", "b")}

    @property
    def num_points(self):
        return self.size**2

    def parameters(self, point):
        return dict(point)

    def fingerprint(self):
        return {"size": self.size}


class Table:
    """An evaluator with known results that counts its calls."""

    def __init__(self, fail_at=None):
        self.calls = []
        self.fail_at = fail_at

    def __call__(self, point):
        if len(self.calls) == self.fail_at:
            raise KeyboardInterrupt
        self.calls.append((point["a"], point["b"]))
        return self.result(point)

    @staticmethod
    def result(point):
        accuracy = 0.5 + 0.04 * point["a"] + 0.06 * point["b"] - 0.01 * point["a"] * point["b"]
        return Measurement.of(
            val_accuracy=accuracy, peak_memory=1e6 * (1 + point["a"] + point["b"])
        )


@pytest.fixture
def letters():
    return LetterSpace()


@pytest.fixture
def with_references():
    return ReferenceSpace()


@pytest.fixture
def table():
    return Table()


@pytest.fixture
def spaces():
    """Return the classes, for tests that want other sizes."""
    return LetterSpace, ReferenceSpace, Table


@pytest.fixture
def change_database():
    """Return what changes a run's database by hand, in SQL."""

    def change(folder, statement):
        with contextlib.closing(sqlite3.connect(folder / "study.db")) as database, database:
            database.execute(statement)

    return change


@pytest.fixture(scope="session")
def small_space():
    """A space's file as data: real networks, one of them handcrafted."""
    return SPACE
