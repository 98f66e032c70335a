"""Which of the driver's GPUs, or of a GPU's MIG instances, is the one that torch uses."""

import ctypes
import os
import sys
from pathlib import Path

import pytest

from nas_edge.device.meter import GPU_MEMORY, POWER, TEMPERATURE, THROTTLED, MeterProblem
from nas_edge.device.nvml_meter import open_nvml_meter
from nas_edge.device.torch_gpu import driver_pci_bus_id, gpu_of

sys.path.insert(0, str(Path(__file__).parent))

from simulated_cuda import SimulatedGpu, simulated_cuda
from simulated_nvml import (
    EVERY_CHANNEL,
    MIB,
    Gpu,
    Row,
    as_torch_sees,
    assert_growth_of_the_whole_gpu,
    busy_gpu,
    read_once,
    simulated_nvml,
)

PID = os.getpid()
OTHER = PID + 1

FIRST = "GPU-aaaaaaaa-0000-0000-0000-000000000001"
SECOND = "GPU-bbbbbbbb-0000-0000-0000-000000000002"


def two_gpus():
    return [
        busy_gpu(uuid=FIRST, pci_bus_id="00000000:17:00.0", power_mw=10_000),
        busy_gpu(uuid=SECOND, pci_bus_id="00000000:65:00.0", power_mw=20_000),
    ]


def test_torchs_first_gpu_may_be_the_drivers_second():
    gpus = two_gpus()  # CUDA_VISIBLE_DEVICES=1,0, or CUDA_DEVICE_ORDER
    with simulated_nvml(gpus):
        values, _ = read_once(gpus[1], index=0)
    assert values[POWER] == 20


@pytest.mark.parametrize("bus_id", ["00000000:65:00.0", "0000:65:00.0"])
def test_a_torch_that_tells_no_uuid_is_matched_by_pci_bus(bus_id):
    gpus = two_gpus()
    with simulated_nvml(gpus):
        values, _ = read_once(gpus[1], index=0, uuid="", pci_bus_id=bus_id)
    assert values[POWER] == 20


def test_of_two_gpus_none_is_guessed():
    gpus = two_gpus()
    with simulated_nvml(gpus) as driver:
        with pytest.raises(MeterProblem, match=r"none of its 2 GPUs.*nvidia-smi -L"):
            read_once(gpus[1], uuid="", pci_bus_id="")
        assert driver.num_open == 0


def test_the_only_gpu_needs_no_name():
    gpu = busy_gpu()
    with simulated_nvml([gpu]):
        values, _ = read_once(gpu, uuid="", pci_bus_id="")
    assert set(values) == EVERY_CHANNEL


def test_the_only_gpu_with_another_uuid_is_another():
    gpu = busy_gpu()
    with simulated_nvml([gpu]), pytest.raises(MeterProblem, match="none of its 1 GPUs"):
        read_once(gpu, uuid="99999999-0000-0000-0000-000000000000", pci_bus_id="")


def test_torchs_current_gpu_is_found_by_what_torch_says_of_it():
    gpus = two_gpus()
    seen = [
        SimulatedGpu(uuid=SECOND.partition("-")[2], pci=(0, 0x65, 0)),
        SimulatedGpu(uuid=FIRST.partition("-")[2], pci=(0, 0x17, 0)),
    ]
    with simulated_nvml(gpus), simulated_cuda(seen, current=1):
        meter = open_nvml_meter()
        assert meter.read()[POWER] == 10
        meter.close()


def test_pci_numbers_of_torch_make_a_bus_id():
    with simulated_cuda([SimulatedGpu(pci=(26, 0xC1, 0), uuid="GPU-12-34")]):
        found = gpu_of(0)
    assert (found.pci_bus_id, found.uuid) == ("0000001a:c1:00.0", "12-34")


class SimulatedCudaDriver:
    """libcuda with two GPUs; each call can fail."""

    def __init__(self, failing=""):
        self.failing = failing

    def cuInit(self, flags):  # noqa: N802
        return 100 if self.failing == "cuInit" else 0

    def cuDeviceGet(self, device, index):  # noqa: N802
        device._obj.value = 40 + index
        return 100 if self.failing == "cuDeviceGet" else 0

    def cuDeviceGetPCIBusId(self, text, length, device):  # noqa: N802
        ctypes.memmove(text, b"0000:%02x:00.0\0" % device.value, 13)
        return 100 if self.failing == "cuDeviceGetPCIBusId" else 0


def test_the_cuda_driver_tells_the_bus_where_torch_does_not():
    asked = []

    def load(name):
        asked.append(name)
        return SimulatedCudaDriver()

    assert driver_pci_bus_id(1, load, "linux") == "0000:29:00.0"  # 41
    assert driver_pci_bus_id(1, load, "win32") == "0000:29:00.0"
    assert asked == ["libcuda.so.1", "nvcuda.dll"]


@pytest.mark.parametrize("failing", ["cuInit", "cuDeviceGet", "cuDeviceGetPCIBusId"])
def test_a_cuda_driver_that_fails_tells_nothing(failing):
    assert driver_pci_bus_id(0, lambda name: SimulatedCudaDriver(failing)) == ""


def test_no_cuda_driver_tells_nothing():
    def load(name):
        raise OSError(name)

    assert driver_pci_bus_id(0, load) == ""


MIG_1 = "MIG-c0000000-0000-0000-0000-000000000001"
MIG_2 = "MIG-d0000000-0000-0000-0000-000000000002"
NOT_ON_MIG = {
    "nvmlDeviceGetPowerUsage",
    "nvmlDeviceGetTotalEnergyConsumption",
    "nvmlDeviceGetUtilizationRates",
    "nvmlDeviceGetTemperature",
    "nvmlDeviceGetTemperatureV",
    "nvmlDeviceGetCurrentClocksEventReasons",
    "nvmlDeviceGetCurrentClocksThrottleReasons",
}


def instance(uuid, *rows):
    return Gpu(
        name="NVIDIA A100 MIG 1g.10gb",
        uuid=uuid,
        total_bytes=10 * 2**30,
        used_bytes=2**30,
        compute=list(rows),
        unsupported=set(NOT_ON_MIG),
    )


def split_gpu(*instances):
    """A GPU of which several instances are made; the first place is unused."""
    return busy_gpu(name="NVIDIA A100", mig_mode=(1, 1), instances=[None, *instances], compute=[])


def test_a_mig_instance_is_found_by_its_uuid_and_has_its_own_memory():
    mine, other = instance(MIG_2, Row(PID, 700 * MIB, 2, 0)), instance(MIG_1, Row(PID, 9, 1, 0))
    gpu = split_gpu(other, mine)
    with simulated_nvml([gpu]):
        values, meter = read_once(mine)
    assert values == {GPU_MEMORY: 700 * MIB, TEMPERATURE: 71, THROTTLED: 0}
    assert "of the whole GPU" in meter.channels[TEMPERATURE].source
    assert "whole" not in meter.channels[GPU_MEMORY].source
    assert meter.facts["nvml_gpu"] == "NVIDIA A100 MIG 1g.10gb"


def test_what_a_mig_instance_tells_itself_is_not_asked_of_the_whole_gpu():
    mine = instance(MIG_1, Row(PID, 700 * MIB))
    mine.unsupported.clear()
    mine.temperature_c, mine.power_mw = 55, 9_000
    with simulated_nvml([split_gpu(mine)]):
        values, meter = read_once(mine)
    assert (values[TEMPERATURE], values[POWER]) == (55, 9)
    assert not any("whole" in channel.source for channel in meter.channels.values())


def test_the_growth_on_a_mig_instance_is_the_instances():
    mine = instance(MIG_1, Row(PID, None))
    with simulated_nvml([split_gpu(mine)]):
        meter = open_nvml_meter(as_torch_sees(mine))
        assert_growth_of_the_whole_gpu(meter, mine, whole="whole MIG instance")
        meter.close()


def test_a_torch_that_gives_the_whole_gpus_uuid_gets_its_only_instance():
    mine = instance(MIG_1, Row(PID, 700 * MIB))
    gpu = split_gpu(mine)
    with simulated_nvml([gpu]):
        assert read_once(gpu)[0][GPU_MEMORY] == 700 * MIB


@pytest.mark.parametrize("visible", [MIG_2, MIG_2[:12], f"{MIG_2},{MIG_1}"])
def test_cuda_visible_devices_names_the_instance(monkeypatch, visible):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    mine, other = instance(MIG_2, Row(PID, 700 * MIB)), instance(MIG_1, Row(PID, 9))
    gpu = split_gpu(other, mine)
    with simulated_nvml([gpu]):
        values, _ = read_once(gpu, uuid="")
    assert values[GPU_MEMORY] == 700 * MIB


def test_the_instance_that_lists_this_process_is_its_own():
    mine, other = instance(MIG_2, Row(PID, 700 * MIB)), instance(MIG_1, Row(OTHER, 9))
    gpu = split_gpu(other, mine)
    with simulated_nvml([gpu]):
        assert read_once(gpu)[0][GPU_MEMORY] == 700 * MIB


@pytest.mark.parametrize(
    ("num_instances", "rows"),
    [(0, []), (2, []), (2, [Row(PID, 1)])],  # on none; on both
)
def test_of_several_instances_none_is_guessed(num_instances, rows):
    gpu = split_gpu(*[instance(uuid, *rows) for uuid in (MIG_1, MIG_2)[:num_instances]])
    with simulated_nvml([gpu]):
        line = rf"split into {num_instances} MIG instances.*CUDA_VISIBLE_DEVICES"
        with pytest.raises(MeterProblem, match=line):
            read_once(gpu)
