"""Which figure of a study will be measured with which meter on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import List, Mapping, Optional, Sequence, Tuple

from nas_edge.device.cuda_meter import CUDA_RESERVED, RESERVED_SOURCE
from nas_edge.device.latency import measure_latency
from nas_edge.device.machine import Device
from nas_edge.device.meter import (
    BOARD_MEMORY,
    BOARD_RAM_FRACTION,
    ENERGY,
    GPU_MEMORY,
    MEMORY_TAKEN,
    POWER,
    PROCESS_MEMORY,
    TEMPERATURE,
    THROTTLED,
    UTILISATION,
    Channel,
    Meter,
)
from nas_edge.device.opening import open_meters

NO_METER = "no meter of this machine tells it"


@dataclass(frozen=True)
class Figure:
    """A figure and where it will come from.

    Args:
        name: What is measured.
        source: The meter's own words; empty where it will not be measured.
        unit: Of `now`.
        now: What the meter reads at this moment; None where it tells only while training.
        why_not: Why it will not be measured; empty where it will.
    """

    name: str
    source: str
    unit: str = ""
    now: Optional[float] = None
    why_not: str = ""


# Each figure's channels, the best first; where there is a GPU, its own come before.
_CHANNELS: Tuple[Tuple[str, Tuple[str, ...]], ...] = (
    ("memory in training", (PROCESS_MEMORY,)),
    ("memory of the machine", (BOARD_MEMORY, MEMORY_TAKEN)),
    ("power", (POWER,)),
    ("energy", (ENERGY, POWER)),
    ("temperature", (TEMPERATURE,)),
)
_ON_CUDA = {"memory in training": (CUDA_RESERVED,)}
# Told only where a meter has it.
_EXTRAS = (
    ("GPU memory of the process", GPU_MEMORY),
    ("share of the board's RAM", BOARD_RAM_FRACTION),
    ("GPU utilisation", UTILISATION),
    ("throttling", THROTTLED),
)


def find_figures(device: Device, probe_source: str) -> Tuple[List[Figure], List[str]]:
    """Open this machine's meters, read each once, and return the figures that they give.

    Args:
        device: That trains.
        probe_source: How the memory probe reads its peak on a CPU.
    Returns:
        The figures, and one line for each meter that is missed here.
    """
    meters, notes = open_meters(device.kind)
    try:
        readings = [meter.read() for meter in meters]
    finally:
        for meter in meters:
            meter.close()
    return figures(device, probe_source, meters, readings, notes), notes


def figures(
    device: Device,
    probe_source: str,
    meters: Sequence[Meter],
    readings: Sequence[Mapping[str, float]],
    notes: Sequence[str],
) -> List[Figure]:
    """Return every figure of a study, measured or not, from meters and what each read."""
    why_not = " / ".join(notes) or NO_METER
    on_cuda = device.kind == "cuda"
    peak = f"{RESERVED_SOURCE if on_cuda else probe_source}, in three training steps"
    found = [Figure("peak training memory", peak, "bytes")]
    for name, channels in _CHANNELS:
        wanted = _ON_CUDA.get(name, channels) if on_cuda else channels
        one = _from_channel(name, wanted, meters, readings)
        found.append(one or Figure(name, "", why_not=why_not))
    for name, channel in _EXTRAS:
        extra = _from_channel(name, (channel,), meters, readings)
        if extra is not None:
            found.append(extra)
    return [*found, Figure("latency", _latency_source(), "ms")]


def _from_channel(
    name: str,
    channels: Sequence[str],
    meters: Sequence[Meter],
    readings: Sequence[Mapping[str, float]],
) -> Optional[Figure]:
    for wanted in channels:
        for meter, reading in zip(meters, readings):
            channel = meter.channels.get(wanted)
            if channel is not None:
                source = _source(name, channel, wanted)
                # Growth means nothing before it has grown.
                is_level = not (channel.over_baseline or channel.is_counter or name == "energy")
                now = reading.get(wanted) if is_level else None
                unit = "J" if name == "energy" else channel.unit
                return Figure(name, source, unit, now)
    return None


def _source(name: str, channel: Channel, wanted: str) -> str:
    if name == "energy" and wanted == POWER:
        return f"{channel.source}, summed up over time"
    return (
        f"{channel.source}, over what there was at the start"
        if channel.over_baseline
        else channel.source
    )


def _latency_source() -> str:
    runs, warmups = (
        signature(measure_latency).parameters[name].default for name in ("num_runs", "num_warmups")
    )
    return f"median of {runs} forward passes of one image, after {warmups} that do not count"
