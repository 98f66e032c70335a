"""The best weights in a file's pages: what they hold, and what they cost the process."""

import errno
import sys
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")


@pytest.fixture
def file_copy(tmp_path):
    from nas_edge.training.file_copy import FileCopy

    return FileCopy(tmp_path)


def network():
    return torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.BatchNorm2d(5))


def test_a_copy_is_the_same_and_its_own(file_copy):
    model = network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    copied = file_copy(model.state_dict())
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.add_(1)
    assert list(copied) == list(before)
    for name, tensor in copied.items():
        assert tensor.dtype == before[name].dtype  # num_batches_tracked is an int64
        assert torch.equal(tensor, before[name])
    model.load_state_dict(copied)
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())


def test_the_next_copy_replaces_the_last_one(file_copy):
    first, second = network().state_dict(), network().state_dict()
    file_copy(first)
    copied = file_copy(second)
    assert all(torch.equal(tensor, second[name]) for name, tensor in copied.items())


def test_it_leaves_no_file(file_copy, tmp_path):
    file_copy(network().state_dict())
    assert list(tmp_path.iterdir()) == []


def test_it_is_no_memory_of_the_processs_own(file_copy):
    state = {"weight": torch.ones(16 * 2**20)}

    def private_bytes():
        fields = Path("/proc/self/statm").read_text().split()
        return int(fields[5]) * 4096

    before = private_bytes()
    copied = file_copy(state)
    assert float(copied["weight"].sum()) == 16 * 2**20
    assert private_bytes() - before < 8 * 2**20  # of 64 MiB


def test_a_full_disk_is_said_before_anything_is_written(file_copy, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", refuse)
    with pytest.raises(OSError, match="No space left"):
        file_copy(network().state_dict())
