"""A scripted stand-in for the few functions of torch.cuda that the package asks of a GPU.

There is no GPU to run on: blocks are counted, not kept. It shows what the code makes of torch's
answers, not that torch gives them; the tests marked ``gpu`` do that on a real one.

    with simulated_cuda([SimulatedGpu(total_bytes=8 * GIB)]) as cuda:
        block = cuda.gpu.allocate(300 * MIB)
        cuda.gpu.free(block)
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple
from unittest import mock

import torch

from nas_edge.device.cuda_meter import CudaMeter, open_cuda_meter

GIB = 2**30
SEGMENT = 2 * 2**20  # the allocator reserves whole segments


@dataclass
class SimulatedGpu:
    """A GPU and the allocator's account of it.

    ``older`` leaves out what torch 2.1 does not tell.
    """

    name: str = "NVIDIA RTX A2000"
    total_bytes: int = 12 * GIB
    is_integrated: bool = False
    uuid: str = "11111111-2222-3333-4444-555555555555"
    pci: Tuple[int, int, int] = (0, 0x65, 0)
    free_bytes: int = 0
    older: bool = False
    fraction: float = 1.0
    held: Dict[str, int] = field(default_factory=lambda: {"allocated": 0, "reserved": 0})
    peaks: Dict[str, int] = field(default_factory=lambda: {"allocated": 0, "reserved": 0})

    def allocate(self, size: int) -> int:
        """Count a block in; what was freed before is used again."""
        self.held["allocated"] += size
        segments = -(-self.held["allocated"] // SEGMENT)
        self.held["reserved"] = max(self.held["reserved"], segments * SEGMENT)
        self.peaks = {key: max(self.peaks[key], held) for key, held in self.held.items()}
        return size

    def free(self, size: int) -> None:
        """Count a block out; it stays reserved."""
        self.held["allocated"] -= size

    def empty_cache(self) -> None:
        """Give back whole segments that no block needs."""
        self.held["reserved"] = -(-self.held["allocated"] // SEGMENT) * SEGMENT

    def properties(self) -> Any:
        """Return what torch.cuda.get_device_properties does."""
        told = {
            "name": self.name,
            "total_memory": self.total_bytes,
            "is_integrated": int(self.is_integrated),
        }
        if not self.older:
            numbers = zip(("domain", "bus", "device"), self.pci)
            told.update({f"pci_{part}_id": number for part, number in numbers}, uuid=self.uuid)
        return SimpleNamespace(**told)


class SimulatedCuda:
    """torch.cuda over simulated GPUs. Before `initialise` no context is there.

    ``fault`` is what every call raises from now on, as after a kernel that failed.
    """

    def __init__(self, gpus: List[SimulatedGpu], current: int) -> None:
        self.gpus = gpus
        self.current = current
        self.is_initialised = False
        self.fault: Optional[str] = None

    @property
    def gpu(self) -> SimulatedGpu:
        """The current one."""
        return self.gpus[self.current]

    def break_down(self) -> None:
        """Let every further call fail."""
        self.fault = "CUDA error: an illegal memory access was encountered\nCUDA kernel errors ..."

    def functions(self) -> Dict[str, Callable[..., Any]]:
        """Return what replaces torch.cuda's, by name."""
        return {
            "is_available": lambda: bool(self.gpus),
            "device_count": lambda: len(self.gpus),
            "current_device": lambda: self.current,
            "is_initialized": lambda: self.is_initialised,
            "get_device_properties": lambda index: self.gpus[index].properties(),
            "synchronize": self._synchronize,
            "empty_cache": self._empty_cache,
            "memory_stats_as_nested_dict": self._statistics,
            "reset_peak_memory_stats": self._reset_peaks,
            "mem_get_info": self._mem_get_info,
            "set_per_process_memory_fraction": self._set_fraction,
            "get_per_process_memory_fraction": lambda index: self.gpus[index].fraction,
        }

    def _initialise(self) -> None:
        if self.fault:
            raise RuntimeError(self.fault)
        self.is_initialised = True

    def _synchronize(self, index: Optional[int] = None) -> None:
        self._initialise()

    def _empty_cache(self) -> None:
        self._initialise()
        for gpu in self.gpus:
            gpu.empty_cache()

    def _statistics(self, index: int) -> Dict[str, Any]:
        if not self.is_initialised:
            return {}  # as torch answers then
        self._initialise()
        gpu = self.gpus[index]
        return {
            f"{key}_bytes": {"all": {"current": gpu.held[key], "peak": gpu.peaks[key]}}
            for key in gpu.held
        }

    def _reset_peaks(self, index: int) -> None:
        self._initialise()
        self.gpus[index].peaks = dict(self.gpus[index].held)

    def _mem_get_info(self, index: int) -> Tuple[int, int]:
        gpu = self.gpus[index]
        assert not gpu.is_integrated, "its page cache would count as used"
        return gpu.free_bytes, gpu.total_bytes

    def _set_fraction(self, fraction: float, index: int) -> None:
        self._initialise()
        # What torch itself refuses.
        assert isinstance(fraction, float)
        assert 0 <= fraction <= 1
        self.gpus[index].fraction = fraction


@contextlib.contextmanager
def simulated_cuda(
    gpus: Optional[List[SimulatedGpu]] = None, current: int = 0
) -> Iterator[SimulatedCuda]:
    """Let torch.cuda have simulated GPUs; give them."""
    cuda = SimulatedCuda([SimulatedGpu()] if gpus is None else gpus, current)
    functions = cuda.functions()
    if any(gpu.older for gpu in cuda.gpus):
        del functions["get_per_process_memory_fraction"]
    with contextlib.ExitStack() as stack:
        if "get_per_process_memory_fraction" not in functions:
            stack.enter_context(_without(torch.cuda, "get_per_process_memory_fraction"))
        # Not in every torch.
        stack.enter_context(mock.patch.multiple(torch.cuda, create=True, **functions))
        yield cuda


@contextlib.contextmanager
def open_meter_and_breaker() -> Iterator[Tuple[CudaMeter, Callable[[], None]]]:
    """Give an open meter, and what makes every CUDA call fail from then on."""
    with simulated_cuda() as cuda:
        meter = open_cuda_meter()
        try:
            cuda.gpu.allocate(300 * 2**20)
            yield meter, cuda.break_down
        finally:
            meter.close()


@contextlib.contextmanager
def _without(owner: Any, name: str) -> Iterator[None]:
    kept = vars(owner).get(name)
    if kept is None:
        yield
        return
    delattr(owner, name)
    try:
        yield
    finally:
        setattr(owner, name, kept)
