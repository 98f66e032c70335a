import os
import pickle
import signal
import subprocess
import sys
import time

import pytest
import torch

from nas_edge.training.checkpoint import load_checkpoint, save_checkpoint

WRITER = """
import sys
from pathlib import Path
import torch
from nas_edge.training.checkpoint import save_checkpoint
number = 0
while True:
    number += 1
    save_checkpoint(Path(sys.argv[1]), {"number": number, "x": torch.full((500_000,), number)})
"""


def test_what_is_saved_comes_back(tmp_path):
    path = tmp_path / "checkpoint.pt"
    state = {
        "model": {"w": torch.arange(5.0)},
        "history": [{"epoch": 1, "loss": 0.5}],
        "best": None,
    }
    save_checkpoint(path, state)
    loaded = load_checkpoint(path)
    assert torch.equal(loaded["model"].pop("w"), state["model"]["w"])
    assert loaded["history"] == state["history"]
    assert os.listdir(tmp_path) == ["checkpoint.pt"]


def test_no_file_is_no_state(tmp_path):
    assert load_checkpoint(tmp_path / "checkpoint.pt") is None


def test_a_file_that_holds_no_state_is_none(tmp_path):
    torch.save([1, 2], tmp_path / "checkpoint.pt")
    assert load_checkpoint(tmp_path / "checkpoint.pt") is None


class Malicious:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (self.target,)


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_a_checkpoint_runs_nothing(how, tmp_path):
    path, target = tmp_path / "checkpoint.pt", tmp_path / "pwned"
    state = {"model": Malicious(str(target))}
    if how == "torch":
        torch.save(state, path)
    else:
        path.write_bytes(pickle.dumps(state))
    assert load_checkpoint(path) is None
    assert not target.exists()


def test_a_failed_write_leaves_the_former_one(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"number": 1})
    with pytest.raises(Exception, match="pickle"):
        save_checkpoint(path, {"number": lambda: 2})
    assert load_checkpoint(path) == {"number": 1}
    assert os.listdir(tmp_path) == ["checkpoint.pt"]


def test_kill_9_while_writing_leaves_a_whole_checkpoint(tmp_path):
    path = tmp_path / "checkpoint.pt"
    last = 0
    for attempt in range(2):
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(path)])
        try:
            deadline = time.monotonic() + 60
            started = path.stat().st_mtime_ns if path.exists() else None
            while time.monotonic() < deadline:
                if path.exists() and path.stat().st_mtime_ns != started:
                    break
                time.sleep(0.01)
            time.sleep(0.05 + 0.013 * attempt)
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
        state = load_checkpoint(path)
        assert state is not None
        assert bool((state["x"] == state["number"]).all())
        last = max(last, state["number"])
    assert last >= 1
