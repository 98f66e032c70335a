"""What was seen of the meters in a stretch of work: peaks, means over time, growth of counters.

Enters: readings with their time. Leaves: a `Lap`. No thread and no clock: see sampling.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Dict, Mapping, Optional, Sequence

from nas_edge.device.meter import ENERGY, POWER, Channel

STARVED_FACTOR = 10.0  # a gap of so many intervals means that the meter did not get its turn
LEAST_SEEN = 0.9  # of a lap, for its energy to be told from power


@dataclass(frozen=True)
class Level:
    """A channel over a lap, in its unit: highest, mean over time, last.

    ``seen_s`` is the time from its first to its last reading: less than the lap where the channel
    could not be read in the beginning or at the end.
    """

    peak: float
    mean: float
    last: float
    seen_s: float


@dataclass(frozen=True)
class Lap:
    """What was seen in one stretch of work.

    Args:
        seconds: Its length.
        levels: By channel; a channel that was not read in this lap is missing.
        growth: Of the counters, by channel; what a lap could not see counts in the next one.
        num_samples: By meter.
        longest_gap_s: By meter, the longest time without a reading.
        starved: The meters that were read too seldom for their peak and mean to be trusted.
        lost: The meters that no longer work.
        cost_share: What the reading cost: CPU seconds of the reading threads in a lap's second.
    """

    seconds: float
    levels: Mapping[str, Level] = field(default_factory=dict)
    growth: Mapping[str, float] = field(default_factory=dict)
    num_samples: Mapping[str, int] = field(default_factory=dict)
    longest_gap_s: Mapping[str, float] = field(default_factory=dict)
    starved: Sequence[str] = ()
    lost: Sequence[str] = ()
    cost_share: float = 0.0

    @property
    def energy_j(self) -> Optional[float]:
        """Energy of the lap: the counter's growth, else power integrated over the samples."""
        if ENERGY in self.growth:
            return self.growth[ENERGY]
        power = self.levels.get(POWER)
        if power is None or power.seen_s < LEAST_SEEN * self.seconds:
            return None
        return power.mean * self.seconds


class LevelTrack:
    """A channel that goes up and down; the first reading is the baseline where one is wanted."""

    def __init__(self, over_baseline: bool) -> None:
        self._over_baseline = over_baseline
        self._baseline: Optional[float] = None
        self._last: Optional[float] = None
        self._last_at = 0.0
        self._begin()

    def _begin(self) -> None:
        self._num_taken = 0
        self._peak = -math.inf if self._last is None else self._last
        self._area = self._seen_s = 0.0

    def take(self, value: float, at: float) -> None:
        """Take a reading."""
        if self._baseline is None:
            self._baseline = value if self._over_baseline else 0.0
        if self._last is not None:  # trapezoids: exact for what changes linearly between samples
            self._area += 0.5 * (self._last + value) * (at - self._last_at)
            self._seen_s += at - self._last_at
        self._last, self._last_at = value, at
        self._peak = max(self._peak, value)
        self._num_taken += 1

    def finish(self, now: float, exact_peak: float = -math.inf) -> Optional[Level]:
        """Return the lap that ends now; the next one begins at its last reading.

        A reading from before the lap's end is not carried on: the next lap must not show what it
        did not see.
        """
        level = None
        if self._num_taken and self._last is not None and self._baseline is not None:
            peak = max(self._peak, exact_peak)
            mean = self._area / self._seen_s if self._seen_s > 0 else self._last
            mean = min(mean, peak)  # rounding lifts the mean of equal readings above them
            low = self._baseline
            level = Level(peak - low, mean - low, self._last - low, self._seen_s)
        if self._last_at < now:
            self._last = None
        self._begin()
        return level


class CounterTrack:
    """A channel that only grows. A fall is the device's own reset, after which it goes on."""

    def __init__(self) -> None:
        self._last: Optional[float] = None
        self._last_at = 0.0
        self._grown: Optional[float] = None

    def take(self, value: float, at: float) -> None:
        """Take a reading."""
        if self._last is not None:
            self._grown = (self._grown or 0.0) + max(value - self._last, 0.0)
        self._last, self._last_at = value, at

    def finish(self, now: float) -> Optional[float]:
        """Return the growth; None where the end was not seen, so that no part passes for all."""
        if self._grown is None or self._last_at < now:
            return None
        grown, self._grown = self._grown, None
        return grown


@dataclass(frozen=True)
class MeterLap:
    """One meter's part of a `Lap`."""

    levels: Mapping[str, Level]
    growth: Mapping[str, float]
    num_samples: int
    longest_gap_s: float
    is_starved: bool


class MeterLog:
    """One meter's readings of the running lap.

    Args:
        channels: The meter's channels that are to be kept.
        began: When the first lap begins.
    """

    def __init__(self, channels: Mapping[str, Channel], began: float) -> None:
        self._levels = {
            name: LevelTrack(channel.over_baseline)
            for name, channel in channels.items()
            if not channel.is_counter
        }
        self._counters = {name: CounterTrack() for name in channels if name not in self._levels}
        self._exact: Dict[str, float] = {}
        self._seen_until = began
        self._planned_s = math.inf
        self._num_samples = 0
        self._longest_gap_s = 0.0
        self._is_late = False

    def take(self, values: Mapping[str, float], at: float, next_in_s: float) -> None:
        """Take one reading of the meter, and when the next is planned."""
        self._note_gap(at)
        self._seen_until, self._planned_s = at, next_in_s
        self._num_samples += 1
        for name, value in values.items():
            track = self._levels.get(name) or self._counters.get(name)
            if track is not None and math.isfinite(value):
                track.take(value, at)

    def take_exact(self, peaks: Mapping[str, float]) -> None:
        """Take the peaks that the meter knows without sampling."""
        for name, peak in peaks.items():
            if math.isfinite(peak):
                self._exact[name] = max(peak, self._exact.get(name, peak))

    def finish(self, now: float) -> MeterLap:
        """Return the lap that ends now, and begin anew."""
        self._note_gap(now)
        levels = {
            name: track.finish(now, self._exact.get(name, -math.inf))
            for name, track in self._levels.items()
        }
        growth = {name: track.finish(now) for name, track in self._counters.items()}
        lap = MeterLap(
            {name: level for name, level in levels.items() if level is not None},
            {name: grown for name, grown in growth.items() if grown is not None},
            self._num_samples,
            self._longest_gap_s,
            self._is_late or self._num_samples == 0,
        )
        self._exact = {}
        self._num_samples, self._longest_gap_s, self._is_late = 0, 0.0, False
        return lap

    def _note_gap(self, now: float) -> None:
        gap_s = now - self._seen_until
        self._longest_gap_s = max(self._longest_gap_s, gap_s)
        self._is_late |= gap_s > STARVED_FACTOR * self._planned_s
