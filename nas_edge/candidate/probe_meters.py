"""What a probe reads while its work runs: on the CPU, on a GPU, on a board that shares its memory.

Enters: the work, a function. Leaves: the peak in bytes, its source, and what else was seen.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, Mapping, Optional

from nas_edge.device.cuda_meter import (
    CUDA_ALLOCATED,
    CUDA_RESERVED,
    RESERVED_SOURCE,
    open_cuda_meter,
)
from nas_edge.device.meter import GPU_MEMORY, MEMORY_TAKEN, Meter, MeterProblem
from nas_edge.device.process_memory import HighWater, return_freed_blocks
from nas_edge.device.sampling import Sampler, close_all
from nas_edge.device.system_meter import open_system_meter

Work = Callable[[], None]
TICKS = 2.5  # a board's monitor counts a process anew once a tick; the second one is surely new


def probe_of(device_kind: str, is_integrated: bool) -> Callable[[Work], Dict[str, Any]]:
    """Return what measures a probe's work on a device."""
    if device_kind == "cpu":
        return on_cpu
    return on_board if is_integrated else on_gpu


def on_cpu(work: Work) -> Dict[str, Any]:
    """Return the high-water mark of resident memory over what was resident before."""
    return_freed_blocks()
    high_water = HighWater()
    high_water.reset()
    work()
    return {"peak_bytes": high_water.read_bytes(), "source": high_water.source}


def on_gpu(work: Work) -> Dict[str, Any]:
    """Return the peak of what torch's allocator reserved, and of what tensors used of it."""
    peaks = _allocator_peaks(work)
    return {
        "peak_bytes": int(peaks[CUDA_RESERVED]),
        "source": RESERVED_SOURCE,
        "peak_allocated_bytes": int(peaks[CUDA_ALLOCATED]),
    }


def on_board(work: Work, open_monitor: Optional[Callable[[], Meter]] = None) -> Dict[str, Any]:
    """Return process memory and GPU memory together, where both are the board's RAM.

    GPU memory is not in resident memory. The board's monitor tells it for a process; torch's
    allocator keeps what it reserved, so that a reading after the work shows the peak. Without the
    monitor the allocator's own peak stands for it, which leaves libraries' memory out. How far the
    machine's available memory fell is recorded beside it, as a check.

    Args:
        work: What is measured.
        open_monitor: Opens the board's monitor; jtop's by default.
    """
    monitor, why = _open_monitor(open_monitor)
    machine = Sampler([open_system_meter()])
    return_freed_blocks()
    before = _gpu_bytes(monitor, wait=False)
    high_water = HighWater()
    high_water.reset()
    machine.start()
    peaks = _allocator_peaks(work)
    process_bytes = high_water.read_bytes()
    after = _gpu_bytes(monitor, wait=True)
    taken = machine.stop().levels.get(MEMORY_TAKEN)
    gpu_bytes = peaks[CUDA_RESERVED]
    source = f"{high_water.source}, plus {RESERVED_SOURCE} ({why or 'lost on the way'})"
    if monitor is not None and before is not None and after is not None:
        gpu_bytes = max(after - before, 0.0)
        source = f"{high_water.source}, plus {monitor.channels[GPU_MEMORY].source}"
    if monitor is not None:
        close_all([monitor])
    found = {
        "peak_bytes": int(process_bytes + gpu_bytes),
        "source": source,
        "peak_allocated_bytes": int(peaks[CUDA_ALLOCATED]),
    }
    if taken is not None:
        found["memory_taken_bytes"] = int(taken.peak)
    return found


def _allocator_peaks(work: Work) -> Mapping[str, float]:
    import torch

    meter = open_cuda_meter()
    meter.exact_peaks()
    work()
    torch.cuda.synchronize()
    return meter.exact_peaks()


def _open_monitor(opener: Optional[Callable[[], Meter]]) -> Any:
    """Return the monitor with GPU memory by process, or None and why there is none."""
    if opener is None:
        from nas_edge.device.jetson_meter import open_jetson_meter

        opener = open_jetson_meter
    try:
        monitor = opener()
    except MeterProblem as problem:
        return None, str(problem)
    if GPU_MEMORY in monitor.channels:
        return monitor, ""
    monitor.close()
    return None, "the monitor does not tell this process's GPU memory"


def _gpu_bytes(monitor: Optional[Meter], wait: bool) -> Optional[float]:
    """Return this process's GPU memory; 0 while the monitor lists nothing for it."""
    if monitor is None:
        return None
    if wait:
        time.sleep(TICKS * monitor.interval_s)
    values = monitor.read()
    return None if monitor.problem else values.get(GPU_MEMORY, 0.0)
