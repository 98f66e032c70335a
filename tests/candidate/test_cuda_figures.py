"""What probe and training report of a GPU's memory, on a simulated GPU."""

import sys
from pathlib import Path

import pytest
import torch

from nas_edge.candidate.metering import metering
from nas_edge.candidate.probe_meters import on_board, on_gpu
from nas_edge.device.meter import GPU_MEMORY, Channel, MeterProblem

sys.path.insert(0, str(Path(__file__).parent.parent / "device"))

from simulated_cuda import simulated_cuda

MIB = 2**20
NOISE = 16 * MIB  # this process runs other tests too, and has threads of its own


def test_a_probe_on_a_gpu_is_the_reserved_peak_of_its_own_work():
    with simulated_cuda() as cuda:
        cuda.gpu.free(cuda.gpu.allocate(900 * MIB))  # the warm-up

        def work():
            cuda.gpu.allocate(101 * MIB)
            cuda.gpu.free(cuda.gpu.allocate(200 * MIB))

        found = on_gpu(work)
    assert found == {
        "peak_bytes": 302 * MIB,  # whole segments of 2 MiB
        "source": "torch.cuda peak_reserved",
        "peak_allocated_bytes": 301 * MIB,
    }


def test_training_on_a_gpu_reports_each_epochs_reserved_peak_and_allocated_mean():
    with simulated_cuda() as cuda, metering("cuda") as meters:
        block = cuda.gpu.allocate(400 * MIB)
        first_peak, first_mean, _ = meters.lap()
        cuda.gpu.free(block)
        cuda.gpu.empty_cache()
        meters.lap()
        second_peak, second_mean, _ = meters.lap()
        source = meters.memory_source()
    assert source == "torch.cuda peak_reserved; mean of allocated, sampled"
    assert first_peak == 400 * MIB
    assert 0 <= first_mean <= 400 * MIB
    assert (second_peak, second_mean) == (0, 0)


class Monitor:
    """A board's monitor that tells this process's GPU memory as it was told."""

    name = "jetson"
    interval_s = 0.01

    def __init__(self, readings):
        self.facts = {}
        self.channels = {GPU_MEMORY: Channel("bytes", "jtop, the process's GPU memory")}
        self.problem = ""
        self.is_closed = False
        self._readings = iter(readings)

    def read(self):
        values = next(self._readings)
        if values is None:
            self.problem = "jtop's service was lost"
            return {}
        return values

    def close(self):
        self.is_closed = True


def held_on_the_cpu(num_bytes):
    block = bytearray(b"x") * num_bytes
    del block


def test_on_a_board_process_and_gpu_memory_count_together():
    monitor = Monitor([{GPU_MEMORY: 150.0 * MIB}, {GPU_MEMORY: 400.0 * MIB}])
    with simulated_cuda() as cuda:

        def work():
            held_on_the_cpu(100 * MIB)
            cuda.gpu.allocate(200 * MIB)

        found = on_board(work, lambda: monitor)
    assert found["peak_bytes"] == pytest.approx((100 + 250) * MIB, abs=NOISE)
    assert "jtop, the process's GPU memory" in found["source"]
    assert found["peak_allocated_bytes"] == 200 * MIB
    assert "memory_taken_bytes" in found
    assert monitor.is_closed


@pytest.mark.parametrize("readings", [[{}, None], [None, {}]])
def test_a_monitor_that_is_lost_leaves_the_allocators_peak_and_the_source_says_so(readings):
    with simulated_cuda() as cuda:
        found = on_board(lambda: cuda.gpu.allocate(200 * MIB), lambda: Monitor(readings))
    assert found["peak_bytes"] == pytest.approx(200 * MIB, abs=NOISE)
    assert "plus torch.cuda peak_reserved (lost on the way)" in found["source"]


def test_without_a_monitor_the_source_says_why():
    def refuse():
        raise MeterProblem("jtop's service does not run: sudo systemctl start jtop")

    with simulated_cuda() as cuda:
        found = on_board(lambda: cuda.gpu.allocate(50 * MIB), refuse)
    assert found["peak_bytes"] == pytest.approx(50 * MIB, abs=NOISE)
    assert "does not run: sudo systemctl start jtop" in found["source"]


@pytest.mark.gpu
def test_a_probe_on_a_real_gpu_is_at_least_its_largest_block():
    def work():
        torch.empty(64 * MIB, dtype=torch.uint8, device="cuda")

    found = on_gpu(work)
    assert found["peak_bytes"] >= found["peak_allocated_bytes"] >= 64 * MIB
