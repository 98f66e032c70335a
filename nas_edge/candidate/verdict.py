"""From what is known of a child that failed to the kind and reason that are recorded.

A child tells of an exception, or it dies, or it is silent. Which of these is the machine running
out of memory, which is the study's limit at work, and which is neither: the watch on the machine's
memory and what the child said of its bound decide.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Optional

from nas_edge.candidate.failures import (
    classify_death,
    is_device_full,
    is_loss_of_a_process,
    is_native_refusal,
)
from nas_edge.candidate.measurement import CRASHED, HUNG, KILLED, OUT_OF_MEMORY, OVER_LIMIT
from nas_edge.device.memory_watch import MemoryWatch


class Verdict(NamedTuple):
    """A failure's kind and reason.

    ``is_unexplained``: it failed under a bound, in native code that does not say why. oneDNN may
    answer a refused allocation with "could not create a primitive", or die of it.
    """

    kind: str
    reason: str
    is_unexplained: bool = False


def of_error(kind: str, reason: str, is_bounded: bool, watch: MemoryWatch) -> Verdict:
    """Return what an exception that a child told of means."""
    if kind == CRASHED and is_loss_of_a_process(reason) and watch.has_killed_lately():
        return Verdict(OUT_OF_MEMORY, f"the kernel killed a process of it for memory ({reason})")
    if kind == CRASHED and is_bounded and is_native_refusal(reason):
        return Verdict(kind, reason, is_unexplained=True)
    return _blame(kind, reason, is_bounded, watch)


def of_death(
    exit_code: Optional[int], log: Path, log_start: int, is_bounded: bool, watch: MemoryWatch
) -> Verdict:
    """Return what the end of a child that said nothing means; arguments as `classify_death`'s."""
    kind, reason = classify_death(exit_code, log, int(watch.has_killed_lately()), log_start)
    if kind == KILLED and watch.is_short():
        return Verdict(OUT_OF_MEMORY, f"{reason} while the machine's memory was nearly gone")
    if kind == OUT_OF_MEMORY and watch.has_killed_lately():
        return Verdict(kind, reason)  # the kernel's doing, not the bound's
    if kind == CRASHED and is_bounded:
        return Verdict(kind, reason, is_unexplained=True)
    return _blame(kind, reason, is_bounded, watch)


def of_silence(reason: str, since: float, watch: MemoryWatch) -> Verdict:
    """Return what it means that a child was not done, or not heard of, since a time."""
    if watch.was_short_since(since):
        return Verdict(OUT_OF_MEMORY, f"{reason} while the machine's memory was nearly gone")
    return Verdict(HUNG, reason)


def _blame(kind: str, reason: str, is_bounded: bool, watch: MemoryWatch) -> Verdict:
    """Tell a limit that did its work from a machine that had no more to give."""
    if kind == OUT_OF_MEMORY and is_bounded and not is_device_full(reason) and not watch.is_short():
        return Verdict(OVER_LIMIT, reason)
    return Verdict(kind, reason)
