"""Memory that torch's CUDA allocator held: peak allocated and peak reserved.

Reserved is what the training took from the GPU; allocated is the part that tensors used. The CUDA
context itself is in neither.
"""

from __future__ import annotations

from dataclasses import dataclass

RESERVED_SOURCE = "torch.cuda peak_reserved"
LAP_SOURCE = f"{RESERVED_SOURCE}; mean of allocated, sampled every 20 ms"


@dataclass(frozen=True)
class CudaMemory:
    """Peaks since the last `reset_peaks`."""

    peak_allocated_bytes: int
    peak_reserved_bytes: int


def reset_peaks() -> None:
    """Forget the peaks so far, and give cached blocks back."""
    import torch

    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()


def read_peaks() -> CudaMemory:
    """Return the peaks since the reset."""
    import torch

    torch.cuda.synchronize()
    return CudaMemory(int(torch.cuda.max_memory_allocated()), int(torch.cuda.max_memory_reserved()))


def lap() -> CudaMemory:
    """Return the peaks since the reset or the last lap; cached blocks stay."""
    import torch

    peaks = read_peaks()
    torch.cuda.reset_peak_memory_stats()
    return peaks


def allocated_bytes() -> int:
    """Return what tensors hold now."""
    import torch

    return int(torch.cuda.memory_allocated())
