"""A thread that reads meters while the main thread works: peaks, time-weighted means, energy.

Enters: open meters. Leaves: a `Lap` for each stretch of work. A meter whose reading is dear is read
less often, so that all readings together stay below 1% of the time; where samples were far apart,
the lap says so.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from nas_edge.device.meter import ENERGY, POWER, Meter

COST_SHARE = 0.005  # of one core, for each meter
STARVED_FACTOR = 10.0  # a gap of so many intervals means that the thread did not get its turn


@dataclass(frozen=True)
class Level:
    """A channel over a lap, in its unit: highest, mean over time, last."""

    peak: float
    mean: float
    last: float


@dataclass(frozen=True)
class Lap:
    """What was seen in one stretch of work.

    Args:
        seconds: Its length.
        levels: By channel.
        growth: Of the counters, by channel.
        num_samples: By meter.
        longest_gap_s: By meter, the longest time between two readings.
        starved: The meters that were read too seldom for their peak and mean to be trusted.
    """

    seconds: float
    levels: Mapping[str, Level] = field(default_factory=dict)
    growth: Mapping[str, float] = field(default_factory=dict)
    num_samples: Mapping[str, int] = field(default_factory=dict)
    longest_gap_s: Mapping[str, float] = field(default_factory=dict)
    starved: Sequence[str] = ()

    @property
    def energy_j(self) -> Optional[float]:
        """Energy of the lap: the counter's growth, else power integrated over the samples."""
        if ENERGY in self.growth:
            return self.growth[ENERGY]
        power = self.levels.get(POWER)
        return None if power is None else power.mean * self.seconds


class _Track:
    """One channel's samples of the running lap."""

    def __init__(self) -> None:
        self.baseline = 0.0
        self.first: Optional[float] = None
        self.last: Optional[float] = None
        self.last_at = 0.0
        self.peak = float("-inf")
        self.area = self.span = 0.0

    def take(self, value: float, now: float) -> None:
        if self.last is None:
            self.first = value
        else:  # trapezoids: exact for what changes linearly between two samples
            self.area += 0.5 * (self.last + value) * (now - self.last_at)
            self.span += now - self.last_at
        self.last, self.last_at = value, now
        self.peak = max(self.peak, value)

    def level(self) -> Level:
        assert self.last is not None
        mean = self.area / self.span if self.span > 0 else self.last
        return Level(*(value - self.baseline for value in (self.peak, mean, self.last)))

    def next_lap(self) -> None:
        """Begin anew at the last sample, so that no time between two laps is lost."""
        self.first = self.last
        self.peak = self.last if self.last is not None else float("-inf")
        self.area = self.span = 0.0


class _Reader:
    """One meter's turn: when it is due, what it cost, its tracks."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.tracks: Dict[str, _Track] = {}
        self.due = 0.0
        self.interval_s = meter.interval_s
        self.read_at: Optional[float] = None
        self.count = 0
        self.longest_gap_s = 0.0

    def read(self, now: float) -> None:
        started = time.thread_time()
        values = self.meter.read()
        cost = time.thread_time() - started
        if self.read_at is not None:
            self.longest_gap_s = max(self.longest_gap_s, now - self.read_at)
        self.read_at = now
        self.count += 1
        for name, value in values.items():
            self.tracks.setdefault(name, _Track()).take(value, now)
        self.interval_s = max(self.meter.interval_s, cost / COST_SHARE)
        self.due = now + self.interval_s

    def set_baseline(self) -> None:
        for name, track in self.tracks.items():
            if self.meter.channels[name].over_baseline and track.last is not None:
                track.baseline = track.last

    def is_starved(self) -> bool:
        return self.longest_gap_s > STARVED_FACTOR * max(self.interval_s, self.meter.interval_s)

    def next_lap(self) -> None:
        self.count, self.longest_gap_s = 0, 0.0
        for track in self.tracks.values():
            track.next_lap()


class Sampler:
    """Reads meters in a thread of its own from `start` to `stop`."""

    def __init__(
        self, meters: Sequence[Meter], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._readers = [_Reader(meter) for meter in meters]
        self._clock = clock
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: Optional[threading.Thread] = None
        self._lap_began = 0.0

    def start(self) -> None:
        """Take what is there now as the baseline and begin."""
        with self._lock:
            now = self._lap_began = self._clock()
            for reader in self._readers:
                reader.meter.exact_peaks()
                reader.read(now)
                reader.set_baseline()
                reader.next_lap()
        self._stopped.clear()
        self._thread = threading.Thread(target=self._run, name="meter-sampler", daemon=True)
        self._thread.start()

    def lap(self) -> Lap:
        """Return what was seen since the start or the last lap."""
        with self._lock:
            now = self._clock()
            for reader in self._readers:
                reader.read(now)
            lap = self._finished_lap(now)
            for reader in self._readers:
                reader.next_lap()
            self._lap_began = now
        return lap

    def stop(self) -> Lap:
        """End the thread and return the last lap. The meters stay open."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        return self.lap()

    def _run(self) -> None:
        while True:
            wait = min((r.due for r in self._readers), default=0.0) - self._clock()
            if self._stopped.wait(max(wait, 0.001) if self._readers else None):
                return
            with self._lock:
                now = self._clock()
                for reader in self._readers:
                    if reader.due <= now:
                        reader.read(now)

    def _finished_lap(self, now: float) -> Lap:
        levels: Dict[str, Level] = {}
        growth: Dict[str, float] = {}
        for reader in self._readers:
            exact = reader.meter.exact_peaks()
            for name, track in reader.tracks.items():
                if reader.meter.channels[name].is_counter:
                    if track.first is not None and track.last is not None:
                        growth.setdefault(name, track.last - track.first)
                elif track.last is not None and name not in levels:
                    level = track.level()
                    if name in exact:
                        level = Level(exact[name] - track.baseline, level.mean, level.last)
                    levels[name] = level
        return Lap(
            seconds=now - self._lap_began,
            levels=levels,
            growth=growth,
            num_samples={r.meter.name: r.count for r in self._readers},
            longest_gap_s={r.meter.name: r.longest_gap_s for r in self._readers},
            starved=[r.meter.name for r in self._readers if r.is_starved()],
        )


def sources_of(meters: Sequence[Meter]) -> Dict[str, str]:
    """Return each channel's source; of two meters with one channel the first counts."""
    sources: Dict[str, str] = {}
    for meter in meters:
        for name, channel in meter.channels.items():
            sources.setdefault(name, channel.source)
    return sources


def facts_of(meters: Sequence[Meter]) -> Dict[str, str]:
    """Return the constants that the meters found."""
    facts: Dict[str, str] = {}
    for meter in meters:
        facts.update(meter.facts)
    return facts


def problems_of(meters: Sequence[Meter]) -> List[str]:
    """Return why meters were lost since they were opened."""
    return [meter.problem for meter in meters if meter.problem]


def close_all(meters: Sequence[Any]) -> None:
    """Close every meter."""
    for meter in meters:
        meter.close()
