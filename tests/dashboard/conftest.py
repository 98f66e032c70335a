"""A study that really ran, by an evaluator that counts instead of training, and its dashboard."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nas_edge import Measurement, SearchSpace, count_model, run_study
from nas_edge.candidate.measurement import CRASHED, OVER_LIMIT, Metric

ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20
LIMIT_MACS = 12e6
HOSTILE = "<img src=x onerror=alert(1)>|**b** `c` [d](http://e) $f$"
HISTORY = tuple(
    {
        "epoch": epoch,
        "train_accuracy": 0.5 + 0.03 * epoch,
        "val_accuracy": 0.5 + 0.02 * epoch,
        "peak_memory_bytes": 5 * MIB,
        "mean_memory_bytes": 4 * MIB,
    }
    for epoch in range(1, 4)
)


def evaluate(architecture):
    """Count a network; one too large is over the limit, and one in the middle of all crashes."""
    counts = count_model(architecture.plan, 64, 7)
    if counts.macs > LIMIT_MACS and architecture.style == "lite":
        return Measurement(outcome=CRASHED, reason=f"RuntimeError: {HOSTILE}", wall_s=60.0)
    if counts.macs > LIMIT_MACS:
        return Measurement(
            outcome=OVER_LIMIT,
            reason=f"needs {4 * counts.macs / MIB:.1f} MiB, more than the limit of 45.8 MiB",
            details={"needs_bytes": 4.0 * counts.macs, "violation": counts.macs / LIMIT_MACS - 1},
            wall_s=60.0,
        )
    return Measurement(
        metrics={
            "val_accuracy": Metric(1 - 3 / counts.num_params**0.25, "share", "counted, not seen"),
            "peak_memory": Metric(4.0 * counts.macs, "bytes", "four bytes a MAC"),
        },
        history=HISTORY,
        wall_s=360.0,
        device={"kind": "cpu", "name": "abacus"},
        versions={"python": "3"},
        details={
            "estimate": {"parts": {"parameters": 4 * counts.num_params, "workspace": MIB}},
            "memory_saver": "none",
        },
    )


def run_to(folder, trials=24):
    identity = {
        "recipe": {"epochs": 3, "batch_size": 8, "image_size": 64, "optimizer": "adam"},
        "data": {"counts": {"train": 70, "val": 30}, "classes": ["good", HOSTILE]},
        "device": {"kind": "cpu", "name": "abacus"},
        "memory_limit": int(4 * LIMIT_MACS),
    }
    space = SearchSpace.load("xception_cnd_small")
    run_study(space, evaluate, trials=trials, out=folder, sampler="random", identity=identity)
    return folder


@pytest.fixture(scope="session")
def make_run():
    """Return what makes a run, or goes on with it."""
    return run_to


@pytest.fixture(scope="session")
def made_run(tmp_path_factory):
    """A finished run; not to be changed."""
    return run_to(tmp_path_factory.mktemp("made") / "counted")


@pytest.fixture
def run_folder(made_run, tmp_path):
    """A copy of the finished run."""
    return Path(shutil.copytree(made_run, tmp_path / "counted"))


@pytest.fixture
def opened(run_folder):
    """Return the copy's study, as the dashboard opens it."""
    from nas_edge.dashboard.target import find_target, open_studies, open_target

    target = find_target(str(run_folder))
    storage = open_target(target)
    yield open_studies(target, storage)[0]
    storage.engine.dispose()


@pytest.fixture
def snapshot(opened):
    from nas_edge.dashboard.snapshot import take_snapshot

    return take_snapshot(opened, "runs/counted")


class Served:
    """A real `nas-edge dashboard` process; ``url`` is the page that it names."""

    def __init__(self, *arguments, code=""):
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        start = f"{code}\nfrom nas_edge.cli.main import main\nmain(prog_name='nas-edge')"
        self.process = subprocess.Popen(
            [sys.executable, "-c", start, "dashboard", *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_until_ready(self):
        line = self.process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, line + self.process.stderr.read()
        self.url = found.group()
        self.base = self.url[: self.url.index("/dashboard")]
        return self

    def end(self, number, timeout=30):
        """Send a signal; return exit code and error text."""
        self.process.send_signal(number)
        return self.wait(timeout)

    def wait(self, timeout=60):
        _, err = self.process.communicate(timeout=timeout)
        return self.process.returncode, err


@pytest.fixture
def serve():
    """Return what starts a dashboard; all of them are ended after the test."""
    started = []

    def start(*arguments, code=""):
        started.append(Served(*arguments, code=code))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()


@pytest.fixture
def wait_for():
    """Return what waits for a condition."""

    def wait(condition, timeout_s=20.0):
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.05)
        return False

    return wait
