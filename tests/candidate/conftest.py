"""What the tests of a candidate share: misbehaving children, and a small image set."""

from pathlib import Path

import numpy as np
import pytest

from nas_edge.candidate.process import THIS_MACHINE, ChildLimits, run_in_child
from nas_edge.data.image_set import build_from_arrays


@pytest.fixture
def tasks_folder(monkeypatch):
    """Return the folder of bad_children.py, which children can import from then on."""
    folder = Path(__file__).parent / "tasks"
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def run_task(tmp_path, tasks_folder):
    """Return a function that runs one of tasks/bad_children.py in a real child."""

    def run(
        name, on_message=lambda message: None, limits=None, log=None, reader=THIS_MACHINE, **job
    ):
        limits = limits or ChildLimits(total_s=60, silence_s=60)
        log = log or tmp_path / "log.txt"
        return run_in_child(f"bad_children:{name}", job, log, limits, on_message, reader)

    return run


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """Return 2-class images of 32 px whose class is the brightness of a corner."""

    def draw(split, count):
        rng = np.random.default_rng(len(split))
        labels = np.arange(count) % 2
        pixels = rng.integers(0, 90, (count, 32, 32, 3), dtype=np.uint8)
        pixels[:, :12, :12] += (labels * 120)[:, None, None, None].astype(np.uint8)
        return pixels, labels

    return build_from_arrays(
        tmp_path_factory.mktemp("images") / "set",
        ("bad", "good"),
        draw,
        {"train": 32, "val": 16, "test": 16},
        32,
        description="corners",
    )
