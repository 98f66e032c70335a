"""What is known of a study's trials: records, points seen, who is at what, repeats in a row.

Enters: the trials, as often as wanted. A finished trial never changes, so each is read once, and a
look at 1,000 trials costs milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence, Set

from nas_edge.study import records as attrs
from nas_edge.study.records import TrialRecord, named, record_of, reference_names


@dataclass(frozen=True)
class RunningTrial:
    """A trial that began and did not end. Worker and key are unknown for its first moments."""

    number: int
    worker: Optional[str]
    key: Optional[str]
    is_reference: bool


@dataclass
class Ledger:
    """The trials of a study as one worker of it sees them.

    ``records`` are the measured candidates by number, repeats left out; ``waiting`` counts what is
    enqueued; ``repeats`` are this worker's suggestions of known points since its last new one.
    """

    worker: str
    records: List[TrialRecord] = field(default_factory=list)
    by_key: Dict[str, TrialRecord] = field(default_factory=dict)
    running: List[RunningTrial] = field(default_factory=list)
    waiting: int = 0
    repeats: int = 0
    _finished: Set[int] = field(default_factory=set)

    def read(self, trials: Sequence[Any]) -> None:
        """Take in the study's trials."""
        self.running, self.waiting, news = [], 0, []
        for trial in trials:
            if trial.number in self._finished:
                continue
            if trial.state.is_finished():
                news.append(trial)
            elif trial.state.name == "WAITING":
                self.waiting += 1
            else:
                self.running.append(_running(trial))
        if news:
            self._take(sorted(news, key=lambda trial: int(trial.number)))

    def elsewhere(self) -> List[RunningTrial]:
        """Return what other workers of a shared storage are at, or left behind when they died."""
        return [one for one in self.running if one.worker not in (None, self.worker)]

    def _take(self, news: Sequence[Any]) -> None:
        for trial in news:
            self._finished.add(trial.number)
            if trial.user_attrs.get(attrs.WORKER, self.worker) == self.worker:
                self.repeats = self.repeats + 1 if attrs.DUPLICATE_OF in trial.user_attrs else 0
        measured = [record for record in map(record_of, news) if record is not None]
        everything = sorted([*self.records, *measured], key=lambda record: record.number)
        self.records = named(everything, reference_names(news))
        self.by_key = {record.key: record for record in reversed(self.records)}


def _running(trial: Any) -> RunningTrial:
    user = trial.user_attrs
    return RunningTrial(
        trial.number, user.get(attrs.WORKER), user.get(attrs.KEY), attrs.REFERENCE in user
    )
