"""What every test may rely on: no screen, repeatable examples, and skips that say why."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

# Before anything imports matplotlib, here and in the processes that tests start.
os.environ["MPLBACKEND"] = "Agg"

# The same examples on every machine, and no deadline: two shared cores stall for longer than any.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")


def _has_cuda():
    import torch

    return torch.cuda.is_available()


def _is_jetson():
    model = Path("/proc/device-tree/model")
    return Path("/etc/nv_tegra_release").exists() or (
        model.exists() and "Jetson" in model.read_text(errors="replace")
    )


def _has_browser():
    return any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))


NEEDS = {
    "gpu": (_has_cuda, "no CUDA device"),
    "jetson": (_is_jetson, "not on a Jetson"),
    "browser": (_has_browser, "no Chromium"),
    "keras": (lambda: find_spec("keras") is not None, "the extra `keras` is not installed"),
}


@pytest.fixture(scope="session")
def missing_need():
    """Return, for a mark, why this machine cannot run its tests; asked once a session."""
    answers = {}

    def ask(mark):
        if mark not in answers:
            is_there, reason = NEEDS[mark]
            answers[mark] = None if is_there() else reason
        return answers[mark]

    return ask


@pytest.fixture(autouse=True)
def _skip_what_this_machine_cannot_run(request, missing_need):
    for mark in NEEDS:
        if request.node.get_closest_marker(mark) is not None and missing_need(mark):
            pytest.skip(missing_need(mark))


@pytest.fixture(scope="session")
def repository():
    """Return the root of the checkout."""
    return Path(__file__).resolve().parent.parent
