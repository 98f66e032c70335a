"""A study's events as plain lines, one a candidate: for notebooks and scripts.

The command line has a live view of its own; here nothing is redrawn, so that the lines stay in a
notebook's output as they were.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Sequence

import click

from nas_edge.candidate.measurement import Measurement
from nas_edge.config.units import format_seconds
from nas_edge.report.rows import format_metric, metric_title

Event = Dict[str, Any]


def candidate_head(event: Event) -> str:
    """Return what a candidate's lines begin with: its place in the study and its name."""
    name = event["reference"] or f"trial {event['number']}"
    return f"[{event['position']}/{event['trials']}] {name}"


def left_after(event: Event) -> str:
    """Return how a candidate's last line ends: the time for those after it, as far as known."""
    later = event["trials"] - event["position"]
    left_s = event["time_left_s"]  # with this candidate
    if later <= 0 or left_s is None:
        return ""
    return f", about {format_seconds(left_s * later / (later + 1))} left"


class EventLines:
    """Writes lines of events: ``_on_KIND`` of a subclass hears of those of that kind.

    Args:
        write: Takes each line.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._head = ""
        self._tail = ""

    def __call__(self, event: Event) -> None:
        """Hear of an event; most of them say nothing."""
        handler = getattr(self, f"_on_{event['event']}", None)
        if handler is not None:
            handler(event)

    def _on_note(self, event: Event) -> None:
        self._write(event["text"])


class ProgressLines(EventLines):
    """Listens to a study: ``run_training_study(study, out=..., on_event=ProgressLines())``.

    Args:
        write: Takes each line.
    """

    def __init__(self, write: Callable[[str], None] = click.echo) -> None:
        super().__init__(write)
        self._objectives: Sequence[str] = ("val_accuracy", "peak_memory")

    def _on_study(self, event: Event) -> None:
        self._objectives = event["objectives"] or self._objectives
        images = ", ".join(f"{count} {split}" for split, count in event["counts"].items())
        device = event["device"]
        self._write(
            f"{event['name']}: {event['space']}, {event['num_points']:,} points; {images} images "
            f"of {len(event['classes'])} classes; {device['name']} ({device['kind']})"
        )

    def _on_candidate(self, event: Event) -> None:
        self._head, self._tail = candidate_head(event), left_after(event)

    def _on_measured(self, event: Event) -> None:
        measured = event["measurement"]
        took = format_seconds(measured.wall_s)
        self._write(f"{self._head}: {self._outcome(measured)}; {took}{self._tail}")

    def _outcome(self, measured: Measurement) -> str:
        if not measured.is_finished:
            return f"{measured.outcome.replace('_', ' ')} ({measured.reason})"
        there = [name for name in self._objectives if name in measured.metrics]
        figures = [(name, measured.metrics[name]) for name in there]
        return ", ".join(
            f"{metric_title(name)} {format_metric(name, metric.value, metric.unit)}"
            for name, metric in figures
        )
