import sys
from pathlib import Path

import pynvml
import pytest
import torch

from nas_edge.device import gpu_status as module
from nas_edge.device.gpu_status import GpuStatus, gpu_status

sys.path.insert(0, str(Path(__file__).parent))

from simulated_cuda import SimulatedGpu, simulated_cuda
from simulated_nvml import Gpu, missing_library, simulated_nvml

GIB = 2**30


@pytest.fixture
def bus(tmp_path):
    """A machine's PCI devices: NVIDIA's bridge, another maker's network card and GPU."""
    put_device(tmp_path, "0000:00:00.0", "0x10de", "0x060400")
    put_device(tmp_path, "0000:01:00.0", "0x8086", "0x020000")
    put_device(tmp_path, "0000:02:00.0", "0x1002", "0x030000")
    return tmp_path


@pytest.fixture
def bus_with_gpu(bus):
    put_device(bus, "0000:65:00.0", "0x10de", "0x030200")
    return bus


def put_device(folder, name, vendor, kind):
    (folder / name).mkdir()
    (folder / name / "vendor").write_text(f"{vendor}\n")
    (folder / name / "class").write_text(f"{kind}\n")


def test_a_gpu_that_both_see_is_no_problem(bus_with_gpu):
    gpu = Gpu(total_bytes=12 * GIB)
    with simulated_nvml([gpu]) as driver, simulated_cuda():
        found = gpu_status(bus_with_gpu)
        assert driver.num_open == 0
    assert found.problems == ()
    assert (found.nvml_version, found.driver_version) == ("12.550.54.14", "550.54.14")
    (info,) = found.gpus
    assert (info.name, info.uuid, info.memory_bytes) == (gpu.name, gpu.uuid, 12 * GIB)
    assert (info.mig, info.num_mig_instances, info.is_seen_by_torch) == (None, 0, True)
    assert [gpu.name for gpu in found.torch_gpus] == ["NVIDIA RTX A2000"]


def test_of_two_gpus_the_one_that_torch_uses_is_told_by_its_uuid_or_bus(bus_with_gpu):
    gpus = [
        Gpu(uuid="GPU-99999999-0000-0000-0000-000000000000", pci_bus_id="00000000:17:00.0"),
        Gpu(),
    ]
    for seen in (SimulatedGpu(pci=(0, 1, 0)), SimulatedGpu(uuid="")):
        with simulated_nvml(gpus), simulated_cuda([seen]):
            found = gpu_status(bus_with_gpu)
        assert [info.is_seen_by_torch for info in found.gpus] == [False, True]


def test_a_machine_without_a_gpu_has_no_problem(bus):
    with missing_library(), simulated_cuda([]):
        assert gpu_status(bus) == GpuStatus("", "", (), (), ())


def test_a_system_that_lists_no_pci_devices_has_no_problem(tmp_path):
    with missing_library(), simulated_cuda([]):
        assert gpu_status(tmp_path / "missing").problems == ()


def test_a_jetson_needs_no_nvml(bus):
    with missing_library(), simulated_cuda([SimulatedGpu(is_integrated=True)]):
        found = gpu_status(bus)
    assert found.problems == ()
    assert found.torch_gpus[0].is_integrated


def test_a_gpu_without_its_driver_says_what_to_install(bus_with_gpu):
    with missing_library(), simulated_cuda([]):
        torch_line, nvml_line = gpu_status(bus_with_gpu).problems
    assert "install the NVIDIA driver" in nvml_line
    assert "torch" in torch_line


def test_a_container_without_the_utility_library_says_how_to_start_it(bus):
    with missing_library(), simulated_cuda():
        (line,) = gpu_status(bus).problems
    assert "NVIDIA_DRIVER_CAPABILITIES=compute,utility" in line


@pytest.mark.parametrize(
    ("error", "command"),
    [
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "sudo modprobe nvidia"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "sudo usermod"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "sudo reboot"),
    ],
)
def test_a_driver_that_does_not_start_says_what_mends_it(bus_with_gpu, error, command):
    with simulated_nvml() as driver, simulated_cuda():
        driver.refuse("nvmlInitWithFlags", error)
        (line,) = gpu_status(bus_with_gpu).problems
    assert command in line


def test_a_driver_that_hangs_is_not_waited_for(bus_with_gpu, monkeypatch):
    monkeypatch.setattr(module, "OPEN_TIMEOUT_S", 0.1)
    with simulated_nvml() as driver, simulated_cuda():
        driver.hangs = True
        (line,) = gpu_status(bus_with_gpu).problems
    assert "did not answer" in line


def test_a_lost_gpu_is_a_problem_and_the_others_are_listed(bus_with_gpu):
    gpus = [Gpu(uuid="GPU-9", pci_bus_id="00000000:17:00.0", is_lost=True), Gpu()]
    with simulated_nvml(gpus), simulated_cuda():
        found = gpu_status(bus_with_gpu)
    assert [info.uuid for info in found.gpus] == [gpus[1].uuid]
    (line,) = found.problems
    assert line.startswith("GPU 0: ")
    assert "sudo reboot" in line


def test_a_gpu_that_this_container_was_not_given_is_left_out(bus_with_gpu):
    with simulated_nvml([Gpu()]) as driver, simulated_cuda():
        driver.refuse("nvmlDeviceGetHandleByIndex_v2", pynvml.NVML_ERROR_NO_PERMISSION)
        found = gpu_status(bus_with_gpu)
    assert (found.gpus, found.problems) == ((), ())


@pytest.mark.parametrize(
    ("version", "visible", "command"),
    [
        (None, None, "pip install --force-reinstall"),
        ("12.6", "", "unset CUDA_VISIBLE_DEVICES"),
        ("12.6", None, "driver 550.54.14; update the driver"),
    ],
)
def test_a_gpu_that_torch_does_not_see_says_why(
    bus_with_gpu, monkeypatch, version, visible, command
):
    monkeypatch.setattr(torch.version, "cuda", version)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with simulated_nvml(), simulated_cuda([]):
        found = gpu_status(bus_with_gpu)
    (line,) = found.problems
    assert command in line
    assert not found.gpus[0].is_seen_by_torch


def instance(uuid):
    return Gpu(name="MIG 1g.10gb", uuid=uuid)


def test_mig_instances_are_counted_and_one_that_torch_uses_is_its_gpus():
    gpu = Gpu(mig_mode=(1, 1), pci_bus_id="00000000:17:00.0", instances=[instance("MIG-a-1"), None])
    with simulated_nvml([gpu]), simulated_cuda([SimulatedGpu(uuid="a-1")]):
        found = gpu_status()
    (info,) = found.gpus
    assert (info.mig, info.num_mig_instances, info.is_seen_by_torch) == ("on", 1, True)
    assert found.problems == ()


@pytest.mark.parametrize(
    ("mode", "command"),
    [((1, 1), "nvidia-smi mig -i 0 -cgi"), ((0, 1), "--gpu-reset -i 0"), ((1, 0), "--gpu-reset")],
)
def test_mig_that_is_not_ready_says_what_mends_it(mode, command):
    with simulated_nvml([Gpu(mig_mode=mode)]), simulated_cuda():
        (line,) = gpu_status().problems
    assert command in line


def test_mig_that_is_off_is_no_problem():
    with simulated_nvml([Gpu(mig_mode=(0, 0))]), simulated_cuda():
        found = gpu_status()
    assert (found.gpus[0].mig, found.problems) == ("off", ())


@pytest.mark.parametrize("name", ["PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF"])
@pytest.mark.parametrize("is_integrated", [True, False])
def test_expandable_segments_are_a_problem_of_integrated_gpus_only(
    bus, monkeypatch, name, is_integrated
):
    monkeypatch.setenv(name, "max_split_size_mb:64, expandable_segments:True")
    with simulated_nvml(), simulated_cuda([SimulatedGpu(is_integrated=is_integrated)]):
        problems = gpu_status(bus).problems
    assert [f"unset {name}" in line for line in problems] == [True] * is_integrated


def test_a_gpu_that_says_nothing_of_itself_is_still_listed(bus_with_gpu):
    with simulated_nvml() as driver, simulated_cuda():
        for name in ("Name", "UUID", "MemoryInfo", "PciInfo_v3", "MigMode"):
            driver.refuse(f"nvmlDeviceGet{name}")
        (info,) = gpu_status(bus_with_gpu).gpus
    assert (info.name, info.uuid, info.memory_bytes, info.mig) == (None, None, None, None)


def test_torch_that_cannot_start_cuda_is_a_problem(bus_with_gpu, monkeypatch):
    with simulated_nvml(), simulated_cuda():

        def fail(index):
            raise RuntimeError("CUDA unknown error\nmore lines")

        monkeypatch.setattr(torch.cuda, "get_device_properties", fail)
        (line,) = gpu_status(bus_with_gpu).problems
    assert line == "torch.cuda: CUDA unknown error; see what `nvidia-smi` says"


@pytest.mark.gpu
def test_a_real_gpu_is_seen_by_torch():
    found = gpu_status()
    assert found.torch_gpus
    assert all(isinstance(line, str) and "\n" not in line for line in found.problems)
    if found.gpus:
        assert any(info.is_seen_by_torch for info in found.gpus)
