"""The meter of the whole machine's memory: the cross-check of what a process is said to hold."""

from __future__ import annotations

import sys
from typing import Callable, Dict, Mapping

from nas_edge.device.meter import MEMORY_TAKEN, Channel, MeterProblem

AVAILABLE = "MemAvailable" if sys.platform.startswith("linux") else "available memory"


class SystemMeter:
    """Reads `MEMORY_TAKEN` in bytes: over the baseline it is how far available memory fell.

    Positive when memory was taken, negative when other processes gave some back.
    """

    name = "system"
    interval_s = 0.1

    def __init__(self, read_taken: Callable[[], int]) -> None:
        source = f"fall of the machine's {AVAILABLE} (psutil), other processes included"
        self.channels = {MEMORY_TAKEN: Channel("bytes", source, over_baseline=True)}
        self.facts: Dict[str, str] = {}
        self.problem = ""
        self._read_taken = read_taken
        self._is_closed = False

    def read(self) -> Mapping[str, float]:
        """Return the memory that is not available now."""
        if self._is_closed or self.problem:
            return {}
        try:
            return {MEMORY_TAKEN: float(self._read_taken())}
        except Exception as err:
            self.problem = f"the machine's memory can no longer be read ({err})"
            return {}

    def exact_peaks(self) -> Mapping[str, float]:
        """There are none."""
        return {}

    def close(self) -> None:
        """End the reading."""
        self._is_closed = True


def taken_bytes() -> int:
    """Return the machine's memory that is not available; the page cache counts as available."""
    import psutil

    memory = psutil.virtual_memory()
    return int(memory.total) - int(memory.available)


def open_system_meter(read_taken: Callable[[], int] = taken_bytes) -> SystemMeter:
    """Return the meter.

    Args:
        read_taken: Returns the bytes that are not available.
    Raises:
        MeterProblem: If the system does not tell.
    """
    try:
        read_taken()
    except Exception as err:
        raise MeterProblem(
            f"the machine's memory cannot be read ({err}); in a container, mount /proc"
        ) from err
    return SystemMeter(read_taken)
