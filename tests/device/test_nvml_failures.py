"""The NVML meter where library, driver or GPU is missing, breaks, hangs or is slow."""

import sys
import time
from pathlib import Path

import pynvml
import pytest

from nas_edge.device import nvml_meter
from nas_edge.device.meter import MeterProblem
from nas_edge.device.nvml_meter import open_nvml_meter

sys.path.insert(0, str(Path(__file__).parent))

from simulated_cuda import simulated_cuda
from simulated_nvml import (
    EVERY_CHANNEL,
    FUNCTIONS,
    Gpu,
    as_torch_sees,
    busy_gpu,
    missing_library,
    open_meter_and_breaker,
    simulated_nvml,
)


def test_a_missing_library_is_one_line_with_what_mends_it():
    with missing_library(), pytest.raises(MeterProblem) as caught:
        open_nvml_meter(as_torch_sees(Gpu()))
    assert "libnvidia-ml.so.1" in str(caught.value)
    assert "NVIDIA_DRIVER_CAPABILITIES" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "mends"),
    [
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "sudo modprobe nvidia"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "sudo usermod -aG video"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "sudo reboot"),
        (pynvml.NVML_ERROR_NOT_SUPPORTED, "nvidia-smi"),
        (pynvml.NVML_ERROR_UNKNOWN, "nvidia-smi"),
        (12345, "nvidia-smi"),
    ],
)
def test_a_driver_that_does_not_start_is_one_line_with_what_mends_it(error, mends):
    with simulated_nvml() as driver:
        driver.refuse("nvmlInitWithFlags", error)
        with pytest.raises(MeterProblem, match=r"^NVML: ") as caught:
            open_nvml_meter(as_torch_sees(Gpu()))
    assert mends in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_gpu_in_the_driver_is_a_problem_and_leaves_nothing_open():
    with simulated_nvml([]) as driver:
        with pytest.raises(MeterProblem, match="none of its 0 GPUs"):
            open_nvml_meter(as_torch_sees(Gpu()))
        assert driver.num_open == 0


def test_a_gpu_lost_before_it_is_opened_is_a_problem_and_leaves_nothing_open():
    gpu = busy_gpu(is_lost=True)
    with simulated_nvml([gpu]) as driver:
        with pytest.raises(MeterProblem, match=r"no longer answers.*reboot"):
            open_nvml_meter(as_torch_sees(gpu))
        assert driver.num_open == 0


def test_a_gpu_that_refuses_every_figure_is_a_problem_that_says_why():
    gpu = busy_gpu()
    with simulated_nvml([gpu]) as driver:
        for name in set(FUNCTIONS) - {"nvmlInitWithFlags", "nvmlDeviceGetHandleByUUID"}:
            driver.refuse(name, pynvml.NVML_ERROR_NO_PERMISSION)
        with pytest.raises(MeterProblem, match=r"answers no call.*Insufficient Permissions"):
            open_nvml_meter(as_torch_sees(gpu))


def test_without_a_gpu_in_torch_there_is_nothing_to_meter():
    with simulated_cuda([]), pytest.raises(MeterProblem, match="sees no GPU"):
        open_nvml_meter()


def test_a_gpu_lost_midway_ends_the_readings_and_says_so():
    with open_meter_and_breaker() as (meter, break_it):
        assert set(meter.read()) == EVERY_CHANNEL
        break_it()
        assert meter.read() == {}
        assert "no longer answers" in meter.problem
        assert "\n" not in meter.problem
        assert meter.read() == {}


@pytest.mark.parametrize(
    "error",
    [
        pynvml.NVML_ERROR_GPU_IS_LOST,
        pynvml.NVML_ERROR_RESET_REQUIRED,
        pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
        pynvml.NVML_ERROR_UNINITIALIZED,
        pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH,
    ],
)
def test_one_call_that_says_that_the_gpu_is_gone_is_enough(error):
    gpu = busy_gpu()
    with simulated_nvml([gpu]) as driver:
        meter = open_nvml_meter(as_torch_sees(gpu))
        driver.refuse("nvmlDeviceGetPowerUsage", error)
        assert meter.read() == {}
        assert meter.problem.startswith("NVML: ")
        meter.close()


def test_a_meter_of_which_no_channel_answers_any_more_is_lost():
    gpu = busy_gpu()
    with simulated_nvml([gpu]) as driver:
        meter = open_nvml_meter(as_torch_sees(gpu))
        for name in FUNCTIONS:
            driver.refuse(name, pynvml.NVML_ERROR_UNKNOWN)
        assert meter.read() == {}
        assert "no channel can be read any more" in meter.problem
        meter.close()


def test_a_driver_that_hangs_at_opening_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(nvml_meter, "OPEN_TIMEOUT_S", 0.1)
    gpu = busy_gpu()
    with simulated_nvml([gpu]) as driver:
        driver.hangs = True
        with pytest.raises(MeterProblem, match=r"did not answer within 0\.1 s"):
            open_nvml_meter(as_torch_sees(gpu))


def test_a_driver_that_hangs_while_running_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(nvml_meter, "READ_TIMEOUT_S", 0.1)
    gpu = busy_gpu()
    with simulated_nvml([gpu]) as driver:
        meter = open_nvml_meter(as_torch_sees(gpu))
        driver.hangs = True
        assert meter.read() == {}
        assert "did not answer" in meter.problem
        meter.close()
        assert meter.read() == {}


def test_a_driver_that_answers_slowly_is_asked_less_often():
    gpu = busy_gpu()
    with simulated_nvml([gpu]) as driver:
        meter = open_nvml_meter(as_torch_sees(gpu))
        meter.read()
        quick_s = meter.interval_s
        real, spent = driver.gpu_at, []

        def slow(handle):
            started = time.thread_time()
            while time.thread_time() - started < 0.01:  # processor time, not only waiting
                pass
            spent.append(0.01)
            return real(handle)

        driver.gpu_at = slow
        meter.read()
        meter.close()
    assert quick_s >= nvml_meter.INTERVAL_S
    assert meter.interval_s >= sum(spent) / nvml_meter.COST_SHARE > 10


def test_closing_shuts_nvml_down_once_and_ends_the_readings():
    gpu = busy_gpu()
    with simulated_nvml([gpu]) as driver:
        meter = open_nvml_meter(as_torch_sees(gpu))
        assert driver.num_open == 1
        meter.close()
        meter.close()
        assert driver.num_open == 0
        assert meter.read() == {}
