"""Trainings of one network from several seeds, gathered to one point each, from runs that repeat.

They come from runs that differ in the seed alone, and from a run's finalists where these were
trained as the search trains. Their accuracies take the place of the search's own: by that one the
network was chosen, so it flatters. Memory and all else is what the runs measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from nas_edge.errors import StudyError
from nas_edge.pareto import interval_of, repeated_figure
from nas_edge.study.finalist_space import network_key
from nas_edge.study.identity import differences_of
from nas_edge.study.records import TrialRecord, comparable
from nas_edge.study.run import Run

_DECIDES_ACCURACY = ("recipe", "data", "memory_saver")


@dataclass(frozen=True)
class Repeats:
    """One network: its trainings in the runs, and those among its finalists."""

    name: str
    reference: Optional[str]
    searched: Tuple[TrialRecord, ...]
    finalists: Tuple[TrialRecord, ...]

    def accuracies(self, metric: str) -> List[float]:
        """Return what the network's mean is of."""
        records = self.finalists or self.searched
        return [record.measurement.metrics[metric].value for record in records]

    def cost(self, metric: str) -> float:
        """Return the mean of a figure that hardly varies, as the runs measured it."""
        return fmean(record.measurement.metrics[metric].value for record in self.searched)


def repeats_in(runs: Sequence[Run], labels: Sequence[str]) -> List[Repeats]:
    """Return the finished networks of runs that repeat each other, in their order.

    Args:
        runs: One, or several that differ in the seed alone.
        labels: A name a run; of several, it tells trials of one number apart.
    Raises:
        StudyError: If the runs differ in more than the seed, or their figures do not compare.
    """
    _check_repeats(runs)
    objectives = runs[0].objectives
    comparable([record for run in runs for record in run.records], objectives)
    searched: Dict[str, List[TrialRecord]] = {}
    names: Dict[str, str] = {}
    trained: Dict[str, List[TrialRecord]] = {}
    for run, label in zip(runs, labels):
        for record in comparable(run.records, objectives):
            searched.setdefault(record.key, []).append(record)
            is_plain = record.reference or len(runs) == 1
            names.setdefault(record.key, record.name if is_plain else f"{record.name} ({label})")
        for record in repeated_finalists(run):
            trained.setdefault(network_key(record), []).append(record)
    return [
        Repeats(
            names[key],
            next((record.reference for record in records if record.reference), None),
            tuple(records),
            tuple(trained.get(key, ())),
        )
        for key, records in searched.items()
    ]


def groups_in(runs: Sequence[Run]) -> List[List[TrialRecord]]:
    """Return the trainings of each network that has several: of the runs, then of finalists."""
    groups: Dict[Any, List[TrialRecord]] = {}
    for run in runs:
        for record in run.records:
            if record.measurement.is_finished:
                groups.setdefault((record.key, False), []).append(record)
        for record in repeated_finalists(run):
            groups.setdefault((network_key(record), True), []).append(record)
    return [group for group in groups.values() if len(group) > 1]


def means_of(
    records: Sequence[TrialRecord], identity: Mapping[str, Any]
) -> Dict[str, Tuple[float, float, float]]:
    """Return mean and 95% interval of every figure that all trainings have from one source.

    Args:
        records: Of one network.
        identity: The run's, which tells how many images stand behind an accuracy.
    """
    found: Dict[str, Tuple[float, float, float]] = {}
    for name in records[0].measurement.metrics:
        try:
            same = comparable(records, (name,))
        except StudyError:
            continue
        if len(same) == len(records):
            values = [record.measurement.metrics[name].value for record in same]
            figure = repeated_figure([values], num_images_of(name, identity))
            low, high = (float(end[0]) for end in interval_of(figure))
            if name.endswith("accuracy"):
                low, high = max(low, 0.0), min(high, 1.0)
            found[name] = (float(figure.means[0]), low, high)
    return found


def repeated_finalists(run: Run) -> List[TrialRecord]:
    """Return the finished finalists of a run, if they were trained as the search trains."""
    if run.finalists is None:
        return []
    own, other = run.identity, run.finalists.identity
    if any(own.get(name) != other.get(name) for name in _DECIDES_ACCURACY):
        return []
    return [record for record in run.finalists.records if record.measurement.is_finished]


def differ_in_seed_alone(one: Run, other: Run) -> bool:
    """Return whether two runs are repeats of each other."""
    return _without_seed(one.identity) == _without_seed(other.identity) and (
        one.identity.get("seed") != other.identity.get("seed")
    )


def num_images_of(metric: str, identity: Mapping[str, Any]) -> Optional[int]:
    """Return how many images an accuracy is of, None for other figures and where nobody says."""
    split, _, kind = metric.partition("_")
    data = identity.get("data")
    counts = data.get("counts") if isinstance(data, Mapping) else None
    if kind != "accuracy" or not isinstance(counts, Mapping):
        return None
    return int(counts.get(split) or 0) or None


def _check_repeats(runs: Sequence[Run]) -> None:
    for place, run in enumerate(runs):
        for other in runs[:place]:
            if differ_in_seed_alone(other, run):
                continue
            found = differences_of(_without_seed(other.identity), _without_seed(run.identity))
            why = found[0] if found else "its seed is the same, so that nothing in it is new"
            raise StudyError(
                f"{run.folder.path}: must differ from {other.folder.path} in the seed alone to "
                f"stand in one front, but {why}; nas-edge report shows any runs side by side"
            )


def _without_seed(identity: Mapping[str, Any]) -> Dict[str, Any]:
    return {key: value for key, value in identity.items() if key != "seed"}
