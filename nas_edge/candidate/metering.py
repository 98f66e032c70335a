"""What the meters of a device say of a candidate's epochs and of its inference.

Enters: the device. Leaves: memory, power, energy, heat for each epoch, with the source of each
figure; a meter that is lost on the way ends its own figures and nothing else.
"""

from __future__ import annotations

import contextlib
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from nas_edge.device.cuda_meter import CUDA_ALLOCATED, CUDA_RESERVED
from nas_edge.device.laps import Lap
from nas_edge.device.meter import (
    BOARD_RAM_FRACTION,
    ENERGY,
    GPU_MEMORY,
    MEMORY_TAKEN,
    POWER,
    PROCESS_MEMORY,
    TEMPERATURE,
    THROTTLED,
    UTILISATION,
    Meter,
)
from nas_edge.device.opening import open_meters
from nas_edge.device.process_memory import trim_heap
from nas_edge.device.sampling import Sampler, close_all, facts_of, sources_of

# From a channel to its column in a candidate's history: the level's field that counts.
_COLUMNS = {
    GPU_MEMORY: ("gpu_memory_bytes", "peak"),
    MEMORY_TAKEN: ("machine_memory_taken_bytes", "peak"),
    BOARD_RAM_FRACTION: ("board_ram_fraction", "last"),  # at the epoch's end, as the paper read it
    POWER: ("power_w", "mean"),
    TEMPERATURE: ("temperature_celsius", "peak"),
    UTILISATION: ("gpu_utilisation", "mean"),
    THROTTLED: ("throttled_share", "mean"),
}


class Metering:
    """The open meters of one training; made by `metering`."""

    def __init__(self, meters: List[Meter], missing: List[str], sampler: Sampler) -> None:
        self._meters = meters
        self._missing = missing
        self._sampler = sampler
        self._num_starved = self._num_laps = 0
        self._cost_shares: List[float] = []

    def lap(self) -> Tuple[int, int, Dict[str, float]]:
        """Return peak and mean memory in bytes since the last call, and further columns."""
        return self._columns(self._sampler.lap())

    def knows_power(self) -> bool:
        """Return whether energy can be told here."""
        channels = {name for meter in self._meters for name in meter.channels}
        return POWER in channels or ENERGY in channels

    def energy_j(self) -> Optional[float]:
        """Return the energy since the last call, None where power is not known."""
        return self._sampler.lap().energy_j

    def details(self) -> Dict[str, Any]:
        """Return sources, constants of the machine, and how well it was seen."""
        sources = sources_of(self._meters)
        return {
            "sources": {**sources, "memory": self.memory_source()},
            "facts": facts_of(self._meters),
            "missing": self._missing + self._sampler.problems(),
            "starved_epochs": self._num_starved,
            "sampling_cost_share": max(self._cost_shares, default=0.0),
        }

    def memory_source(self) -> str:
        """Return what peak and mean memory in training are read from."""
        sources = sources_of(self._meters)
        if CUDA_RESERVED in sources:
            return f"{sources[CUDA_RESERVED]}; mean of allocated, sampled"
        process = sources.get(PROCESS_MEMORY, "process memory, which could not be read")
        return f"{process}, over a warmed-up baseline"

    def _columns(self, lap: Lap) -> Tuple[int, int, Dict[str, float]]:
        columns: Dict[str, float] = {}
        for channel, (name, field) in _COLUMNS.items():
            if channel in lap.levels:
                columns[name] = float(getattr(lap.levels[channel], field))
        if lap.energy_j is not None:
            columns["energy_j"] = lap.energy_j
        self._num_laps += 1
        self._num_starved += bool(lap.starved)
        self._cost_shares.append(lap.cost_share)
        return (*_memory(lap), columns)


@contextlib.contextmanager
def metering(device_kind: str) -> Iterator[Metering]:
    """Read the device's meters from here on; what is there now is the baseline."""
    meters, missing = open_meters(device_kind)
    sampler = Sampler(meters)
    trim_heap()
    sampler.start()
    try:
        yield Metering(meters, missing, sampler)
    finally:
        sampler.stop()
        close_all(meters)


def _memory(lap: Lap) -> Tuple[int, int]:
    """Return peak and mean: on a GPU reserved and allocated, else of the process and its tree."""
    levels: Mapping[str, Any] = lap.levels
    if CUDA_RESERVED in levels and CUDA_ALLOCATED in levels:
        return int(levels[CUDA_RESERVED].peak), int(levels[CUDA_ALLOCATED].mean)
    process = levels.get(PROCESS_MEMORY)
    return (0, 0) if process is None else (int(process.peak), max(int(process.mean), 0))
