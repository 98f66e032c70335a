"""Threads that read meters while the main thread works: peaks, time-weighted means, energy.

Enters: open meters. Leaves: a `Lap` for each stretch of work. Every meter has a thread of its own,
which alone calls it, so that one that answers late or not at all costs the others nothing. A meter
whose reading is dear is read less often, so that all together stay below 1% of the time; where
samples were far apart, the lap says so.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Set

from nas_edge.device.laps import Lap, Level, MeterLap, MeterLog
from nas_edge.device.meter import Channel, Meter

COST_SHARE = 0.006  # of one core, for all meters together
OVERDRAFT_S = 0.03  # likewise: a dear reading among cheap ones does not make the next ones late
ANSWER_TIMEOUT_S = 1.0  # a lap waits no longer for its last readings

__all__ = ["Lap", "Level", "Sampler", "close_all", "facts_of", "sources_of"]


class Spacing:
    """When a meter is read next: at its interval, or later where it has cost more than its share.

    Cost is a debt that time pays off at ``share`` seconds a second; a debt above ``overdraft_s``
    has to be waited for.
    """

    def __init__(self, interval_s: float, share: float, overdraft_s: float) -> None:
        self._interval_s = interval_s
        self._share = share
        self._overdraft_s = overdraft_s
        self._debt_s = 0.0
        self._paid_at = -math.inf

    def next_in_s(self, cost_s: float, now: float) -> float:
        """Return the seconds until the next reading, after one that cost so much."""
        self._debt_s = max(self._debt_s - self._share * (now - self._paid_at), 0.0) + cost_s
        self._paid_at = now
        return max(self._interval_s, (self._debt_s - self._overdraft_s) / self._share)


class _Watch:
    """One meter and the thread that reads it."""

    def __init__(
        self, meter: Meter, log: MeterLog, spacing: Spacing, clock: Callable[[], float]
    ) -> None:
        self.meter = meter
        self.problem = ""
        self.cpu_s = 0.0  # of the thread so far
        self._log = log
        self._lock = threading.Lock()  # of the log; never held while the meter is read
        self._clock = clock
        self._spacing = spacing
        self._due = math.inf  # the baseline is read when it is asked for
        self._requests: queue.SimpleQueue[Optional[threading.Event]] = queue.SimpleQueue()
        self._answer = threading.Event()
        self._answer.set()
        self._is_waited_for = False
        self._thread = threading.Thread(target=self._run, name=f"meter-{meter.name}", daemon=True)
        self._thread.start()

    def ask(self) -> None:
        """Ask for a reading now, unless the last request is still unanswered."""
        self._is_waited_for = self._answer.is_set()
        if self._is_waited_for:
            self._answer = threading.Event()
            self._requests.put(self._answer)

    def wait(self, until: float) -> None:
        """Wait for the answer; a meter that let one lap wait in vain does not hold up the next."""
        if self._is_waited_for:
            self._answer.wait(max(until - time.monotonic(), 0.0))

    def finish(self, now: float) -> MeterLap:
        """Return this meter's lap that ends now."""
        with self._lock:
            return self._log.finish(now)

    def stop(self, until: float) -> None:
        """End the thread; one that hangs in its meter is left behind."""
        self._requests.put(None)
        self._thread.join(max(until - time.monotonic(), 0.0))

    def _run(self) -> None:
        while True:
            answer = None
            try:
                answer = self._requests.get(timeout=self._patience_s())
                if answer is None:
                    return
            except queue.Empty:
                pass
            self._try_to_read(with_exact=answer is not None)
            if answer is not None:
                answer.set()

    def _patience_s(self) -> Optional[float]:
        if self.problem or self._due == math.inf:
            return None
        return max(self._due - self._clock(), 0.001)

    def _try_to_read(self, with_exact: bool) -> None:
        if self.problem:
            return
        try:
            self._read(with_exact)
            self.problem = self.meter.problem
        except Exception as err:  # whatever a device's library throws ends the meter, not the rest
            why = " ".join(f"{type(err).__name__}: {err}".split())
            self.problem = f"{self.meter.name}: its reading failed ({why}); its figures end here"

    def _read(self, with_exact: bool) -> None:
        now = self._clock()
        values = self.meter.read()
        exact = self.meter.exact_peaks() if with_exact else {}
        spent_s, self.cpu_s = self.cpu_s, time.thread_time()
        next_in_s = self._spacing.next_in_s(self.cpu_s - spent_s, now)
        self._due = now + next_in_s
        with self._lock:
            self._log.take(values, now, next_in_s)
            self._log.take_exact(exact)


class Sampler:
    """Reads meters from `start` to `stop`; both, and `lap`, are called from one thread.

    Args:
        meters: Open ones, each with a name of its own. They stay open.
        clock: Seconds; time.monotonic unless a test says otherwise.
    """

    def __init__(
        self, meters: Sequence[Meter], clock: Callable[[], float] = time.monotonic
    ) -> None:
        assert len({meter.name for meter in meters}) == len(meters), "two meters have one name"
        self._meters = list(meters)
        self._clock = clock
        self._watches: List[_Watch] = []
        self._is_over = False
        self._lap_began = 0.0
        self._cpu_s = 0.0

    def start(self) -> None:
        """Take what is there now as the baseline and begin; peaks so far are forgotten.

        The baseline is what it is: whoever wants the allocators' free memory out of it gives that
        back before.
        """
        assert not self._watches, "a sampler runs once"
        self._lap_began = self._clock()
        for meter, channels in zip(self._meters, _own_channels(self._meters)):
            shares = (budget / len(self._meters) for budget in (COST_SHARE, OVERDRAFT_S))
            log = MeterLog(channels, self._lap_began)
            spacing = Spacing(meter.interval_s, *shares)
            self._watches.append(_Watch(meter, log, spacing, self._clock))
        self.lap()

    def lap(self) -> Lap:
        """Return what was seen since the start or the last lap."""
        now = self._clock()
        until = time.monotonic() + ANSWER_TIMEOUT_S
        for watch in self._watches:
            watch.ask()
        for watch in self._watches:
            watch.wait(until)
        began, self._lap_began = self._lap_began, now
        spent_s, self._cpu_s = self._cpu_s, sum(watch.cpu_s for watch in self._watches)
        return _joined(
            {watch.meter.name: watch.finish(now) for watch in self._watches},
            seconds=now - began,
            lost=[watch.meter.name for watch in self._watches if watch.problem],
            cpu_s=self._cpu_s - spent_s,
        )

    def stop(self) -> Lap:
        """Return the last lap and end the threads. Once over, there is nothing more to see."""
        if self._is_over:
            return Lap(0.0)
        lap = self.lap()
        self._is_over = True
        until = time.monotonic() + ANSWER_TIMEOUT_S
        for watch in self._watches:
            watch.stop(until)
        return lap

    def problems(self) -> List[str]:
        """Return why meters were lost since the start, a line each."""
        return [watch.problem for watch in self._watches if watch.problem]


def _joined(
    parts: Mapping[str, MeterLap], seconds: float, lost: Sequence[str], cpu_s: float
) -> Lap:
    return Lap(
        seconds=seconds,
        levels={name: level for part in parts.values() for name, level in part.levels.items()},
        growth={name: grown for part in parts.values() for name, grown in part.growth.items()},
        num_samples={meter: part.num_samples for meter, part in parts.items()},
        longest_gap_s={meter: part.longest_gap_s for meter, part in parts.items()},
        starved=[meter for meter, part in parts.items() if part.is_starved and meter not in lost],
        lost=lost,
        cost_share=cpu_s / seconds if seconds > 0 else 0.0,
    )


def _own_channels(meters: Sequence[Meter]) -> List[Dict[str, Channel]]:
    """Return each meter's channels that no meter before it has.

    The first keeps a channel even when it is lost: a figure never changes its source unseen.
    """
    taken: Set[str] = set()
    own = []
    for meter in meters:
        own.append({name: one for name, one in meter.channels.items() if name not in taken})
        taken.update(meter.channels)
    return own


def sources_of(meters: Sequence[Meter]) -> Dict[str, str]:
    """Return each channel's source; of two meters with one channel the first counts.

    A meter may learn while it reads what it reads from: ask at the end of the work.
    """
    own = _own_channels(meters)
    return {name: channel.source for channels in own for name, channel in channels.items()}


def facts_of(meters: Sequence[Meter]) -> Dict[str, str]:
    """Return the constants that the meters found."""
    facts: Dict[str, str] = {}
    for meter in meters:
        facts.update(meter.facts)
    return facts


def close_all(meters: Sequence[Meter]) -> None:
    """Close every meter."""
    for meter in meters:
        meter.close()
