"""When a study ends before its number of candidates: time spent, or nothing that works."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Optional, Sequence

from nas_edge.candidate.measurement import CRASHED
from nas_edge.errors import StudyError
from nas_edge.study.records import TrialRecord

MAX_CRASHES = 3  # crashes in a row, with nothing finished yet, before the study gives up

# Why no further candidate is started.
ALL = "all"
TIME_BUDGET = "time_budget"
EXHAUSTED = "exhausted"
ELSEWHERE = "elsewhere"


@dataclass(frozen=True)
class End:
    """Why no further candidate is started, and a sentence; "" where all are there."""

    why: str = ALL
    text: str = ""


def spent_time(found: Sequence[TrialRecord], budget_s: Optional[float]) -> Optional[End]:
    """Return the end if one more candidate would end after the budget, else None."""
    if budget_s is None or not found:
        return None
    times = [record.measurement.wall_s for record in found]
    if sum(times) + _typical_s(found) <= budget_s:
        return None
    spent = f"{sum(times):.0f} of {budget_s:.0f} s used by {len(found)} candidates"
    return End(TIME_BUDGET, f"no further candidate fits into the time budget ({spent})")


def _typical_s(found: Sequence[TrialRecord]) -> float:
    """Return the median time of a whole training; of what there is where none has finished."""
    whole = [record.measurement.wall_s for record in found if record.measurement.is_finished]
    return statistics.median(whole or [record.measurement.wall_s for record in found])


def time_left_s(
    found: Sequence[TrialRecord], trials: int, budget_s: Optional[float]
) -> Optional[float]:
    """Return how long the rest will take, or None before anything is known."""
    times = [record.measurement.wall_s for record in found]
    if not times:
        return None
    left = max(trials - len(found), 0) * statistics.mean(times)
    return left if budget_s is None else min(left, max(budget_s - sum(times), 0.0))


def check_crashes(found: Sequence[TrialRecord], anew: str) -> None:
    """Give up where every candidate crashes: then it is not the candidates.

    Raises:
        StudyError: With the last reason.
    """
    outcomes = {record.measurement.outcome for record in found}
    if len(found) == MAX_CRASHES and outcomes == {CRASHED}:
        raise StudyError(
            f"the first {MAX_CRASHES} candidates all crashed, the last with: "
            f"{found[-1].measurement.reason}; mend that, then {anew}"
        )
