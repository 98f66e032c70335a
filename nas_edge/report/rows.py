"""The front as rows: what terminal, JSON, CSV and HTML all show.

A row is a candidate on the front, or a reference that is not on it: every reference is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from nas_edge.candidate.measurement import METRICS, Measurement
from nas_edge.config.units import format_bytes
from nas_edge.pareto import relations
from nas_edge.space.training_choices import PREFIX, describe_training
from nas_edge.study.records import TrialRecord, comparable, front_of, losses_of

SHOWN = (
    "val_accuracy",
    "test_accuracy",
    "peak_memory",
    "train_peak_memory",
    "mean_memory",
    "latency",
    "batch_latency",
    "epoch_time",
    "energy_per_epoch",
    "energy_per_inference",
    "board_ram_fraction",
    "params",
    "macs",
)


@dataclass(frozen=True)
class FrontRow:
    """One line. ``relation`` is to the paper's configuration: dominates, equal, dominated, ..."""

    record: TrialRecord
    is_on_front: bool
    relation: Optional[str]

    @property
    def note(self) -> str:
        """Whether a reference is on the front, or why it has no figures."""
        measured = self.record.measurement
        if not measured.is_finished:
            return f"{measured.outcome.replace('_', ' ')}: {measured.reason}"
        if self.is_on_front:
            return "on the front"
        return "dominated"

    def to_dict(self) -> Dict[str, Any]:
        """Return plain data."""
        record = self.record
        return {
            "number": record.number,
            "name": record.name,
            "reference": record.reference,
            "on_front": self.is_on_front,
            "against_paper": self.relation,
            "outcome": record.measurement.outcome,
            "reason": record.measurement.reason,
            "metrics": {
                name: {"value": metric.value, "unit": metric.unit, "source": metric.source}
                for name, metric in record.measurement.metrics.items()
            },
            "point": record.point,
        }


def front_rows(records: Sequence[TrialRecord], objectives: Sequence[str]) -> List[FrontRow]:
    """Return the front by the second objective, with the references in their places."""
    finished = comparable(records, objectives)
    on_front = {record.number for record in front_of(records, objectives)} if finished else set()
    against = against_paper(records, objectives)
    shown = [r for r in records if r.number in on_front or r.reference]
    last = float("inf")

    def place(record: TrialRecord) -> Tuple[float, int]:
        value = record.value(objectives[1])
        return (last if value is None else value, record.number)

    return [
        FrontRow(r, r.number in on_front, against.get(r.number)) for r in sorted(shown, key=place)
    ]


def paper_record(records: Sequence[TrialRecord]) -> Optional[TrialRecord]:
    """Return the paper's configuration, scaled or not, if the study has it."""
    for record in records:
        if record.reference and record.reference.partition(" x")[0] == "xception-lite":
            return record
    return None


def training_text(record: TrialRecord) -> str:
    """Return the training that was chosen for a candidate, or "" where none was searched."""
    point = record.point
    training = point.get(PREFIX) if isinstance(point, Mapping) else None
    return describe_training(training) if isinstance(training, Mapping) else ""


def shown_metrics(rows: Sequence[FrontRow], objectives: Sequence[str]) -> List[str]:
    """Return the metrics that a table shows: the objectives first, then what else was measured."""
    there = {name for row in rows for name in row.record.measurement.metrics}
    return list(objectives) + [name for name in SHOWN if name in there and name not in objectives]


def metric_title(name: str) -> str:
    """Return a metric's name for people."""
    return METRICS[name].title if name in METRICS else name


def unit_of(name: str, records: Iterable[TrialRecord]) -> str:
    """Return a metric's unit: the known one, else the one that an evaluator of one's own gave."""
    if name in METRICS:
        return METRICS[name].unit
    found = (record.measurement.metrics.get(name) for record in records)
    return next((metric.unit for metric in found if metric is not None and metric.unit), "")


def format_figure(record: TrialRecord, name: str) -> str:
    """Return a candidate's figure with its unit for people; a dash where there is none."""
    return format_metric(name, record.value(name), unit_of(name, [record]))


def format_metric(name: str, value: Optional[float], unit: str = "") -> str:
    """Return a figure with its unit for people; a dash where there is none.

    The unit is that of the metric's name, where it is a known one.
    """
    if value is None:
        return "–"
    unit = METRICS[name].unit if name in METRICS else unit
    if unit == "share":
        return f"{100 * value:.1f}%"
    if unit == "bytes":
        return format_bytes(value)
    if unit == "count":
        return _short_count(value)
    return f"{value:.3g} {unit}".strip()


def outcome_counts(records: Sequence[TrialRecord]) -> Mapping[str, int]:
    """Return how many candidates ended in which way."""
    counts: Dict[str, int] = {}
    for record in records:
        counts[record.measurement.outcome] = counts.get(record.measurement.outcome, 0) + 1
    return counts


def changes(measured: Measurement, base: Measurement, objectives: Sequence[str]) -> str:
    """Return figures against another's: ``+1.2 points, -34% peak training memory``."""
    parts = []
    for name in objectives:
        if name not in measured.metrics or name not in base.metrics:
            continue
        value, other = measured.metrics[name].value, base.metrics[name].value
        if METRICS[name].unit == "share" if name in METRICS else False:
            parts.append(f"{100 * (value - other):+.1f} points {metric_title(name)}")
        elif other:
            percent = 100 * (value / other - 1)
            digits = 1 if 0 < abs(percent) < 1 else 0  # never "-0%"
            parts.append(f"{percent:+.{digits}f}% {metric_title(name)}")
    return ", ".join(parts)


def against_paper(records: Sequence[TrialRecord], objectives: Sequence[str]) -> Dict[int, str]:
    """Return every finished candidate's relation to the paper's configuration, by number."""
    finished = comparable(records, objectives)
    paper = paper_record(finished)
    if paper is None:
        return {}
    losses = losses_of(finished, objectives)
    found = relations(losses, losses[[r.number for r in finished].index(paper.number)])
    return {record.number: relation for record, relation in zip(finished, found)}


def _short_count(value: float) -> str:
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.2f}{suffix}"
    return f"{value:.0f}"
