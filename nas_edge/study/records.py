"""Optuna's trials as plain records: what every table, plot and front is made from."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from nas_edge.candidate.measurement import METRICS, Measurement
from nas_edge.errors import StudyError
from nas_edge.pareto import front_mask, ranks, to_losses
from nas_edge.study.reading import damaged_trial

# In a table for people: what a unit ends a column's name with, and how many of it are one there.
_COLUMN_UNITS = {
    "bytes": ("_mib", 2.0**20),
    "ms": ("_ms", 1.0),
    "s": ("_s", 1.0),
    "J": ("_j", 1.0),
}

# User attributes of a trial.
WORKER = "nas_edge:worker"
KEY = "nas_edge:key"
POINT = "nas_edge:point"
REFERENCE = "nas_edge:reference"
MEASUREMENT = "nas_edge:measurement"
HISTORY = "nas_edge:history"
DUPLICATE_OF = "nas_edge:duplicate_of"
FAILURE = "nas_edge:failure"
STOPPED = "nas_edge:stopped"  # why
EXPECTED_ACCURACY = "nas_edge:expected_accuracy"  # of a trial that was stopped


@dataclass(frozen=True)
class TrialRecord:
    """One candidate. ``point`` is plain data; ``reference`` names a handcrafted one."""

    number: int
    key: str
    point: Any
    reference: Optional[str]
    measurement: Measurement

    @property
    def name(self) -> str:
        """The reference's name, or the trial's number."""
        return self.reference or f"trial {self.number}"

    def value(self, metric: str) -> Optional[float]:
        """Return a figure, or None where there is none."""
        found = self.measurement.metrics.get(metric)
        return None if found is None else found.value


def records_of(trials: Iterable[Any]) -> List[TrialRecord]:
    """Return the records of the trials that were measured, repeats left out, by number."""
    finished = [trial for trial in trials if trial.state.is_finished()]
    found = [record for record in map(record_of, finished) if record is not None]
    return named(sorted(found, key=lambda record: record.number), reference_names(finished))


def record_of(trial: Any) -> Optional[TrialRecord]:
    """Return a finished trial's record, or None if it repeats another or was never measured.

    Raises:
        StudyError: If something else has changed what was measured.
    """
    attrs = trial.user_attrs
    if MEASUREMENT not in attrs or DUPLICATE_OF in attrs:
        return None
    with _damage_named(trial):
        measured = Measurement.from_dict({**attrs[MEASUREMENT], "history": attrs.get(HISTORY, [])})
        hash(attrs[KEY])  # whatever finds a record by it would fail
        return TrialRecord(trial.number, attrs[KEY], attrs[POINT], attrs.get(REFERENCE), measured)


@contextlib.contextmanager
def _damage_named(trial: Any) -> Iterator[None]:
    """Say which trial it is whose attributes something else has changed."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise damaged_trial(f"trial {trial.number}", err) from err


def reference_names(trials: Iterable[Any]) -> Dict[str, str]:
    """Return the names of the references that turned out to be known points, by key."""
    names: Dict[str, str] = {}
    for trial in trials:
        attrs = trial.user_attrs
        if DUPLICATE_OF in attrs and REFERENCE in attrs:
            with _damage_named(trial):
                names[attrs[KEY]] = attrs[REFERENCE]
    return names


def named(records: Sequence[TrialRecord], names: Mapping[str, str]) -> List[TrialRecord]:
    """Return the records, those with a known point's key under the reference's name."""
    return [
        replace(record, reference=names[record.key])
        if record.reference is None and record.key in names
        else record
        for record in records
    ]


def comparable(records: Sequence[TrialRecord], objectives: Sequence[str]) -> List[TrialRecord]:
    """Return the finished records that have every objective.

    Raises:
        StudyError: If an objective's figures come from different sources or devices, which cannot
            stand on one axis.
    """
    finished = [
        r
        for r in records
        if r.measurement.is_finished and all(o in r.measurement.metrics for o in objectives)
    ]
    for objective in objectives:
        sources = {_comparable_source(r.measurement.metrics[objective].source) for r in finished}
        if len(sources) > 1:
            raise StudyError(
                f"{objective} was read from different sources ({'; '.join(sorted(sources))}), "
                "which cannot stand on one axis"
            )
    devices = {
        (r.measurement.device.get("kind"), r.measurement.device.get("name")) for r in finished
    }
    if len(devices) > 1:
        raise StudyError(
            f"the trials were measured on different devices ({devices}), which do not compare"
        )
    return finished


def losses_of(records: Sequence[TrialRecord], objectives: Sequence[str]) -> np.ndarray:
    """Return the objectives as losses, shape (n, m), lower is better."""
    values = [[record.measurement.metrics[o].value for o in objectives] for record in records]
    table = np.asarray(values, dtype=np.float64).reshape(len(records), len(objectives))
    return to_losses(table, [direction_of(o) for o in objectives])


def front_of(records: Sequence[TrialRecord], objectives: Sequence[str]) -> List[TrialRecord]:
    """Return the records that no other dominates, from the least second objective on."""
    finished = comparable(records, objectives)
    mask = front_mask(losses_of(finished, objectives))
    chosen = [record for record, kept in zip(finished, mask) if kept]
    return sorted(chosen, key=lambda r: r.measurement.metrics[objectives[1]].value)


def fronts_of(
    records: Sequence[TrialRecord], objectives: Sequence[str], number: int
) -> List[TrialRecord]:
    """Return the front, then the front of what is left, and so on, ``number`` of them in all.

    Each from the least second objective on.
    """
    finished = comparable(records, objectives)
    layers = ranks(losses_of(finished, objectives))
    chosen = [(layer, record) for layer, record in zip(layers, finished) if layer < number]
    chosen.sort(key=lambda one: (one[0], one[1].measurement.metrics[objectives[1]].value))
    return [record for _, record in chosen]


def direction_of(objective: str) -> str:
    """Return "maximize" or "minimize"."""
    return METRICS[objective].direction if objective in METRICS else "minimize"


def to_frame(records: Sequence[TrialRecord]) -> Any:
    """Return a pandas DataFrame, one row a record: number, name, outcome, metrics, choices.

    A metric's column ends in its unit, memory in MiB: ``peak_memory_mib``, ``latency_ms``. Shares
    and counts have none. A choice with the name of another column gets ``choice.`` before it.
    """
    import pandas as pd

    rows = [_row(record) for record in records]
    taken = {column for row in rows for column in row}
    for row, record in zip(rows, records):
        choices = flattened(record.point) if isinstance(record.point, Mapping) else {}
        row.update({f"choice.{n}" if n in taken else n: value for n, value in choices.items()})
    least = ["number", "name", "reference", "outcome", "reason", "wall_s"]
    return pd.DataFrame(rows, columns=None if rows else least)


def _row(record: TrialRecord) -> Dict[str, Any]:
    """Return a record's columns without its choices."""
    return {
        "number": record.number,
        "name": record.name,
        "reference": record.reference,
        "outcome": record.measurement.outcome,
        "reason": record.measurement.reason,
        **metric_columns(record),
        "wall_s": record.measurement.wall_s,
    }


def metric_columns(record: TrialRecord) -> Dict[str, Union[int, float]]:
    """Return a record's figures by the names of their columns, e.g. ``peak_memory_mib``."""
    found: Dict[str, Union[int, float]] = {}
    for name, metric in record.measurement.metrics.items():
        column, divisor = column_of(name, metric.unit)
        is_whole = metric.unit == "count" and float(metric.value).is_integer()
        found[column] = int(metric.value) if is_whole else metric.value / divisor
    return found


def column_of(name: str, unit: str) -> Tuple[str, float]:
    """Return the column of a figure with this unit, and what it is divided by to stand there."""
    suffix, divisor = _COLUMN_UNITS.get(unit, ("", 1.0))
    return name + suffix, divisor


def flattened(data: Mapping[str, Any], prefix: str = "") -> Dict[str, Any]:
    """Return nested plain data as one level, e.g. ``entry.width1``; lists as one text, ``4-8``."""
    flat: Dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            flat.update(flattened(value, f"{prefix}{key}."))
        elif isinstance(value, (list, tuple)):
            flat[f"{prefix}{key}"] = "-".join(map(str, value))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _comparable_source(source: str) -> str:
    """An epoch's number in a source does not make it another source."""
    return source.partition(", epoch ")[0]
