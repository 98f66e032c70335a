"""What probe and training report of a GPU's memory, on a simulated GPU."""

import sys
from pathlib import Path

import pytest
import torch

from nas_edge.candidate import probe
from nas_edge.candidate.metering import metering

sys.path.insert(0, str(Path(__file__).parent.parent / "device"))

from simulated_cuda import simulated_cuda

MIB = 2**20


def test_a_probe_on_a_gpu_is_the_reserved_peak_of_its_own_work():
    with simulated_cuda() as cuda:
        cuda.gpu.free(cuda.gpu.allocate(900 * MIB))  # the warm-up

        def work():
            cuda.gpu.allocate(101 * MIB)
            cuda.gpu.free(cuda.gpu.allocate(200 * MIB))

        found = probe._on_cuda(work)
    assert found == {
        "peak_bytes": 302 * MIB,  # whole segments of 2 MiB
        "source": "torch.cuda peak_reserved, 3-step probe",
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


@pytest.mark.gpu
def test_a_probe_on_a_real_gpu_is_at_least_its_largest_block():
    def work():
        torch.empty(64 * MIB, dtype=torch.uint8, device="cuda")

    found = probe._on_cuda(work)
    assert found["peak_bytes"] >= found["peak_allocated_bytes"] >= 64 * MIB
