"""The CUDA meter: what torch's caching allocator holds, allocated and reserved, with exact peaks.

Reserved is what the training took from the GPU; allocated is the part that tensors used. The CUDA
context itself is in neither: `context_bytes` estimates it.
"""

from __future__ import annotations

import os
from typing import Dict, Mapping, Optional

from nas_edge.device.machine import available_memory_bytes
from nas_edge.device.meter import GPU_MEMORY, Channel, MeterProblem
from nas_edge.device.torch_gpu import (
    TorchGpu,
    allocator_statistic,
    current_gpu,
    holds_context,
    reserved_bytes,
)
from nas_edge.errors import ConfigError

CUDA_ALLOCATED = "cuda_allocated"
CUDA_RESERVED = "cuda_reserved"
RESERVED_SOURCE = "torch.cuda peak_reserved"
ALLOCATED_SOURCE = "torch.cuda peak_allocated"
LAP_SOURCE = f"{RESERVED_SOURCE}; mean of allocated, sampled every 20 ms"
INTERVAL_S = 0.02

_STATISTICS = {CUDA_ALLOCATED: "allocated_bytes", CUDA_RESERVED: "reserved_bytes"}


class CudaMeter:
    """The allocator of one GPU, for all threads of this process; opened by `open_cuda_meter`."""

    name = "cuda"
    interval_s = INTERVAL_S
    channels: Mapping[str, Channel] = {
        CUDA_ALLOCATED: Channel("bytes", ALLOCATED_SOURCE),
        CUDA_RESERVED: Channel("bytes", RESERVED_SOURCE),
    }

    def __init__(self, gpu: TorchGpu, facts: Mapping[str, str]) -> None:
        self.gpu = gpu
        self.facts = facts
        self.problem = ""
        self._is_closed = False

    def read(self) -> Mapping[str, float]:
        """Return bytes allocated and reserved now."""
        return self._statistics("current")

    def exact_peaks(self) -> Mapping[str, float]:
        """Return the peaks since the last call, and start anew from what is held now."""
        peaks = self._statistics("peak")
        if peaks:
            import torch

            torch.cuda.reset_peak_memory_stats(self.gpu.index)
        return peaks

    def close(self) -> None:
        """End the readings; may be called again."""
        self._is_closed = True

    def _statistics(self, which: str) -> Dict[str, float]:
        if self.problem or self._is_closed:
            return {}
        try:
            return {
                channel: float(allocator_statistic(self.gpu.index, name, which))
                for channel, name in _STATISTICS.items()
            }
        except RuntimeError as err:
            self.problem = f"torch.cuda: {str(err).splitlines()[0]}"
            return {}


def open_cuda_meter() -> CudaMeter:
    """Return a meter of the GPU that tensors of this thread go to, with CUDA set up.

    Raises:
        MeterProblem: If torch sees no GPU, or the GPU cannot be set up.
    """
    gpu = current_gpu()
    try:
        release_cached_blocks(gpu)
    except RuntimeError as err:
        raise MeterProblem(
            f"torch.cuda: {gpu.name} cannot be set up ({str(err).splitlines()[0]}); see what "
            "`nvidia-smi` says"
        ) from err
    return CudaMeter(gpu, _facts(gpu))


def release_cached_blocks(gpu: TorchGpu) -> None:
    """Wait for the GPU and give back what the allocator keeps, so that the next peak is its own."""
    import torch

    torch.cuda.synchronize(gpu.index)
    torch.cuda.empty_cache()


def context_bytes(gpu: Optional[TorchGpu] = None) -> Optional[int]:
    """Return about what the CUDA context of this process takes, kernels and libraries included.

    That is the process's memory by NVML without what the allocator reserved; None before CUDA is
    set up, and where NVML cannot tell this process's own.
    """
    from nas_edge.device.nvml_meter import open_nvml_meter

    if not holds_context():
        return None
    gpu = current_gpu() if gpu is None else gpu
    try:
        meter = open_nvml_meter(gpu, os.getpid())
    except MeterProblem:
        return None
    used = meter.read().get(GPU_MEMORY)
    channel = meter.channels.get(GPU_MEMORY)
    meter.close()
    if used is None or channel is None or channel.over_baseline:
        return None
    return max(int(used) - reserved_bytes(gpu.index), 0)


def available_gpu_bytes(gpu: Optional[TorchGpu] = None) -> int:
    """Return the memory that could be had on a GPU now.

    On an integrated GPU that is the machine's: the driver counts the page cache as used there.

    Raises:
        MeterProblem: If torch sees no GPU.
    """
    import torch

    gpu = current_gpu() if gpu is None else gpu
    if gpu.is_integrated:
        return available_memory_bytes()
    return int(torch.cuda.mem_get_info(gpu.index)[0])


def set_gpu_share(limit_bytes: int) -> float:
    """Let torch reserve at most so much of its current GPU; return the fraction that was set.

    What goes beyond raises ``torch.cuda.OutOfMemoryError``. The CUDA context comes on top. A limit
    of the GPU's memory or more is none: it lifts an earlier one.

    Args:
        limit_bytes: At least 1.
    Raises:
        ConfigError: If the limit is less than 1.
        MeterProblem: If torch sees no GPU.
    """
    import torch

    if limit_bytes < 1:
        raise ConfigError(
            f"a GPU memory limit must be at least 1 byte, but got {limit_bytes}; leave it out for "
            "no limit"
        )
    gpu = current_gpu()
    fraction = min(limit_bytes / gpu.total_bytes, 1.0)
    torch.cuda.set_per_process_memory_fraction(fraction, gpu.index)
    return fraction


def _facts(gpu: TorchGpu) -> Dict[str, str]:
    fraction = _memory_fraction(gpu.index)
    context = context_bytes(gpu)
    facts = {
        "gpu": gpu.name,
        "gpu_total_bytes": str(gpu.total_bytes),
        "gpu_is_integrated": "yes" if gpu.is_integrated else "no",
    }
    if fraction is not None and fraction < 1:
        facts["gpu_memory_fraction"] = f"{fraction:.6g}"
    if context is not None:
        facts["cuda_context_bytes"] = str(context)
    return facts


def _memory_fraction(index: int) -> Optional[float]:
    """Return the share of the GPU that torch may reserve; None where this torch does not tell."""
    import torch

    ask = getattr(torch.cuda, "get_per_process_memory_fraction", None)
    return None if ask is None else float(ask(index))
