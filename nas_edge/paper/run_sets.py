"""Runs sorted into sets of one setting, and each set's networks as means over its runs.

Runs stand in one set if they are of one task and setting (or, without those, of one study's name)
and share recipe, images, device and memory limit: what is left to differ is the seed, and for a
transfer the weights that it began with. Those of one network and one seed never stand in one set
(`paper.independent`). Only the handcrafted networks are looked at; a search's other candidates have
no counterpart in the paper.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from nas_edge.errors import StudyError
from nas_edge.paper.independent import independent_groups, origin_of
from nas_edge.report.rows import format_metric
from nas_edge.study.records import TrialRecord, comparable
from nas_edge.study.run import Run, open_run

# In a run's identity: the task and setting that `nas-edge reproduce` names.
REPRODUCE = "reproduce"
# What of a set's networks is told, in the order of a table.
FIGURES = (
    "params",
    "train_accuracy",
    "val_accuracy",
    "test_accuracy",
    "board_ram_fraction",
    "peak_memory",
    "mean_memory",
    "epoch_time",
    "batch_latency",
    "latency",
)
_SAME = ("recipe", "data", "device", "memory_limit", "memory_saver")


@dataclass(frozen=True)
class Amount:
    """A figure's mean over ``n`` runs, and its standard deviation where there are several."""

    mean: float
    deviation: Optional[float]
    n: int
    unit: str
    source: str

    def to_dict(self) -> Dict[str, Any]:
        """Return plain data."""
        return {
            "mean": self.mean,
            "standard_deviation": self.deviation,
            "n": self.n,
            "unit": self.unit,
            "source": self.source,
        }


@dataclass(frozen=True)
class NetworkRow:
    """One handcrafted network in all runs of a set.

    ``name`` says the width too, e.g. ``xception x0.25``.
    """

    name: str
    records: Tuple[TrialRecord, ...]

    @property
    def network(self) -> str:
        """The network's name without its width."""
        return self.name.partition(" x")[0]

    @property
    def finished(self) -> List[TrialRecord]:
        """The records that have figures."""
        return [record for record in self.records if record.measurement.is_finished]

    @property
    def failures(self) -> List[str]:
        """Why runs of it have no figures, each reason once."""
        failed = [r.measurement for r in self.records if not r.measurement.is_finished]
        return list(dict.fromkeys(f"{m.outcome.replace('_', ' ')}: {m.reason}" for m in failed))

    def amount(self, metric: str) -> Optional[Amount]:
        """Return a figure's mean over the runs that have it, or None.

        Raises:
            StudyError: If it was read from different sources, of which there is no mean.
        """
        measured = [r.measurement.metrics[metric] for r in comparable(self.records, (metric,))]
        if not measured:
            return None
        values = [one.value for one in measured]
        deviation = statistics.stdev(values) if len(values) > 1 else None
        first = measured[0]
        return Amount(statistics.fmean(values), deviation, len(values), first.unit, first.source)

    def to_dict(self) -> Dict[str, Any]:
        """Return plain data; a figure without a mean says why."""
        figures: Dict[str, Any] = {}
        for metric in FIGURES:
            try:
                found = self.amount(metric)
            except StudyError as err:
                figures[metric] = {"problem": str(err)}
                continue
            if found is not None:
                figures[metric] = found.to_dict()
        data = {"network": self.network, "name": self.name, "runs": len(self.records)}
        return {**data, "failures": self.failures, "figures": figures}


@dataclass(frozen=True)
class RunSet:
    """Runs that differ in the seed, and a transfer's in the weights that it began with.

    ``title`` is unique among the sets of a command.
    """

    title: str
    runs: Tuple[Run, ...]

    @property
    def identity(self) -> Mapping[str, Any]:
        """What decides the figures; the runs share all but the seed."""
        return self.runs[0].identity

    @property
    def seeds(self) -> List[Any]:
        """The runs' seeds."""
        return [run.identity.get("seed") for run in self.runs]

    @property
    def records(self) -> List[TrialRecord]:
        """The handcrafted networks' records in all runs."""
        return [record for run in self.runs for record in run.records if record.reference]

    @property
    def origins(self) -> List[str]:
        """Whose weights transfers began with, as RUN:TRIAL, each once."""
        found = (origin_of(record) for record in self.records)
        return list(dict.fromkeys(origin for origin in found if origin is not None))

    @property
    def rows(self) -> List[NetworkRow]:
        """One row a network, in the order of the runs."""
        names = dict.fromkeys(str(record.reference) for record in self.records)
        return [
            NetworkRow(name, tuple(r for r in self.records if r.reference == name))
            for name in names
        ]

    @property
    def num_others(self) -> int:
        """The searched candidates, which are not shown."""
        return sum(not record.reference for run in self.runs for record in run.records)


def open_sets(paths: Sequence[str]) -> List[RunSet]:
    """Open runs and sort them into sets; a folder that is named twice counts once.

    Raises:
        StudyError: If one of them is no run.
        EnvironmentProblem: If a storage cannot be reached.
    """
    runs: Dict[Any, Run] = {}
    for path in paths:
        run = open_run(path)
        runs.setdefault(run.folder.path.resolve(), run)
    return run_sets(list(runs.values()))


def run_sets(runs: Sequence[Run]) -> List[RunSet]:
    """Return the sets in the order of their first runs."""
    grouped: Dict[str, List[Run]] = {}
    for run in runs:
        grouped.setdefault(_kind(run), []).append(run)
    found: List[RunSet] = []
    groups = [group for members in grouped.values() for group in independent_groups(members)]
    for members in groups:
        title = set_title(members[0])
        same = sum(one.title.partition(" #")[0] == title for one in found)
        found.append(RunSet(f"{title} #{same + 1}" if same else title, tuple(members)))
    return found


def set_title(run: Run) -> str:
    """Return task and setting, e.g. ``pcb, scratch``, or the study's name."""
    task, setting = task_and_setting(run.identity)
    return f"{task}, {setting}" if task else run.name


def task_and_setting(identity: Mapping[str, Any]) -> Tuple[Optional[str], Optional[str]]:
    """Return what `nas-edge reproduce` was asked for, or (None, None) for another study."""
    asked = identity.get(REPRODUCE)
    if not isinstance(asked, Mapping):
        return None, None
    return asked.get("task"), asked.get("setting")


def format_amount(metric: str, amount: Optional[Amount]) -> str:
    """Return a mean with its standard deviation for people: ``76.2 ± 0.4%``; a dash for None."""
    if amount is None:
        return "–"
    mean = format_metric(metric, amount.mean)
    if not amount.deviation:
        return mean
    if amount.unit == "share":
        return f"{100 * amount.mean:.1f} ± {100 * amount.deviation:.1f}%"
    if amount.unit == "bytes":
        number, _, unit = mean.partition(" ")
        other, _, others_unit = format_metric(metric, amount.deviation).partition(" ")
        in_unit = unit if unit == others_unit else ""
        return f"{number} ± {other} {unit}" if in_unit else f"{mean} ± {other} {others_unit}"
    return f"{amount.mean:.3g} ± {amount.deviation:.2g} {amount.unit}".strip()


def _kind(run: Run) -> str:
    identity = run.identity
    same = {name: identity.get(name) for name in _SAME}
    return json.dumps([set_title(run), same], sort_keys=True, default=str)
