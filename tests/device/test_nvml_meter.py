"""The real NVML client over a simulated driver; figures are what the driver was told to answer."""

import sys
from pathlib import Path

import pynvml
import pytest

from nas_edge.device.meter import (
    ENERGY,
    GPU_MEMORY,
    POWER,
    TEMPERATURE,
    THROTTLED,
    UNITS,
    UTILISATION,
    MeterProblem,
)
from nas_edge.device.nvml_meter import open_nvml_meter
from nas_edge.device.sampling import Sampler

sys.path.insert(0, str(Path(__file__).parent))

from simulated_nvml import (
    EVERY_CHANNEL,
    FUNCTIONS,
    MIB,
    Gpu,
    as_torch_sees,
    busy_gpu,
    read_once,
    simulated_nvml,
)


def test_every_channel_is_in_its_unit():
    gpu = busy_gpu()
    with simulated_nvml([gpu]):
        values, meter = read_once(gpu)
    assert values == {
        GPU_MEMORY: 640 * MIB,
        POWER: pytest.approx(61.25),
        ENERGY: pytest.approx(7500.5),
        UTILISATION: pytest.approx(0.83),
        TEMPERATURE: 71,
        THROTTLED: 0,
    }
    assert {name: channel.unit for name, channel in meter.channels.items()} == {
        GPU_MEMORY: "bytes",
        POWER: "W",
        ENERGY: "J",
        UTILISATION: "share",
        TEMPERATURE: "celsius",
        THROTTLED: "share",
    }
    assert {channel.unit for channel in meter.channels.values()} <= set(UNITS)
    assert [name for name, channel in meter.channels.items() if channel.is_counter] == [ENERGY]
    assert all("driver 550.54.14" in channel.source for channel in meter.channels.values())
    assert meter.exact_peaks() == {}


def test_the_facts_are_the_gpu_its_driver_and_its_power_limit():
    gpu = busy_gpu(power_limit_mw=62_500)
    with simulated_nvml([gpu]):
        _, meter = read_once(gpu)
    assert meter.facts == {
        "nvml_gpu": "NVIDIA RTX A2000",
        "nvml_driver": "550.54.14",
        "gpu_power_limit": "62.5 W",
    }


# The bits of nvml.h, section "Clocks event reasons".
@pytest.mark.parametrize(
    ("reasons", "is_throttled"),
    [
        (0x0, False),
        (0x1, False),  # idle
        (0x2, False),  # application clocks
        (0x4, False),  # the software power cap, where a loaded GPU always is
        (0x10 | 0x100, False),  # sync boost, display clocks
        (0x8, True),  # hardware slowdown
        (0x20, True),  # software thermal
        (0x40, True),  # hardware thermal
        (0x80, True),  # power brake
        (0x1 | 0x2 | 0x40, True),
    ],
)
def test_throttled_is_heat_and_power_brake_only(reasons, is_throttled):
    gpu = busy_gpu(clock_reasons=reasons)
    with simulated_nvml([gpu]):
        values, _ = read_once(gpu)
    assert values[THROTTLED] == float(is_throttled)


def test_energy_of_a_lap_is_the_counters_growth():
    gpu = busy_gpu()
    with simulated_nvml([gpu]):
        meter = open_nvml_meter(as_torch_sees(gpu))
        sampler = Sampler([meter])
        sampler.start()
        gpu.energy_mj += 12_345
        lap = sampler.stop()
        meter.close()
    assert lap.energy_j == pytest.approx(12.345)


# What a function that is not supported takes with it. The others have a second way.
LOST = {
    "nvmlDeviceGetPowerUsage": {POWER},
    "nvmlDeviceGetTotalEnergyConsumption": {ENERGY},
    "nvmlDeviceGetUtilizationRates": {UTILISATION},
}
if not hasattr(pynvml, "nvmlDeviceGetTemperatureV"):  # an older client knows the older call only
    LOST["nvmlDeviceGetTemperature"] = {TEMPERATURE}


@pytest.mark.parametrize("function", [name for name in FUNCTIONS if name != "nvmlInitWithFlags"])
def test_what_is_not_supported_at_opening_takes_no_other_channel_with_it(function):
    gpu = busy_gpu()
    with simulated_nvml([gpu]) as driver:
        driver.refuse(function)
        values, meter = read_once(gpu)
    assert set(values) == set(meter.channels) == EVERY_CHANNEL - LOST.get(function, set())
    assert meter.problem == ""


@pytest.mark.parametrize("function", [name for name in FUNCTIONS if name != "nvmlInitWithFlags"])
@pytest.mark.parametrize(
    "error", [pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_UNKNOWN, 12345]
)
def test_what_is_refused_while_running_is_left_out_until_it_answers_again(function, error):
    gpu = busy_gpu()
    with simulated_nvml([gpu]) as driver:
        meter = open_nvml_meter(as_torch_sees(gpu))
        driver.refuse(function, error)
        refused = meter.read()
        del driver.refused[function]
        again = meter.read()
        meter.close()
    assert set(refused) == EVERY_CHANNEL - LOST.get(function, set())
    assert set(again) == EVERY_CHANNEL
    assert meter.problem == ""


def test_the_meter_asks_nothing_that_the_tests_above_do_not_refuse():
    gpu = busy_gpu()
    with simulated_nvml([gpu]) as driver:
        read_once(gpu)
    assert set(driver.calls) <= set(FUNCTIONS)
    assert set(LOST) <= set(driver.calls)


@pytest.mark.parametrize(
    ("names", "lost"),
    [
        (("nvmlDeviceGetTemperatureV", "nvmlDeviceGetTemperature"), {TEMPERATURE}),
        (
            (
                "nvmlDeviceGetCurrentClocksEventReasons",
                "nvmlDeviceGetCurrentClocksThrottleReasons",
            ),
            {THROTTLED},
        ),
    ],
)
def test_a_channel_is_left_out_where_its_old_and_its_new_call_are_refused(names, lost):
    gpu = busy_gpu()
    with simulated_nvml([gpu]) as driver:
        for name in names:
            driver.refuse(name)
        values, _ = read_once(gpu)
    assert set(values) == EVERY_CHANNEL - lost


@pytest.mark.skipif(
    not hasattr(pynvml, "nvmlDeviceGetComputeRunningProcesses_v2"), reason="older client"
)
def test_an_older_driver_without_the_newest_functions_gives_every_channel():
    gpu = busy_gpu()
    with simulated_nvml([gpu]) as driver:
        driver.missing |= {
            "nvmlDeviceGetTemperatureV",
            "nvmlDeviceGetCurrentClocksEventReasons",
            "nvmlDeviceGetComputeRunningProcesses_v3",
            "nvmlDeviceGetGraphicsRunningProcesses_v3",
        }
        values, _ = read_once(gpu)
    assert set(values) == EVERY_CHANNEL
    assert values[GPU_MEMORY] == 640 * MIB


@pytest.mark.parametrize("field", ["power_mw"])
def test_a_figure_that_the_driver_marks_as_unknown_is_no_figure(field):
    gpu = busy_gpu(**{field: 2**32 - 1})
    with simulated_nvml([gpu]):
        values, _ = read_once(gpu)
    assert set(values) == EVERY_CHANNEL - {POWER}


def test_an_integrated_gpu_gives_what_it_has_and_never_a_total():
    gpu = Gpu(name="Orin (nvgpu)", utilisation_percent=40, used_bytes=5 * 2**30)
    answers = {"nvmlInitWithFlags", "nvmlShutdown", "nvmlDeviceGetCount_v2"}
    answers |= {"nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetUtilizationRates"}
    answers |= {"nvmlDeviceGetMemoryInfo"}
    with simulated_nvml([gpu]) as driver:
        for name in set(FUNCTIONS) - answers:
            driver.refuse(name)
        values, meter = read_once(gpu, is_integrated=True)
    assert values == {UTILISATION: pytest.approx(0.4)}
    assert meter.facts == {}
    assert "nvmlDeviceGetMemoryInfo" not in driver.calls


def test_an_integrated_gpu_that_lists_processes_gives_this_ones_memory():
    gpu = busy_gpu()
    gpu.unsupported.add("nvmlDeviceGetMemoryInfo")
    with simulated_nvml([gpu]):
        values, _ = read_once(gpu, is_integrated=True)
    assert values[GPU_MEMORY] == 640 * MIB


@pytest.mark.gpu
def test_a_real_gpu_is_found_and_what_it_tells_is_within_reason():
    import torch

    block = torch.ones(64 * MIB, dtype=torch.uint8, device="cuda")
    torch.cuda.synchronize()
    try:
        meter = open_nvml_meter()
    except MeterProblem as err:
        pytest.skip(str(err))  # a Jetson before JetPack 6 has no NVML
    values = meter.read()
    meter.close()
    assert meter.problem == ""
    assert set(values) == set(meter.channels)
    assert meter.facts.get("nvml_gpu", torch.cuda.get_device_name()) == (
        torch.cuda.get_device_name()
    )
    bounds = {
        GPU_MEMORY: (block.numel(), torch.cuda.get_device_properties(0).total_memory),
        POWER: (1, 2000),
        ENERGY: (0, 1e12),
        UTILISATION: (0, 1),
        TEMPERATURE: (5, 120),
        THROTTLED: (0, 1),
    }
    for name, value in values.items():
        low, high = bounds[name]
        assert low <= value <= high, name
