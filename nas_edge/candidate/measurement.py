"""What came of a candidate: figures with unit and source, or a failure's kind and reason."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Dict, Mapping, Optional, Tuple

FINISHED = "finished"
STOPPED = "stopped"  # on purpose, since it could not reach the front any more
OUT_OF_MEMORY = "out_of_memory"
OVER_LIMIT = "over_limit"
DIVERGED = "diverged"
CRASHED = "crashed"
KILLED = "killed"
HUNG = "hung"
INFEASIBLE = (OUT_OF_MEMORY, OVER_LIMIT)
FAILED = (DIVERGED, CRASHED, KILLED, HUNG)
OUTCOMES = (FINISHED, STOPPED, *INFEASIBLE, *FAILED)


@dataclass(frozen=True)
class MetricKind:
    """What a metric's name means: its unit, its direction, how a table heads and prints it."""

    unit: str
    direction: str  # "maximize" or "minimize"
    title: str


METRICS: Dict[str, MetricKind] = {
    "val_accuracy": MetricKind("share", "maximize", "val accuracy"),
    "peak_memory": MetricKind("bytes", "minimize", "peak training memory"),
    "mean_memory": MetricKind("bytes", "minimize", "mean training memory"),
    "latency": MetricKind("ms", "minimize", "inference latency"),
    "batch_latency": MetricKind("ms", "minimize", "inference latency of a batch"),
    "epoch_time": MetricKind("s", "minimize", "epoch time"),
    "energy_per_epoch": MetricKind("J", "minimize", "energy an epoch"),
    "energy_per_inference": MetricKind("J", "minimize", "energy an inference"),
    "board_ram_fraction": MetricKind("share", "minimize", "board RAM in use"),
    "params": MetricKind("count", "minimize", "parameters"),
    "macs": MetricKind("count", "minimize", "MACs"),
    "train_accuracy": MetricKind("share", "maximize", "train accuracy"),
    "test_accuracy": MetricKind("share", "maximize", "test accuracy"),
    "train_peak_memory": MetricKind("bytes", "minimize", "peak memory in training itself"),
}


@dataclass(frozen=True)
class Metric:
    """A figure, its unit, and what it was read from.

    Args:
        value: Finite.
        unit: E.g. "bytes"; empty where none is known.
        source: The meter's own words.
    """

    value: float
    unit: str
    source: str


@dataclass(frozen=True)
class Measurement:
    """Everything that one candidate gave.

    Args:
        outcome: One of `OUTCOMES`.
        reason: Why it is not "finished".
        metrics: Figures by name; `METRICS` says what the known names mean.
        history: One row an epoch.
        seed: Of the training.
        device: Kind, name, cores and memory of what trained.
        versions: Of what the figures depend on.
        wall_s: How long all of it took.
        details: Plain data that explains the figures, e.g. the epoch it was resumed from.
    Raises:
        ValueError: If the outcome is unknown, a figure or the time is NaN or infinite, or a part
            is of another form than said.
    """

    outcome: str = FINISHED
    reason: str = ""
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    history: Tuple[Mapping[str, Any], ...] = ()
    seed: int = 0
    device: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    wall_s: float = 0.0
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(
                f"outcome must be one of {', '.join(OUTCOMES)}, but got {self.outcome!r}"
            )
        for name, metric in self.metrics.items():
            if not math.isfinite(metric.value):
                raise ValueError(f"metric {name} must be finite, but got {metric.value!r}")
        if not math.isfinite(self.wall_s) or self.wall_s < 0:
            raise ValueError(f"wall_s must be finite and not negative, but got {self.wall_s!r}")
        for row in self.history:
            if not isinstance(row, Mapping):
                raise ValueError(f"history must be rows of names and values, but got {row!r}")
        for name in ("device", "versions", "details"):
            if not isinstance(getattr(self, name), Mapping):
                raise ValueError(
                    f"{name} must have names and values, but got {getattr(self, name)!r}"
                )

    @classmethod
    def of(cls, source: str = "given", **values: float) -> Measurement:
        """Return a finished measurement of plain values, e.g. from a table of known results.

        Example:
            >>> Measurement.of(val_accuracy=0.91, params=12e3).metrics["params"].unit
            'count'
        """
        metrics = {
            name: Metric(float(value), METRICS[name].unit if name in METRICS else "", source)
            for name, value in values.items()
        }
        return cls(metrics=metrics)

    @property
    def is_finished(self) -> bool:
        """Whether every figure was measured."""
        return self.outcome == FINISHED

    @property
    def is_stopped(self) -> bool:
        """Whether the training was stopped on purpose, so that it has no final accuracy."""
        return self.outcome == STOPPED

    @property
    def is_infeasible(self) -> bool:
        """Whether the candidate needs more memory than there is or than it may use."""
        return self.outcome in INFEASIBLE

    def with_details(self, **details: Any) -> Measurement:
        """Return a copy with further details."""
        return replace(self, details={**self.details, **details})

    def to_dict(self) -> Dict[str, Any]:
        """Return plain data."""
        data = asdict(self)
        data["history"] = [dict(row) for row in self.history]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Measurement:
        """Return the measurement of plain data; the inverse of `to_dict`."""
        metrics = {name: Metric(**metric) for name, metric in data["metrics"].items()}
        return cls(**{**data, "metrics": metrics, "history": tuple(data["history"])})


def finite_number(value: Any) -> Optional[float]:
    """Return a value of a history or of details as a number, or None if it is no finite one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # a whole number beyond all floats
        return None
