"""Whether the machine's memory ran out while a process worked: sampled from beside it.

Two signs: how often the kernel has killed for memory, and how little was left. What is left tells a
process that hangs because the machine thrashes from one that hangs for a reason of its own.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Deque

from nas_edge.device.cgroup import cgroup_oom_kills
from nas_edge.device.machine import available_memory_bytes

SAMPLE_EVERY_S = 1.0  # a look takes 0.9 ms (0.1 ms outside control groups), a thousandth
# A process that the kernel kills for memory is gone within seconds, more where it thrashes.
KILL_WINDOW_S = 30.0
# The kernel throws out program code, and everything crawls, before nothing at all is left.
SHORT_SHARE, SHORT_LEAST_BYTES, SHORT_MOST_BYTES = 0.03, 32 * 2**20, 256 * 2**20


def count_oom_kills() -> int:
    """Return how often the kernel has killed for memory in this process's control group.

    Where the group does not count, on the whole machine since it started; 0 where nothing does.
    """
    counted = cgroup_oom_kills()
    if counted is not None:
        return counted
    try:
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


@dataclass(frozen=True)
class MemoryReader:
    """Where the watch reads from."""

    available_bytes: Callable[[], int] = available_memory_bytes
    oom_kills: Callable[[], int] = count_oom_kills


THIS_MACHINE = MemoryReader()


@dataclass(frozen=True)
class _Sample:
    at: float
    is_short: bool
    oom_kills: int


class MemoryWatch:
    """What the machine's memory did since the watch began.

    ``available_bytes`` is what could be had at the beginning, ``least_bytes`` the least since.
    """

    def __init__(self, reader: MemoryReader, clock: Callable[[], float] = time.monotonic) -> None:
        self._reader = reader
        self._clock = clock
        self.available_bytes = self.least_bytes = reader.available_bytes()
        share = int(SHORT_SHARE * self.available_bytes)
        self._short_bytes = min(max(share, SHORT_LEAST_BYTES), SHORT_MOST_BYTES)
        self._samples: Deque[_Sample] = deque(maxlen=3600)
        self._take()

    def sample(self) -> None:
        """Look, unless the last look was just now."""
        if self._clock() - self._samples[-1].at >= SAMPLE_EVERY_S:
            self._take()

    def has_killed_lately(self) -> bool:
        """Return whether the kernel killed for memory in the last half minute."""
        self._take()
        now = self._samples[-1]
        before = [one for one in self._samples if one.at <= now.at - KILL_WINDOW_S]
        past = before[-1] if before else self._samples[0]
        return now.oom_kills > past.oom_kills

    def is_short(self) -> bool:
        """Return whether memory is nearly gone, now or at the last look."""
        last = self._samples[-1].is_short
        self._take()
        return last or self._samples[-1].is_short

    def was_short_since(self, since: float) -> bool:
        """Return whether memory was nearly gone for most of the time since then, by the clock."""
        self._take()
        seen = [one.is_short for one in self._samples if one.at >= since]
        return 2 * sum(seen) > len(seen)

    def _take(self) -> None:
        available = self._reader.available_bytes()
        self.least_bytes = min(self.least_bytes, available)
        is_short = available < self._short_bytes
        self._samples.append(_Sample(self._clock(), is_short, self._reader.oom_kills()))
