"""A time budget as a plan: how much the search gets, what is kept for the finalists, what fits."""

from __future__ import annotations

import statistics
from typing import Callable, List, Optional, Sequence

from nas_edge.config.units import format_seconds
from nas_edge.study.records import TrialRecord
from nas_edge.study.session import Event

HEADING = "time budget"


class TimePlan:
    """What a study's time budget holds; hears the study's events and says so in notes.

    Args:
        budget_s: The whole.
        finalists_share: What of it the search leaves to `nas-edge finalize`.
        epochs: Of a training.
    """

    def __init__(self, budget_s: float, finalists_share: float, epochs: int) -> None:
        self.search_s = budget_s * (1.0 - finalists_share)
        self.kept_s = budget_s - self.search_s
        self._epochs = epochs
        self._records: Sequence[TrialRecord] = ()
        self._is_told = False

    def told_to(self, on_event: Callable[[Event], None]) -> Callable[[Event], None]:
        """Return a listener that hears every event, and each note of the plan after its cause."""

        def listen(event: Event) -> None:
            on_event(event)
            text = self._about(event)
            if text:
                on_event({"event": "note", "text": f"{HEADING}: {text}"})

        return listen

    def _about(self, event: Event) -> str:
        kind = event["event"]
        if kind == "known":
            self._records = event["records"]
            return "" if self._is_told else self._what_fits()
        if kind == "study":
            return self._split()
        if kind == "epoch" and not self._is_told:
            return self._too_small_for(event["seconds"] * self._epochs)
        if kind == "ended":
            return self._kept()
        return ""

    def _split(self) -> str:
        if not self.kept_s:
            return f"{format_seconds(self.search_s)} to search, nothing kept for finalists"
        return (
            f"{format_seconds(self.search_s)} to search, {format_seconds(self.kept_s)} kept for "
            "nas-edge finalize"
        )

    def _too_small_for(self, training_s: float) -> str:
        """Say, after an epoch of the first candidate, that it is the only one that fits."""
        if self._records or 2 * training_s <= self.search_s:
            return ""
        self._is_told = True
        fits = "hardly one" if training_s > self.search_s else "one"
        return (
            f"{fits} training fits, each takes about {format_seconds(training_s)}; raise "
            "time_budget, or lower recipe.epochs or recipe.image_size"
        )

    def _what_fits(self) -> str:
        each = self._training_s()
        if each is None:
            return ""
        self._is_told = True
        left = max(self.search_s - self._spent_s(), 0.0)
        return (
            f"a training takes about {format_seconds(each)}: about {int(left / each)} more fit "
            f"into the {format_seconds(left)} that the search has left"
        )

    def _kept(self) -> str:
        each = self._training_s()
        if each is None or not self.kept_s:
            return ""
        left = self.search_s + self.kept_s - self._spent_s()
        if left < each:
            return f"nothing is left for nas-edge finalize, a training takes {format_seconds(each)}"
        return (
            f"{format_seconds(left)} are left for nas-edge finalize; a training takes about "
            f"{format_seconds(each)}"
        )

    def _spent_s(self) -> float:
        return sum(record.measurement.wall_s for record in self._records)

    def _training_s(self) -> Optional[float]:
        """Return the median length of a training to the end, or None before there is one."""
        done = [record.measurement for record in self._records if record.measurement.is_finished]
        times: List[float] = [measurement.wall_s for measurement in done]
        return statistics.median(times) if times else None
