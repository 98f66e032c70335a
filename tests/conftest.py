"""What every test may rely on: no screen, repeatable examples, and skips that say why."""

import os
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

# Before anything imports matplotlib, here and in the processes that tests start.
os.environ["MPLBACKEND"] = "Agg"

# What is started in a shell's background ignores Ctrl-C, or by nohup the end of its terminal, and
# so would every process of a test.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


# Of several test processes each gets cores of its own: trainings side by side wait for each other's
# threads otherwise, and take many times as long. Before anything imports torch, which counts them.
if "PYTEST_XDIST_WORKER" in os.environ and hasattr(os, "sched_setaffinity"):
    _worker = int(os.environ["PYTEST_XDIST_WORKER"][len("gw") :])
    _cores = sorted(os.sched_getaffinity(0))
    _own = _cores[_worker :: int(os.environ["PYTEST_XDIST_WORKER_COUNT"])]
    os.sched_setaffinity(0, _own or _cores)

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


def _browser():
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


def _has_browser():
    return _browser() is not None


def _has_jupyter():
    return all(find_spec(name) is not None for name in ("ipykernel", "nbclient", "nbformat"))


NEEDS = {
    "gpu": (_has_cuda, "no CUDA device"),
    "jetson": (_is_jetson, "not on a Jetson"),
    "browser": (_has_browser, "no Chromium"),
    "keras": (lambda: find_spec("keras") is not None, "the extra `keras` is not installed"),
    "notebook": (_has_jupyter, "the extra `notebooks` is not installed"),
}


@pytest.fixture(scope="session")
def chromium_command():
    """The browser without a window and without calls of its own; a profile and a page follow."""
    return [
        _browser(),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]


@pytest.fixture
def mount_disk(tmp_path):
    """Return a function that mounts a disk of some MiB and returns its place."""
    mounted = []

    def mount(mib):
        place = tmp_path / "disk"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(place)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("cannot mount a small disk here")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:  # lazily: a process that ends may still hold a file
        subprocess.run(["umount", "-l", str(place)], check=True)


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
def made_once(tmp_path_factory):
    """Return a function: the folder of a name, filled by whichever of all workers is first.

    It is everybody's then: what changes it needs a copy.
    """
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    own = tmp_path_factory.getbasetemp()
    root = own.parent if is_worker else own

    def made(name, make):
        folder = root / name
        with FileLock(root / f"{name}.lock"):
            if not folder.exists():
                begun = tmp_path_factory.mktemp(name)
                make(begun)
                begun.rename(folder)
        return folder

    return made


@pytest.fixture(scope="session")
def repository():
    """Return the root of the checkout."""
    return Path(__file__).resolve().parent.parent
