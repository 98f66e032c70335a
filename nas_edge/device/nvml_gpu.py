"""Which of NVML's GPUs torch uses, a MIG instance of one included.

Matched by UUID or PCI bus id, never by index: CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER change
torch's numbers and not NVML's.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, List, Optional

from nas_edge.device.meter import MeterProblem
from nas_edge.device.nvml import Nvml
from nas_edge.device.nvml_processes import processes_on
from nas_edge.device.torch_gpu import TorchGpu


@dataclass(frozen=True)
class NvmlGpu:
    """A GPU's handle; of a MIG instance its own, and ``whole`` is the GPU that it is cut from."""

    handle: Any
    whole: Any
    is_mig: bool = False


def find_gpu(nvml: Nvml, gpu: TorchGpu, pid: int) -> NvmlGpu:
    """Return the handle of the GPU that torch uses.

    Args:
        nvml: The opened library.
        gpu: What torch says of it.
        pid: Of the process that uses it: the last way to tell one MIG instance from another.
    Raises:
        MeterProblem: If none is it, or it cannot be told which of several.
    """
    instance = nvml.ask("nvmlDeviceGetHandleByUUID", f"MIG-{gpu.uuid}") if gpu.uuid else None
    if instance is not None:
        whole = nvml.ask("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", instance)
        return NvmlGpu(instance, instance if whole is None else whole, is_mig=True)
    handle = _whole_gpu(nvml, gpu)
    if not is_split(nvml, handle):
        return NvmlGpu(handle, handle)
    return NvmlGpu(_own_instance(nvml, handle, gpu, pid), handle, is_mig=True)


def is_split(nvml: Nvml, handle: Any) -> bool:
    """Return whether a GPU is split into MIG instances now."""
    mode = nvml.ask("nvmlDeviceGetMigMode", handle)
    return mode is not None and bool(mode[0])


def instances_of(nvml: Nvml, handle: Any) -> List[Any]:
    """Return the handles of a GPU's MIG instances; unused places have none."""
    places = nvml.ask("nvmlDeviceGetMaxMigDeviceCount", handle) or 0
    found = (nvml.ask("nvmlDeviceGetMigDeviceHandleByIndex", handle, i) for i in range(places))
    return [instance for instance in found if instance is not None]


def _whole_gpu(nvml: Nvml, gpu: TorchGpu) -> Any:
    handle = None
    if gpu.uuid:
        handle = nvml.ask("nvmlDeviceGetHandleByUUID", f"GPU-{gpu.uuid}")
    if handle is None and gpu.pci_bus_id:
        handle = nvml.ask("nvmlDeviceGetHandleByPciBusId", gpu.pci_bus_id)
    if handle is None:
        handle = _only_gpu(nvml, gpu)
    if handle is None:
        raise MeterProblem(
            f"NVML: none of its {nvml.ask('nvmlDeviceGetCount') or 0} GPUs is known to be torch's "
            f"GPU {gpu.index} ({gpu.name}); see `nvidia-smi -L` ({nvml.last_refusal})"
        )
    return handle


def _only_gpu(nvml: Nvml, gpu: TorchGpu) -> Optional[Any]:
    """Return the one GPU there is, unless its UUID says that it is another."""
    if nvml.ask("nvmlDeviceGetCount") != 1:
        return None
    handle = nvml.ask("nvmlDeviceGetHandleByIndex", 0)
    uuid = None if handle is None else nvml.ask("nvmlDeviceGetUUID", handle)
    is_another = bool(gpu.uuid) and uuid is not None and gpu.uuid not in uuid
    return None if is_another else handle


def _own_instance(nvml: Nvml, whole: Any, gpu: TorchGpu, pid: int) -> Any:
    """Return the MIG instance that this process was given.

    CUDA shows a process one instance only, and some releases give it the whole GPU's UUID.
    """
    instances = instances_of(nvml, whole)
    asked_for = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
    if asked_for.startswith("MIG-"):  # CUDA takes the beginning of a UUID too
        named = [i for i in instances if str(_uuid(nvml, i)).startswith(asked_for)]
    else:
        named = instances
    if len(named) > 1:
        named = [i for i in named if pid in (processes_on(nvml, i) or {})]
    if len(named) != 1:
        raise MeterProblem(
            f"NVML: torch's GPU {gpu.index} ({gpu.name}) is split into {len(instances)} MIG "
            "instances, and which of them is this process's cannot be told; set "
            "CUDA_VISIBLE_DEVICES to one that `nvidia-smi -L` lists"
        )
    return named[0]


def _uuid(nvml: Nvml, handle: Any) -> Optional[str]:
    return nvml.ask("nvmlDeviceGetUUID", handle)
