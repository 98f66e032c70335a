"""What came of a search's finalists: by network its means, their intervals, how sure it wins.

Enters: a `Run` with its finalists. The probability that a network dominates the paper's
configuration is 0 where its mean peak memory is not lower. Where it is, it is the probability that
its mean accuracy is not below the paper's: Student's distribution function of the difference of the
means in standard errors, with Welch's degrees of freedom (`nas_edge.pareto.probability_above`).
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import Any, Dict, List, Optional, Sequence, Tuple

from nas_edge.candidate.measurement import METRICS
from nas_edge.pareto import interval_of, probability_above, repeated_figure
from nas_edge.report.repeats import num_images_of, repeated_finalists
from nas_edge.report.rows import format_metric, paper_record
from nas_edge.study.finalist_space import (
    TEST,
    VALIDATION,
    judged_by,
    network_key,
    network_name,
)
from nas_edge.study.records import TrialRecord, comparable
from nas_edge.study.run import Run

ACCURACIES = (TEST, VALIDATION)
LEVEL = 0.95  # of every interval
FORMULA = (
    "P(dominates) = 0 where peak memory is not lower; else F_t((mean − paper's mean) / standard "
    "error), Welch's degrees of freedom"
)


@dataclass(frozen=True)
class Mean:
    """A mean over seeds with Student's interval (95%); without ends where there is one seed."""

    value: float
    low: Optional[float]
    high: Optional[float]
    num_seeds: int

    def text(self, metric: str) -> str:
        """Return it for people: ``61.2% (55.0 to 67.4%)``."""
        mean = format_metric(metric, self.value)
        if self.low is None or self.high is None:
            return mean
        low, high = format_metric(metric, self.low), format_metric(metric, self.high)
        return f"{mean} ({low.rstrip('%')} to {high})"


@dataclass(frozen=True)
class FinalistRow:
    """One network of the search, and its trainings from new seeds.

    Args:
        name: In the search.
        number: Its trial in the search.
        reference: The handcrafted network's name, or None.
        is_on_front: Of the search, as it is now.
        means: Accuracies by metric; none where no training finished.
        peak_bytes: Mean peak training memory.
        wall_s: Mean time of a training, with its probe.
        seeds: Of the trainings that finished.
        failures: What came of the others.
        probability: That it dominates the paper's configuration; None for that one itself, and
            where there is nothing to compare.
    """

    name: str
    number: Optional[int]
    reference: Optional[str]
    is_on_front: bool
    means: Dict[str, Mean]
    peak_bytes: Optional[float]
    wall_s: Optional[float]
    seeds: Tuple[int, ...]
    failures: Tuple[str, ...]
    probability: Optional[float]

    def to_dict(self) -> Dict[str, Any]:
        """Return plain data."""
        means = {
            metric: {"mean": mean.value, "low": mean.low, "high": mean.high}
            for metric, mean in self.means.items()
        }
        return {
            "name": self.name,
            "number": self.number,
            "reference": self.reference,
            "on_front": self.is_on_front,
            "seeds": list(self.seeds),
            **means,
            "peak_memory_bytes": self.peak_bytes,
            "wall_s": self.wall_s,
            "failures": list(self.failures),
            "probability_dominates": self.probability,
        }


@dataclass(frozen=True)
class Finalists:
    """All finalists of a run, from the least memory on; what they are compared by and with.

    ``judge`` is the accuracy that counts, ``paper`` the row of the paper's configuration,
    ``are_repeats`` whether they were trained as the search trains, so that they count as repeats in
    its front.
    """

    rows: Tuple[FinalistRow, ...]
    judge: str
    paper: Optional[FinalistRow]
    epochs: int
    notes: Tuple[str, ...]
    are_repeats: bool = False

    def to_dict(self) -> Dict[str, Any]:
        """Return plain data."""
        return {
            "judge": self.judge,
            "paper": None if self.paper is None else self.paper.name,
            "epochs": self.epochs,
            "interval": LEVEL,
            "probability": FORMULA,
            "notes": list(self.notes),
            "rows": [row.to_dict() for row in self.rows],
        }


def finalists_of(run: Run) -> Optional[Finalists]:
    """Return what came of a run's finalists so far, or None where none was trained.

    Raises:
        StudyError: If their figures do not compare, e.g. were read from different sources.
    """
    if run.finalists is None or not run.finalists.records:
        return None
    identity = run.finalists.identity
    judge = judged_by(identity)
    groups = _by_network(run.finalists.records)
    finished = {key: _finished(records) for key, records in groups.items()}
    comparable([r for records in finished.values() for r in records], ("peak_memory",))
    means = {name: _means(finished, name, identity) for name in ACCURACIES}
    paper = paper_record(run.records)
    key = None if paper is None else paper.key
    chances = _probabilities(finished, judge, key, identity)
    rows = {
        one: _row(run, one, groups[one], {n: m[one] for n, m in means.items() if one in m}, chances)
        for one in groups
    }
    ordered = sorted(rows.values(), key=lambda row: row.peak_bytes or float("inf"))
    papers = None if key is None else rows.get(key)
    epochs = identity["recipe"]["epochs"]
    notes = tuple(_notes(run, judge, ordered))
    return Finalists(
        tuple(ordered), judge, papers, epochs, notes, are_repeats=bool(repeated_finalists(run))
    )


def best_finalist(found: Finalists) -> Optional[FinalistRow]:
    """Return the one that most probably dominates the paper's; of equals, that of least memory.

    None where none needs less memory than the paper's.
    """
    limit = 0.0 if found.paper is None else found.paper.peak_bytes or 0.0
    judged = [row for row in found.rows if found.judge in row.means]
    rivals = [row for row in judged if (row.peak_bytes or limit) < limit]
    return max(rivals, key=lambda row: row.probability or 0.0) if rivals else None


def _by_network(records: Sequence[TrialRecord]) -> Dict[str, List[TrialRecord]]:
    groups: Dict[str, List[TrialRecord]] = {}
    for record in records:
        groups.setdefault(network_key(record), []).append(record)
    return groups


def _finished(records: Sequence[TrialRecord]) -> List[TrialRecord]:
    return [record for record in records if record.measurement.is_finished]


def _means(finished: Dict[str, List[TrialRecord]], metric: str, identity: Any) -> Dict[str, Mean]:
    """Return the means of those networks that have the figure."""
    values = _values(finished, metric)
    if not values:
        return {}
    figure = repeated_figure(list(values.values()), num_images_of(metric, identity))
    lows, highs = interval_of(figure, LEVEL)
    return {
        key: Mean(
            float(figure.means[i]),
            max(float(lows[i]), 0.0) if figure.counts[i] > 1 else None,
            min(float(highs[i]), 1.0) if figure.counts[i] > 1 else None,
            int(figure.counts[i]),
        )
        for i, key in enumerate(values)
    }


def _probabilities(
    finished: Dict[str, List[TrialRecord]], judge: str, paper: Optional[str], identity: Any
) -> Dict[str, float]:
    """Return how probably each network dominates the paper's, by key."""
    values = _values(finished, judge)
    if paper not in values:
        return {}
    keys = list(values)
    figure = repeated_figure(list(values.values()), num_images_of(judge, identity))
    # That the paper's is below, of each: one minus what is above would be lost where it is near 1.
    place = [keys.index(str(paper))]
    above = [float(probability_above(figure, i, place)[0]) for i in range(len(keys))]
    limit = _peak(finished[str(paper)])
    return {
        key: chance if _peak(finished[key]) < limit else 0.0
        for key, chance in zip(keys, above)
        if key != paper
    }


def _values(finished: Dict[str, List[TrialRecord]], metric: str) -> Dict[str, List[float]]:
    found = {key: [r.value(metric) for r in records] for key, records in finished.items()}
    there = {key: [v for v in values if v is not None] for key, values in found.items()}
    return {key: values for key, values in there.items() if values}


def _peak(records: Sequence[TrialRecord]) -> float:
    return fmean(record.measurement.metrics["peak_memory"].value for record in records)


def _row(
    run: Run,
    key: str,
    records: Sequence[TrialRecord],
    means: Dict[str, Mean],
    chances: Dict[str, float],
) -> FinalistRow:
    finished = _finished(records)
    known = {record.key: record for record in reversed(run.records)}.get(key)
    failed = [r.measurement for r in records if not r.measurement.is_finished]
    return FinalistRow(
        name=network_name(records[0]) if known is None else known.name,
        number=None if known is None else known.number,
        reference=None if known is None else known.reference,
        is_on_front=key in {record.key for record in run.front()},
        means=means,
        peak_bytes=_peak(finished) if finished else None,
        wall_s=fmean(r.measurement.wall_s for r in finished) if finished else None,
        seeds=tuple(record.measurement.seed for record in finished),
        failures=tuple(f"{one.outcome.replace('_', ' ')}: {one.reason}" for one in failed),
        probability=chances.get(key),
    )


def _notes(run: Run, judge: str, rows: Sequence[FinalistRow]) -> List[str]:
    """Return what a reader must know of these figures."""
    assert run.finalists is not None
    identity = run.finalists.identity
    epochs, own = identity["recipe"]["epochs"], run.identity["recipe"]["epochs"]
    plural = "" if epochs == 1 else "s"
    notes = [
        f"Trained from new seeds for {epochs} epoch{plural}, "
        + ("as in the search." if epochs == own else f"not {own} as in the search.")
    ]
    if judge != TEST:
        notes.append("There are no test images: networks are compared on the validation images.")
    if identity["device"] != run.identity["device"]:
        notes.append(
            f"Trained on {identity['device']['name']}, the search on "
            f"{run.identity['device']['name']}: accuracies compare, memory does not."
        )
    counts = {len(row.seeds) for row in rows if row.seeds}
    if counts == {1}:
        notes.append(
            "One training each gives no interval; the probability then knows of the number of "
            f"{METRICS[judge].title.partition(' ')[0]} images alone, not of the seeds."
        )
    elif 1 in counts:
        notes.append(
            "Where one training is there so far, the probability takes the others' standard "
            "deviation, pooled."
        )
    return notes
