"""What NVML and torch each say of this machine's GPUs, and what mends it where they disagree."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, List, Optional, Sequence, Tuple

from nas_edge.device.bounded_calls import BoundedCalls, CallHung
from nas_edge.device.meter import OPEN_TIMEOUT_S, MeterProblem
from nas_edge.device.nvml import Nvml, NvmlLost, open_nvml
from nas_edge.device.nvml_gpu import instances_of
from nas_edge.device.torch_gpu import TorchGpu, gpu_of

_NVIDIA = "0x10de"  # the PCI vendor
_DISPLAY_CLASS = "0x03"  # what a PCI class of a GPU begins with


@dataclass(frozen=True)
class GpuInfo:
    """One GPU as NVML lists it; None where NVML does not say.

    Args:
        name: The chip's.
        uuid: With "GPU-".
        memory_bytes: Its own memory.
        mig: "on", "off", or None where the chip has no MIG.
        num_mig_instances: How many it is split into.
        is_seen_by_torch: Whether torch can use it or an instance of it.
    """

    name: Optional[str]
    uuid: Optional[str]
    memory_bytes: Optional[int]
    mig: Optional[str]
    num_mig_instances: int
    is_seen_by_torch: bool


@dataclass(frozen=True)
class GpuStatus:
    """GPUs of this machine; ``problems`` are one line each, with the command that mends it.

    A machine without an NVIDIA GPU has no GPUs and no problems. The versions are empty where NVML
    is not here.
    """

    nvml_version: str
    driver_version: str
    gpus: Tuple[GpuInfo, ...]
    torch_gpus: Tuple[TorchGpu, ...]
    problems: Tuple[str, ...]


@dataclass(frozen=True)
class _Nvml:
    nvml_version: str = ""
    driver_version: str = ""
    gpus: Tuple[GpuInfo, ...] = ()
    problems: Tuple[str, ...] = ()


def gpu_status(pci_devices: Path = Path("/sys/bus/pci/devices")) -> GpuStatus:
    """Ask NVML and torch about this machine's GPUs. Never raises, and takes at most some seconds.

    Args:
        pci_devices: Where the system lists its PCI devices.
    """
    torch_gpus, problems = _of_torch()
    has_hardware = _has_gpu_on_bus(pci_devices)
    try:
        found = _of_nvml(torch_gpus)
    except MeterProblem as err:
        # A Jetson's own GPU needs no NVML, and a machine without a GPU none either.
        is_needed = has_hardware or any(not gpu.is_integrated for gpu in torch_gpus)
        found = _Nvml(problems=(str(err),) if is_needed else ())
    if (found.gpus or has_hardware) and not torch_gpus and not problems:
        problems = [_why_torch_sees_none(found.driver_version)]
    problems = [*problems, *found.problems, *_allocator_problems(torch_gpus)]
    return GpuStatus(
        found.nvml_version, found.driver_version, found.gpus, tuple(torch_gpus), tuple(problems)
    )


def _of_torch() -> Tuple[List[TorchGpu], List[str]]:
    import torch

    try:
        num_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        return [gpu_of(index) for index in range(num_gpus)], []
    except RuntimeError as err:
        return [], [f"torch.cuda: {str(err).splitlines()[0]}; see what `nvidia-smi` says"]


def _of_nvml(torch_gpus: Sequence[TorchGpu]) -> _Nvml:
    calls = BoundedCalls("nvml-status")
    try:
        return calls.call(lambda: _ask_nvml(torch_gpus), OPEN_TIMEOUT_S)
    except CallHung:
        raise MeterProblem(
            f"NVML: the driver did not answer within {OPEN_TIMEOUT_S:g} s; run `sudo reboot`"
        ) from None
    except NvmlLost as err:
        raise MeterProblem(str(err)) from err
    finally:
        calls.close()


def _ask_nvml(torch_gpus: Sequence[TorchGpu]) -> _Nvml:
    nvml = open_nvml()
    try:
        gpus: List[GpuInfo] = []
        problems: List[str] = []
        for index in range(nvml.ask("nvmlDeviceGetCount") or 0):
            gpu, gpu_problems = _ask_gpu(nvml, index, torch_gpus)
            gpus += gpu
            problems += gpu_problems
        return _Nvml(
            str(nvml.ask("nvmlSystemGetNVMLVersion") or ""),
            str(nvml.ask("nvmlSystemGetDriverVersion") or ""),
            tuple(gpus),
            tuple(problems),
        )
    finally:
        nvml.shut_down()


def _ask_gpu(
    nvml: Nvml, index: int, torch_gpus: Sequence[TorchGpu]
) -> Tuple[List[GpuInfo], List[str]]:
    try:
        handle = nvml.ask("nvmlDeviceGetHandleByIndex", index)
        if handle is None:  # in a container, a GPU of the machine that was not given to it
            return [], []
        return _describe(nvml, index, handle, torch_gpus)
    except NvmlLost as err:
        return [], [f"GPU {index}: {err}"]


def _describe(
    nvml: Nvml, index: int, handle: Any, torch_gpus: Sequence[TorchGpu]
) -> Tuple[List[GpuInfo], List[str]]:
    uuid = nvml.ask("nvmlDeviceGetUUID", handle)
    pci = nvml.ask("nvmlDeviceGetPciInfo", handle)
    memory = nvml.ask("nvmlDeviceGetMemoryInfo", handle)
    mode = nvml.ask("nvmlDeviceGetMigMode", handle)
    instances = instances_of(nvml, handle) if mode and mode[0] else []
    names = [uuid, *(nvml.ask("nvmlDeviceGetUUID", instance) for instance in instances)]
    info = GpuInfo(
        name=nvml.ask("nvmlDeviceGetName", handle),
        uuid=uuid,
        memory_bytes=None if memory is None else int(memory.total),
        mig=None if mode is None else ("on" if mode[0] else "off"),
        num_mig_instances=len(instances),
        is_seen_by_torch=any(_is_same(gpu, names, pci) for gpu in torch_gpus),
    )
    return [info], _mig_problems(index, mode, len(instances))


def _is_same(gpu: TorchGpu, uuids: Sequence[Optional[str]], pci: Any) -> bool:
    if gpu.uuid and any(uuid is not None and uuid.endswith(gpu.uuid) for uuid in uuids):
        return True
    if pci is None or not gpu.pci_bus_id:
        return False
    # The domain before it has four digits with some and eight with others.
    digits = len("0000:65:00.0")
    return bool(gpu.pci_bus_id.lower()[-digits:] == pci.busId.lower()[-digits:])


def _mig_problems(index: int, mode: Any, num_instances: int) -> List[str]:
    if mode is None:
        return []
    current, pending = mode
    if current != pending:
        return [
            f"GPU {index}: MIG is to be switched {'on' if pending else 'off'} at the next reset; "
            f"run `sudo nvidia-smi --gpu-reset -i {index}`"
        ]
    if current and not num_instances:
        return [
            f"GPU {index}: MIG is on and no instance is made, so that nothing can run; run "
            f"`sudo nvidia-smi mig -i {index} -cgi 0 -C`, or `sudo nvidia-smi -i {index} -mig 0`"
        ]
    return []


def _why_torch_sees_none(driver_version: str) -> str:
    import torch

    if torch.version.cuda is None:
        return (
            f"torch {torch.__version__} is built without CUDA and does not use this machine's GPU; "
            "run `pip install --force-reinstall torch torchvision` with the index of a CUDA build "
            '("Start locally" on PyTorch\'s site names it), or use --device cpu'
        )
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return (
            f"torch sees no GPU under CUDA_VISIBLE_DEVICES={visible!r}; run `unset "
            "CUDA_VISIBLE_DEVICES`"
        )
    return (
        f"torch {torch.__version__} is built for CUDA {torch.version.cuda} and sees no GPU with "
        f"driver {driver_version or 'unknown'}; update the driver, or install a torch for the CUDA "
        "version that `nvidia-smi` shows"
    )


def _allocator_problems(torch_gpus: Sequence[TorchGpu]) -> List[str]:
    variables = ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF")
    expands = [name for name in variables if "expandable_segments:true" in _setting(name)]
    if not expands or not any(gpu.is_integrated for gpu in torch_gpus):
        return []
    return [
        f"{expands[0]} turns expandable_segments on, which fails on an integrated GPU; run "
        f"`unset {expands[0]}`"
    ]


def _setting(name: str) -> str:
    return os.environ.get(name, "").lower().replace(" ", "")


def _has_gpu_on_bus(pci_devices: Path) -> bool:
    try:
        devices = list(pci_devices.iterdir())
    except OSError:
        return False
    return any(
        _text(device / "vendor") == _NVIDIA and _text(device / "class").startswith(_DISPLAY_CLASS)
        for device in devices
    )


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
