"""What the tests of a candidate share: misbehaving children, and a small image set."""

from pathlib import Path

import numpy as np
import pytest

from nas_edge.candidate.process import ChildLimits, run_in_child
from nas_edge.data.image_set import build_from_arrays


@pytest.fixture
def run_task(tmp_path, monkeypatch):
    """Return a function that runs one of tasks/bad_children.py in a real child."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "tasks"))

    def run(name, on_message=lambda message: None, limits=None, log=None, **job):
        limits = limits or ChildLimits(total_s=60, silence_s=60)
        log = log or tmp_path / "log.txt"
        return run_in_child(f"bad_children:{name}", job, log, limits, on_message)

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
