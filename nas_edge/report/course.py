"""How a run went: outcomes with their reasons and time, and the front's growth over time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Dict, List, Sequence, Tuple

from nas_edge.candidate.measurement import STOPPED
from nas_edge.pareto import hypervolume_history, reference_point_of
from nas_edge.study.pruning import summarise_pruning
from nas_edge.study.records import TrialRecord, comparable, losses_of

_MAX_REASONS = 3


@dataclass(frozen=True)
class OutcomeRow:
    """One way of ending: how many, their time, the most frequent reasons with counts."""

    outcome: str
    count: int
    wall_s: float
    reasons: Tuple[Tuple[str, int], ...]


@dataclass(frozen=True)
class Step:
    """One candidate on the timeline; the front's hypervolume after it, as a share of the last."""

    number: int
    name: str
    outcome: str
    start_s: float
    end_s: float
    share: float


def outcome_rows(records: Sequence[TrialRecord]) -> List[OutcomeRow]:
    """Return the ways in which candidates ended, the most frequent first."""
    groups: Dict[str, List[TrialRecord]] = {}
    for record in records:
        groups.setdefault(record.measurement.outcome, []).append(record)
    rows = [
        OutcomeRow(
            outcome.replace("_", " "),
            len(group),
            sum(record.measurement.wall_s for record in group),
            _reasons(outcome, group, records),
        )
        for outcome, group in groups.items()
    ]
    return sorted(rows, key=lambda row: -row.count)


def _reasons(
    outcome: str, group: Sequence[TrialRecord], records: Sequence[TrialRecord]
) -> Tuple[Tuple[str, int], ...]:
    if outcome == STOPPED:  # each for its own accuracy: what it came to says more
        return ((summarise_pruning(records).sentence, 1),)
    reasons = Counter(r.measurement.reason for r in group if r.measurement.reason)
    return tuple(reasons.most_common(_MAX_REASONS))


def steps(records: Sequence[TrialRecord], objectives: Sequence[str]) -> List[Step]:
    """Return the candidates in their order, each after the other on one clock.

    The clock is the time spent on candidates: pauses are not in it, and several workers follow
    each other.
    """
    shares = _shares(records, objectives)
    found: List[Step] = []
    clock_s, share = 0.0, 0.0
    for record in records:
        end_s = clock_s + record.measurement.wall_s
        share = shares.get(record.number, share)
        found.append(
            Step(record.number, record.name, record.measurement.outcome, clock_s, end_s, share)
        )
        clock_s = end_s
    return found


def _shares(records: Sequence[TrialRecord], objectives: Sequence[str]) -> Dict[int, float]:
    finished = comparable(records, objectives)
    if not finished:
        return {}
    losses = losses_of(finished, objectives)
    volumes = hypervolume_history(losses, reference_point_of(losses))
    last = volumes[-1]
    return {
        record.number: float(volume / last) if last > 0 else 0.0
        for record, volume in zip(finished, volumes)
    }
