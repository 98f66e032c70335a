"""A training that is judged after every epoch, and ended where the judge says so."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional, Protocol, Sequence

from nas_edge.candidate.measurement import STOPPED, Measurement, Metric
from nas_edge.candidate.process import Message

PRUNED = "pruned"  # of a measurement's details: the judgement
Row = Mapping[str, Any]


class Judgement(Protocol):
    """Why a training is ended; or, for an audit, would be."""

    @property
    def reason(self) -> str:
        """Return a sentence."""
        ...

    @property
    def is_audit(self) -> bool:
        """Return whether it goes on nevertheless."""
        ...

    def to_dict(self) -> Dict[str, Any]:
        """Return plain data."""
        ...


# From the rows of the epochs so far, and what is measured before the first, to a judgement.
Judge = Callable[[Sequence[Row], Mapping[str, Metric]], Optional[Judgement]]


class Stopped(Exception):
    """The judge has ended a training."""


class Judged:
    """Listens to a training on the judge's behalf.

    Args:
        judge: None where nothing is ended.
        on_progress: Hears what the training says, as without a judge.
        metrics: What is known before the first epoch.
    """

    def __init__(
        self,
        judge: Optional[Judge],
        on_progress: Callable[[Message], None],
        metrics: Mapping[str, Metric],
    ) -> None:
        self._judge = judge
        self._on_progress = on_progress
        self._metrics = dict(metrics)
        self._rows: List[Row] = []
        self._judgement: Optional[Judgement] = None
        self.earlier_s = 0.0  # what the epochs took that an earlier session trained

    def hear(self, message: Message) -> None:
        """Pass a message on; after an epoch, judge.

        Raises:
            Stopped: If the training is to be ended.
        """
        if message["event"] == "resumed":
            self._go_on_after(message["rows"])
            return
        self._on_progress(message)
        if message["event"] == "epoch":
            self._take({key: value for key, value in message.items() if key != "event"})

    @property
    def details(self) -> Dict[str, Any]:
        """The judgement, for a measurement's details; empty where there is none."""
        return {} if self._judgement is None else {PRUNED: self._judgement.to_dict()}

    def measurement(self) -> Measurement:
        """Return what a training that was ended has measured."""
        reason = "" if self._judgement is None else self._judgement.reason
        return Measurement(
            outcome=STOPPED,
            reason=reason,
            metrics=self._metrics,
            history=tuple(self._rows),
            details=self.details,
            wall_s=self.earlier_s,
        )

    def _go_on_after(self, rows: Sequence[Row]) -> None:
        """Judge the epochs that an earlier session trained: a verdict of then is one of now."""
        if not self._rows:
            self.earlier_s = sum(float(row.get("seconds", 0.0)) for row in rows)
        self._rows, self._judgement = [], None
        for row in rows:
            self._take(row)

    def _take(self, row: Row) -> None:
        if row["epoch"] == 1:  # a training that begins once more
            self._rows, self._judgement = [], None
        self._rows.append(row)
        if self._judge is None or self._judgement is not None:
            return
        self._judgement = self._judge(self._rows, self._metrics)
        if self._judgement is not None and not self._judgement.is_audit:
            raise Stopped
