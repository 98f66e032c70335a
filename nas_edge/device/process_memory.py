"""Memory of this process: its high-water mark, and samples of it while it works.

Two figures with two sources, never mixed:

* the high-water mark of resident memory (``VmHWM``, reset through ``/proc/self/clear_refs``),
  exact, for the probe (Linux);
* anonymous resident memory sampled by a thread, for mean and peak while training. File pages are
  left out, so that a memory-mapped data set does not count as the candidate's.

Where there is no ``/proc`` (macOS), both fall back to the resident size that psutil reads.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

_HAS_PROC = Path("/proc/self/statm").exists()
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096

_RETURNED_ABOVE_BYTES = 64 * 2**10
_LARGEST_MMAP_THRESHOLD_BYTES = 32 * 2**20  # the largest that glibc takes
_NEVER = 2**31 - 1
_USERS_OWN = frozenset(("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"))

HIGH_WATER_SOURCE = "process VmHWM over a warmed-up baseline"
FAST_SAMPLED_SOURCE = "process memory sampled every 2 ms over a warmed-up baseline"
SAMPLED_SOURCE = (
    "process anonymous RSS sampled every 20 ms over a warmed-up baseline"
    if _HAS_PROC
    else "process RSS sampled every 20 ms over a warmed-up baseline (psutil)"
)


def return_freed_blocks() -> bool:
    """Make glibc give freed blocks back to the system at once; return whether that was possible.

    Blocks above 64 KiB get a mapping of their own, so that the high-water mark is what was needed
    and not what the allocator kept: its standard deviation falls from 4.5% to 0.02%, at about twice
    the step time.
    """
    return _set_thresholds(_RETURNED_ABOVE_BYTES, _RETURNED_ABOVE_BYTES)


def keep_freed_blocks() -> bool:
    """Make glibc keep freed blocks for the next step; return whether that was possible.

    By default it gives some back, and how many depends on where in the heap the next small block
    happens to lie: every step then pays for their pages again, from process to process another
    share of the time. Kept, a training step takes 6 to 25% less, and the peak stays within 2%
    (benchmarks/kept_blocks.py). What the user's environment says of glibc is left as it is.
    """
    if _USERS_OWN.intersection(os.environ):
        return False
    return _set_thresholds(_LARGEST_MMAP_THRESHOLD_BYTES, _NEVER)


def _set_thresholds(mmap_threshold_bytes: int, trim_threshold_bytes: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
    return bool(
        mallopt(mmap_threshold, mmap_threshold_bytes)
        and mallopt(trim_threshold, trim_threshold_bytes)
    )


def trim_heap() -> None:
    """Give back what the allocator holds free, so that a baseline is one."""
    gc.collect()
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def resident_bytes() -> int:
    """Return resident memory, file pages included."""
    if _HAS_PROC:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
    import psutil

    return int(psutil.Process().memory_info().rss)


def anonymous_bytes() -> int:
    """Return resident memory without file and shared pages (off Linux: the resident size)."""
    if _HAS_PROC:
        fields = Path("/proc/self/statm").read_text().split()
        return (int(fields[1]) - int(fields[2])) * _PAGE
    return resident_bytes()


class HighWater:
    """The most resident memory since `reset`, over what was resident then.

    ``source`` says what was read: where the kernel has no mark or does not let it be reset (macOS,
    some sandboxes), memory is sampled.
    """

    def __init__(self) -> None:
        self.source = HIGH_WATER_SOURCE
        self._baseline = 0
        self._sampler: Optional[MemorySampler] = None

    def reset(self) -> None:
        """Start anew from what is resident now."""
        trim_heap()
        try:
            Path("/proc/self/clear_refs").write_text("5")
            self._baseline = resident_bytes()
        except OSError:
            self.source = FAST_SAMPLED_SOURCE
            if self._sampler is not None:
                self._sampler.stop()
            self._sampler = MemorySampler(interval_s=0.002)
            self._sampler.start()

    def read_bytes(self) -> int:
        """Return the high-water mark over the baseline."""
        if self._sampler is not None:
            return self._sampler.stop().peak_bytes
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return max(int(line.split()[1]) * 1024 - self._baseline, 0)
        raise OSError("/proc/self/status has no VmHWM")


@dataclass(frozen=True)
class SampledMemory:
    """Memory over the baseline since the last reading; ``num_samples``: how well it was seen."""

    peak_bytes: int
    mean_bytes: int
    num_samples: int


class MemorySampler:
    """A thread that samples memory, anonymous by default, while the main thread trains."""

    def __init__(self, interval_s: float = 0.02, read: Callable[[], int] = anonymous_bytes) -> None:
        self._interval_s = interval_s
        self._read = read
        self._baseline = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: Optional[threading.Thread] = None
        self._peak = self._sum = self._count = 0

    def start(self) -> None:
        """Take what is there now as the baseline and begin."""
        trim_heap()
        self._baseline = self._read()
        self._stopped.clear()
        self._thread = threading.Thread(target=self._run, name="memory-sampler", daemon=True)
        self._thread.start()

    def lap(self) -> SampledMemory:
        """Return what was seen since the start or the last lap."""
        self._take()
        with self._lock:
            seen = SampledMemory(
                max(self._peak - self._baseline, 0),
                max(self._sum // self._count - self._baseline, 0),
                self._count,
            )
            self._peak = self._sum = self._count = 0
        return seen

    def stop(self) -> SampledMemory:
        """End the thread and return the last lap."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        return self.lap()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval_s):
            self._take()

    def _take(self) -> None:
        now = self._read()
        with self._lock:
            self._peak = max(self._peak, now)
            self._sum += now
            self._count += 1
