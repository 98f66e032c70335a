"""A study as it is at one moment: what its notes and plots are made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Mapping, Optional, Sequence, Tuple

from nas_edge.errors import StudyError
from nas_edge.study import records as attrs
from nas_edge.study.identity import IDENTITY_ATTR
from nas_edge.study.reading import trials_of
from nas_edge.study.records import TrialRecord, comparable, records_of


@dataclass(frozen=True)
class Snapshot:
    """One study at one moment.

    ``trials`` are Optuna's; ``records`` the measured candidates, repeats left out. ``where`` is how
    commands name the run, or None where it is known by its storage alone; ``task`` is what its
    study file says of itself.
    """

    study_id: int
    name: str
    where: Optional[str]
    identity: Mapping[str, Any]
    records: Tuple[TrialRecord, ...]
    trials: Sequence[Any]
    task: str = ""

    @property
    def objectives(self) -> Tuple[str, ...]:
        """The names of the objectives."""
        return tuple(self.identity["objectives"])

    @property
    def problem(self) -> str:
        """Why the figures cannot stand on one axis, or ""."""
        try:
            comparable(self.records, self.objectives)
        except StudyError as err:
            return str(err)
        return ""

    def numbers(self, state: str) -> List[int]:
        """Return the trials in one of Optuna's states."""
        return [trial.number for trial in self.trials if trial.state.name == state]

    @property
    def repeated(self) -> List[int]:
        """The finished trials of points that another one has."""
        return [t.number for t in self.trials if t.state.is_finished() and _is_repeat(t)]

    @property
    def progress(self) -> Tuple[int, ...]:
        """Equal for two snapshots in which the same is known."""
        running, waiting = self.numbers("RUNNING"), self.numbers("WAITING")
        return (len(self.trials), len(waiting), *running)


def take_snapshot(study: Any, where: Optional[str], task: str = "") -> Snapshot:
    """Return a study as it is now.

    A study object that is kept reads a finished trial once.
    """
    trials = trials_of(study)
    return Snapshot(
        study._study_id,
        study.study_name,
        where,
        study.user_attrs[IDENTITY_ATTR],
        tuple(records_of(trials)),
        trials,
        task,
    )


def _is_repeat(trial: Any) -> bool:
    return attrs.DUPLICATE_OF in trial.user_attrs
