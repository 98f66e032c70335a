"""Runs of one setting in; groups out, in each of which a network's records are independent.

Two trainings of a network from one seed are no two samples, whatever else tells them apart. Which
of several transfers belong together, the weights say that they began with.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from nas_edge.space.baselines import START
from nas_edge.study.records import TrialRecord
from nas_edge.study.run import Run

Clash = Callable[[Run, Run], bool]


def independent_groups(runs: Sequence[Run]) -> List[List[Run]]:
    """Return the runs in groups in which no network has two records of one seed.

    Runs that begin with other weights stay together where their seeds differ: a transfer's seed
    usually goes with its source's.

    Args:
        runs: Of one setting, each with a network at most once.
    """
    groups: List[List[Run]] = []
    for members in _grouped(runs, _is_repetition):
        pairs = ((one, other) for i, one in enumerate(members) for other in members[:i])
        is_mixed = any(_has_same_seed(one, other) for one, other in pairs)
        groups += _grouped(members, _has_other_weights) if is_mixed else [members]
    return groups


def origin_of(record: TrialRecord) -> Optional[str]:
    """Return whose weights a training began with, as RUN:TRIAL, or None for new ones."""
    origin = _start(record).get("from")
    return None if origin is None else str(origin)


def _grouped(runs: Sequence[Run], clash: Clash) -> List[List[Run]]:
    """Put each run into the first group in which it clashes with none."""
    groups: List[List[Run]] = []
    for run in runs:
        for group in groups:
            if not any(clash(run, other) for other in group):
                group.append(run)
                break
        else:
            groups.append([run])
    return groups


def _has_same_seed(one: Run, other: Run) -> bool:
    """Return whether two runs trained a network from one seed."""
    seeds = [run.identity.get("seed") for run in (one, other)]
    return seeds[0] == seeds[1] and bool(_weights(one).keys() & _weights(other).keys())


def _has_other_weights(one: Run, other: Run) -> bool:
    """Return whether a network of both began with weights of its own in each."""
    ours, theirs = _weights(one), _weights(other)
    return any(ours[name] != theirs[name] for name in ours.keys() & theirs.keys())


def _is_repetition(one: Run, other: Run) -> bool:
    return _has_same_seed(one, other) and not _has_other_weights(one, other)


def _weights(run: Run) -> Dict[str, Any]:
    """Return the hash of the weights that each network began with; None for new ones."""
    return {r.reference: _start(r).get("sha256") for r in run.records if r.reference}


def _start(record: TrialRecord) -> Mapping[str, Any]:
    point = record.point
    found = point.get(START) if isinstance(point, Mapping) else None
    return found if isinstance(found, Mapping) else {}
