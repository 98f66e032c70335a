"""The contract of a meter: what it reads, in which unit, from where; and how it fails.

A meter is opened by its own function, which returns it ready or raises `MeterProblem` with one
line: what is missing and what mends it. An open meter never raises and never hangs: a channel that
cannot be read just now is left out, and ``problem`` says why once the meter as a whole is lost.
tests/device/test_meter_contract.py runs against each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Protocol

from nas_edge.errors import EnvironmentProblem

OPEN_TIMEOUT_S = 5.0  # what opening a meter may take before it counts as hung
UNITS = ("bytes", "W", "J", "share", "celsius")

# Names of channels that more than one meter has.
PROCESS_MEMORY = "process_memory"  # of the process and its children, in RAM
GPU_MEMORY = "gpu_memory"  # of the process, on the GPU
BOARD_MEMORY = "board_memory"  # in use on the whole machine
MEMORY_TAKEN = "memory_taken"  # of what was available on the whole machine at the start
BOARD_RAM_FRACTION = "board_ram_fraction"  # the paper's figure: share of the board's RAM in use
POWER = "power"
ENERGY = "energy"
TEMPERATURE = "temperature"
UTILISATION = "gpu_utilisation"
THROTTLED = "throttled"  # 1.0 while the device slows down for heat or power, else 0.0


class MeterProblem(EnvironmentProblem):
    """A meter cannot be had here; the next best one is used."""


@dataclass(frozen=True)
class Channel:
    """One figure of a meter.

    Args:
        unit: One of `UNITS`.
        source: What it is read from, with the version that decides its meaning.
        over_baseline: Whether what was there at the start is taken off.
        is_counter: Whether it only grows, so that its growth is the figure (an energy counter).
    """

    unit: str
    source: str
    over_baseline: bool = False
    is_counter: bool = False


class Meter(Protocol):
    """What every meter is.

    ``interval_s`` is how often a reading is worth while; ``problem`` is empty while the meter
    works, and one line from when it is lost; ``facts`` are constants of the machine that belong to
    the figures, e.g. a power mode.
    """

    name: str
    interval_s: float
    problem: str

    @property
    def channels(self) -> Mapping[str, Channel]:
        """What it reads, by name."""
        ...

    @property
    def facts(self) -> Mapping[str, str]:
        """Constants of the machine."""
        ...

    def read(self) -> Mapping[str, float]:
        """Return the channels that can be read now; finite numbers in the channel's unit."""
        ...

    def exact_peaks(self) -> Mapping[str, float]:
        """Return peaks since the last call that are known exactly, without sampling."""
        ...

    def close(self) -> None:
        """Let go of everything; may be called again."""
        ...
