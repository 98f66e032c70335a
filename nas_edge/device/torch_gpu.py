"""The GPU that torch uses, by the names that a driver tool knows it by.

torch counts the GPUs that CUDA_VISIBLE_DEVICES leaves, in the order of CUDA_DEVICE_ORDER; NVML
counts all of them by PCI bus. An index of one means nothing to the other: the UUID and the PCI bus
id do.
"""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from typing import Any, Callable, Optional

from nas_edge.device.meter import MeterProblem


@dataclass(frozen=True)
class TorchGpu:
    """One GPU, or one MIG instance of it, as torch sees it.

    Args:
        index: torch's.
        name: The chip's.
        total_bytes: Its memory; the machine's on an integrated GPU.
        is_integrated: Whether it shares the machine's memory (Jetson).
        uuid: Without "GPU-" or "MIG-"; empty where this torch does not tell it (2.1 does not).
        pci_bus_id: E.g. "00000000:65:00.0"; empty where it cannot be told.
    """

    index: int
    name: str
    total_bytes: int
    is_integrated: bool
    uuid: str = ""
    pci_bus_id: str = ""


def current_gpu() -> TorchGpu:
    """Return the GPU that tensors of this thread go to.

    Raises:
        MeterProblem: If torch sees none.
    """
    import torch

    if not torch.cuda.is_available():
        raise MeterProblem(
            f"torch {torch.__version__} sees no GPU; install a torch build for this GPU, or use "
            "--device cpu"
        )
    return gpu_of(torch.cuda.current_device())


def gpu_of(index: int) -> TorchGpu:
    """Return the GPU that has this index in torch."""
    import torch

    properties = torch.cuda.get_device_properties(index)
    return TorchGpu(
        index=index,
        name=str(properties.name),
        total_bytes=int(properties.total_memory),
        is_integrated=bool(properties.is_integrated),
        uuid=_bare_uuid(str(getattr(properties, "uuid", ""))),
        pci_bus_id=_pci_bus_id(properties) or driver_pci_bus_id(index),
    )


def driver_pci_bus_id(
    index: int, load: Callable[[str], Any] = ctypes.CDLL, platform: str = sys.platform
) -> str:
    """Return what the CUDA driver says of the GPU with this index; empty where it cannot.

    For a torch whose device properties leave it out (2.1 does). The driver library is loaded and
    set up already where torch sees a GPU, and counts the GPUs as torch does.
    """
    number = ctypes.c_int()
    text = ctypes.create_string_buffer(32)
    try:
        driver = load("nvcuda.dll" if platform == "win32" else "libcuda.so.1")
        failed = (
            driver.cuInit(0)
            or driver.cuDeviceGet(ctypes.byref(number), index)
            or driver.cuDeviceGetPCIBusId(text, len(text), number)
        )
    except (OSError, AttributeError):
        return ""
    return "" if failed else text.value.decode("ascii", "replace")


def holds_context() -> bool:
    """Return whether torch has set up CUDA in this process."""
    torch: Optional[Any] = sys.modules.get("torch")  # not imported only to be asked this
    return torch is not None and bool(torch.cuda.is_initialized())


def reserved_bytes(index: int) -> int:
    """Return what torch's allocator holds on a GPU now; 0 before CUDA is set up."""
    return allocator_statistic(index, "reserved_bytes", "current")


def allocator_statistic(index: int, name: str, which: str) -> int:
    """Return one of the allocator's figures, e.g. "allocated_bytes", "current" or "peak".

    The index is named in each call: a thread's own current GPU is 0 until it is told otherwise.
    """
    import torch

    # Not memory_allocated(), which sorts some 200 figures to return one of them.
    statistics = torch.cuda.memory_stats_as_nested_dict(index)
    return int(statistics.get(name, {}).get("all", {}).get(which, 0))


def _bare_uuid(text: str) -> str:
    prefix, dash, rest = text.partition("-")
    return rest if dash and prefix.upper() in ("GPU", "MIG") else text


def _pci_bus_id(properties: Any) -> str:
    try:
        domain, bus, device = (
            int(getattr(properties, f"pci_{part}_id")) for part in ("domain", "bus", "device")
        )
    except AttributeError:
        return ""
    return f"{domain:08x}:{bus:02x}:{device:02x}.0"
