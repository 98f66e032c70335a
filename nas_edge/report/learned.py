"""What a search learned: which choices the figures hang on, and which the front shares.

Importance is the share of an objective's variance that one choice explains alone, the epsilon
squared of a one-way analysis of variance: what chance would explain is taken off. It is cheap (no
model is fitted) and blind to what only two choices together do.

Source:
    Kelley 1935, "An unbiased correlation ratio measure".
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np
import numpy.typing as npt

from nas_edge.report.choices import flat_choices
from nas_edge.study.records import TrialRecord, comparable, direction_of, front_of

MIN_CANDIDATES = 8
SURE_CANDIDATES = 40
_MIN_FRONT = 3


@dataclass(frozen=True)
class Importance:
    """One choice: by objective, its share of the variance and the value with the best mean."""

    choice: str
    shares: Tuple[float, ...]
    best: Tuple[str, ...]


@dataclass(frozen=True)
class SharedChoice:
    """A value that stands on the front more often than among all that finished."""

    choice: str
    value: str
    num_front: int
    front_size: int
    num_all: int
    all_size: int


def importances(records: Sequence[TrialRecord], objectives: Sequence[str]) -> List[Importance]:
    """Return the choices that vary, the most important for any objective first."""
    finished = _with_the_same_choices(comparable(records, objectives))
    if len(finished) < MIN_CANDIDATES:
        return []
    table = _choices_that_vary(finished)
    found = []
    for choice, values in table.items():
        shares, best = [], []
        for name in objectives:
            figures = np.array([r.measurement.metrics[name].value for r in finished])
            shares.append(explained_share(values, figures))
            best.append(_best_value(values, figures, direction_of(name) == "maximize"))
        found.append(Importance(choice, tuple(shares), tuple(best)))
    return sorted(found, key=lambda one: -max(one.shares))


def explained_share(values: Sequence[str], figures: npt.NDArray[np.float64]) -> float:
    """Return epsilon squared of figures grouped by values, not below 0.

    Args:
        values: n labels.
        figures: Shape (n,), finite.
    """
    groups = [figures[[v == label for v in values]] for label in dict.fromkeys(values)]
    total = float(((figures - figures.mean()) ** 2).sum())
    freedom = len(figures) - len(groups)
    if total <= 0 or freedom < 1:
        return 0.0
    within = float(sum(((g - g.mean()) ** 2).sum() for g in groups))
    chance = (len(groups) - 1) * within / freedom
    return max(0.0, (total - within - chance) / total)


def shared_choices(records: Sequence[TrialRecord], objectives: Sequence[str]) -> List[SharedChoice]:
    """Return what at least two thirds of the front have and clearly fewer of all, by difference."""
    finished = _with_the_same_choices(comparable(records, objectives))
    numbers = {record.number for record in front_of(records, objectives)} if finished else set()
    is_front = [record.number in numbers for record in finished]
    size = sum(is_front)
    if size < _MIN_FRONT:
        return []
    found = []
    for choice, values in _choices_that_vary(finished).items():
        there = Counter(value for value, inside in zip(values, is_front) if inside)
        value, count = there.most_common(1)[0]
        shared = SharedChoice(
            choice, value, count, size, sum(v == value for v in values), len(values)
        )
        if 3 * count >= 2 * size and _surplus(shared) >= 0.1:
            found.append(shared)
    return sorted(found, key=lambda one: -_surplus(one))


def _surplus(one: SharedChoice) -> float:
    return one.num_front / one.front_size - one.num_all / one.all_size


def _with_the_same_choices(records: Sequence[TrialRecord]) -> List[TrialRecord]:
    """Leave out networks of another template, which have other choices than most."""
    names = Counter(tuple(flat_choices(record)) for record in records)
    if not names:
        return []
    usual = names.most_common(1)[0][0]
    return [record for record in records if tuple(flat_choices(record)) == usual]


def _choices_that_vary(records: Sequence[TrialRecord]) -> Dict[str, List[str]]:
    rows: List[Mapping[str, Any]] = [flat_choices(record) for record in records]
    columns = {name: [str(row[name]) for row in rows] for name in rows[0]} if rows else {}
    return {name: values for name, values in columns.items() if 1 < len(set(values)) < len(rows)}


def _best_value(values: Sequence[str], figures: npt.NDArray[np.float64], is_maximized: bool) -> str:
    means = {label: float(figures[[v == label for v in values]].mean()) for label in set(values)}
    pick = max if is_maximized else min
    return pick(sorted(means), key=lambda label: means[label])
