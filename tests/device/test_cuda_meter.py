"""What the meter makes of torch's figures on a simulated GPU; at the end the same on a real one."""

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
import torch

from nas_edge.device.cuda_meter import (
    CUDA_ALLOCATED,
    CUDA_RESERVED,
    available_gpu_bytes,
    context_bytes,
    open_cuda_meter,
    set_gpu_share,
)
from nas_edge.device.meter import MeterProblem
from nas_edge.device.sampling import Sampler
from nas_edge.errors import ConfigError

sys.path.insert(0, str(Path(__file__).parent))

from simulated_cuda import GIB, SimulatedGpu, open_meter_and_breaker, simulated_cuda
from simulated_nvml import Gpu, Row, missing_library, simulated_nvml

MIB = 2**20
PID = os.getpid()


def test_allocated_and_reserved_are_told_apart():
    with simulated_cuda() as cuda:
        meter = open_cuda_meter()
        block = cuda.gpu.allocate(300 * MIB + 1)
        held = meter.read()
        cuda.gpu.free(block)
        freed = meter.read()
    # The simulated allocator reserves whole segments of 2 MiB, and keeps them.
    assert held == {CUDA_ALLOCATED: 300 * MIB + 1, CUDA_RESERVED: 302 * MIB}
    assert freed == {CUDA_ALLOCATED: 0, CUDA_RESERVED: 302 * MIB}
    assert {channel.unit for channel in meter.channels.values()} == {"bytes"}
    assert meter.channels[CUDA_RESERVED].source == "torch.cuda peak_reserved"


def test_a_peak_between_two_readings_is_known_exactly_and_once():
    with simulated_cuda() as cuda:
        meter = open_cuda_meter()
        meter.exact_peaks()
        cuda.gpu.free(cuda.gpu.allocate(500 * MIB))
        first = meter.exact_peaks()
        second = meter.exact_peaks()
    assert first == {CUDA_ALLOCATED: 500 * MIB, CUDA_RESERVED: 500 * MIB}
    assert second == {CUDA_ALLOCATED: 0, CUDA_RESERVED: 500 * MIB}


def test_opening_gives_back_what_was_cached_before():
    with simulated_cuda() as cuda:
        cuda.gpu.free(cuda.gpu.allocate(500 * MIB))
        cuda.gpu.allocate(10 * MIB)
        assert open_cuda_meter().read() == {CUDA_ALLOCATED: 10 * MIB, CUDA_RESERVED: 10 * MIB}


def test_a_laps_peak_is_exact_where_the_samples_missed_it():
    with simulated_cuda() as cuda:
        meter = open_cuda_meter()
        meter.interval_s = 3600.0  # no sample but the first and the last
        sampler = Sampler([meter])
        sampler.start()
        cuda.gpu.free(cuda.gpu.allocate(500 * MIB))
        lap = sampler.stop()
    assert lap.levels[CUDA_ALLOCATED].peak == 500 * MIB
    assert lap.levels[CUDA_ALLOCATED].last == 0
    assert lap.levels[CUDA_RESERVED].peak == 500 * MIB


def test_the_gpu_is_the_one_that_was_current_at_opening_whatever_thread_reads():
    gpus = [SimulatedGpu(name="first"), SimulatedGpu(name="second")]
    seen = []
    with simulated_cuda(gpus, current=1) as cuda:
        meter = open_cuda_meter()
        gpus[1].allocate(64 * MIB)
        cuda.current = 0  # what every new thread has
        thread = threading.Thread(target=lambda: seen.append((meter.read(), meter.exact_peaks())))
        thread.start()
        thread.join()
    assert meter.facts["gpu"] == "second"
    assert [figures[CUDA_ALLOCATED] for figures in seen[0]] == [64 * MIB, 64 * MIB]


def test_a_fault_of_the_gpu_ends_the_readings_with_one_line():
    with open_meter_and_breaker() as (meter, break_it):
        assert meter.read()[CUDA_ALLOCATED] == 300 * MIB
        break_it()
        assert meter.read() == {}
        assert meter.problem == "torch.cuda: CUDA error: an illegal memory access was encountered"
        assert meter.exact_peaks() == {}


def test_a_closed_meter_reads_nothing():
    with open_meter_and_breaker() as (meter, _):
        meter.close()
        meter.close()
        assert (meter.read(), meter.exact_peaks(), meter.problem) == ({}, {}, "")


def test_no_gpu_is_one_line_with_what_to_do():
    with simulated_cuda([]), pytest.raises(MeterProblem, match=r"sees no GPU.*--device cpu") as err:
        open_cuda_meter()
    assert "\n" not in str(err.value)


def test_a_gpu_that_cannot_be_set_up_is_one_line_with_what_to_do():
    with simulated_cuda() as cuda:
        cuda.break_down()
        with pytest.raises(MeterProblem, match=r"A2000 cannot be set up.*nvidia-smi") as err:
            open_cuda_meter()
    assert "\n" not in str(err.value)


# --- facts ----------------------------------------------------------------------------------------


def test_the_facts_are_the_gpu_and_its_memory():
    with missing_library(), simulated_cuda([SimulatedGpu(total_bytes=8 * GIB)]):
        facts = open_cuda_meter().facts
    assert facts == {
        "gpu": "NVIDIA RTX A2000",
        "gpu_total_bytes": "8589934592",
        "gpu_is_integrated": "no",
    }


def test_a_share_of_the_gpu_is_among_the_facts():
    with missing_library(), simulated_cuda([SimulatedGpu(total_bytes=8 * GIB)]):
        set_gpu_share(2 * GIB)
        assert open_cuda_meter().facts["gpu_memory_fraction"] == "0.25"


def test_an_older_torch_that_does_not_tell_the_share_still_opens():
    with missing_library(), simulated_cuda([SimulatedGpu(older=True)]):
        set_gpu_share(GIB)
        assert "gpu_memory_fraction" not in open_cuda_meter().facts


def test_an_integrated_gpu_says_so():
    with missing_library(), simulated_cuda([SimulatedGpu(is_integrated=True)]):
        assert open_cuda_meter().facts["gpu_is_integrated"] == "yes"


# --- the context ----------------------------------------------------------------------------------


def test_the_context_is_the_process_memory_less_what_torch_reserved():
    listed = Gpu(compute=[Row(PID, 710 * MIB)])
    with simulated_nvml([listed]) as driver, simulated_cuda() as cuda:
        meter = open_cuda_meter()
        cuda.gpu.allocate(400 * MIB)
        assert context_bytes() == 310 * MIB
        assert driver.num_open == 0
    assert meter.facts["cuda_context_bytes"] == str(710 * MIB)  # nothing was reserved yet


def test_the_context_is_unknown_where_only_the_whole_gpu_is_told():
    with simulated_nvml([Gpu(compute=[Row(PID, None)])]), simulated_cuda() as cuda:
        cuda.is_initialised = True
        assert context_bytes() is None


def test_the_context_is_unknown_before_there_is_one_and_without_nvml():
    with simulated_nvml([Gpu(compute=[Row(PID, 710 * MIB)])]), simulated_cuda():
        assert context_bytes() is None
    with missing_library(), simulated_cuda() as cuda:
        cuda.is_initialised = True
        assert context_bytes() is None


# --- free memory and a share of it ----------------------------------------------------------------


def test_free_memory_of_a_gpu_is_the_drivers():
    with simulated_cuda([SimulatedGpu(free_bytes=5 * GIB)]):
        assert available_gpu_bytes() == 5 * GIB


def test_free_memory_of_an_integrated_gpu_is_the_machines(monkeypatch):
    # The simulated mem_get_info fails for an integrated GPU.
    monkeypatch.setattr("nas_edge.device.cuda_meter.available_memory_bytes", lambda: 3 * GIB)
    with simulated_cuda([SimulatedGpu(is_integrated=True)]):
        assert available_gpu_bytes() == 3 * GIB


@pytest.mark.parametrize(
    ("limit_bytes", "fraction"),
    [
        (1, 1 / (8 * GIB)),
        (2 * GIB, 0.25),
        (8 * GIB - 1, 1 - 1 / (8 * GIB)),
        (8 * GIB, 1.0),
        (80 * GIB, 1.0),  # more than there is: no limit
    ],
)
def test_a_limit_is_a_fraction_of_the_current_gpu(limit_bytes, fraction):
    gpus = [SimulatedGpu(total_bytes=4 * GIB), SimulatedGpu(total_bytes=8 * GIB)]
    with simulated_cuda(gpus, current=1):
        assert set_gpu_share(limit_bytes) == pytest.approx(fraction, rel=1e-12)
    assert gpus[1].fraction == pytest.approx(fraction, rel=1e-12)
    assert gpus[0].fraction == 1.0


def test_a_limit_beyond_the_gpu_lifts_an_earlier_one():
    gpu = SimulatedGpu(total_bytes=8 * GIB)
    with simulated_cuda([gpu]):
        set_gpu_share(GIB)
        set_gpu_share(9 * GIB)
    assert gpu.fraction == 1.0


@pytest.mark.parametrize("limit_bytes", [0, -1])
def test_a_limit_of_nothing_is_refused(limit_bytes):
    with simulated_cuda(), pytest.raises(
        ConfigError, match=f"at least 1 byte, but got {limit_bytes}"
    ):
        set_gpu_share(limit_bytes)


def test_a_limit_without_a_gpu_is_refused():
    with simulated_cuda([]), pytest.raises(MeterProblem, match="sees no GPU"):
        set_gpu_share(GIB)


# --- a real GPU -----------------------------------------------------------------------------------


def run_on_gpu(code):
    """Run code in a process of its own, where nothing is allocated yet; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


@pytest.mark.gpu
def test_real_peaks_are_those_of_known_blocks():
    peak, reserved, again, now = run_on_gpu(
        """
        import torch
        from nas_edge.device.cuda_meter import CUDA_ALLOCATED, CUDA_RESERVED, open_cuda_meter
        meter = open_cuda_meter()
        meter.exact_peaks()
        block = torch.empty(96 * 2**20, dtype=torch.uint8, device="cuda")
        del block
        peaks = meter.exact_peaks()
        print(int(peaks[CUDA_ALLOCATED]), int(peaks[CUDA_RESERVED]))
        print(int(meter.exact_peaks()[CUDA_ALLOCATED]), int(meter.read()[CUDA_ALLOCATED]))
        """
    )
    assert (peak, again, now) == (96 * MIB, 0, 0)
    assert reserved >= peak


@pytest.mark.gpu
def test_a_real_share_lets_no_more_be_reserved():
    (refused,) = run_on_gpu(
        """
        import torch
        from nas_edge.device.cuda_meter import set_gpu_share
        set_gpu_share(256 * 2**20)
        kept = torch.empty(128 * 2**20, dtype=torch.uint8, device="cuda")
        try:
            torch.empty(256 * 2**20, dtype=torch.uint8, device="cuda")
            print(0)
        except torch.cuda.OutOfMemoryError:
            print(1)
        """
    )
    assert refused


@pytest.mark.gpu
def test_a_real_context_is_some_hundred_mib_where_nvml_tells_it():
    torch.zeros(1, device="cuda")
    context = context_bytes()
    if context is None:
        pytest.skip("NVML does not tell this process's memory here")
    assert 20 * MIB < context < 4 * GIB


@pytest.mark.gpu
def test_real_free_memory_is_no_more_than_there_is():
    assert 0 < available_gpu_bytes() <= torch.cuda.get_device_properties(0).total_memory
