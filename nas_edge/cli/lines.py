"""A study's events as plain lines: for files, pipes and terminals that cannot draw."""

from __future__ import annotations

from typing import Callable

from nas_edge.config.units import format_bytes, format_seconds
from nas_edge.report.progress import Event, EventLines, candidate_head, left_after


class Lines(EventLines):
    """Writes a line for each candidate, epoch and note.

    Args:
        write: Takes one line.
        is_brief: Whether a candidate's progress is left out, because it is shown elsewhere.
    """

    def __init__(self, write: Callable[[str], None], is_brief: bool = False) -> None:
        super().__init__(write)
        self._is_brief = is_brief
        self._last_tail = ""
        self._epochs = 0

    def _on_study(self, event: Event) -> None:
        self._epochs = event["epochs"]
        device = event["device"]
        images = ", ".join(f"{n} {split}" for split, n in event["counts"].items())
        self._write(
            f"study {event['name']}: {event['num_points']:,} points of {event['space']}; "
            f"{event['data']} ({images}; {len(event['classes'])} classes; "
            f"{event['image_size']} px); {device['name']} ({device['kind']}, "
            f"{device['num_cores']} cores); in {event['out']}"
        )

    def _on_candidate(self, event: Event) -> None:
        left = event["time_left_s"]
        self._tail = f", about {format_seconds(left)} left" if left is not None else ""
        self._head, self._last_tail = candidate_head(event), left_after(event)
        self._progress("measuring memory")

    def _on_probed(self, event: Event) -> None:
        self._head += f", {format_bytes(event['peak_bytes'])}"
        self._progress("training")

    def _on_epoch(self, event: Event) -> None:
        self._progress(
            f"epoch {event['epoch']}/{self._epochs}: val accuracy {event['val_accuracy']:.3f}, "
            f"loss {event['loss']:.3f}, {event['seconds']:.1f} s"
        )

    def _on_measured(self, event: Event) -> None:
        measured = event["measurement"]
        if not measured.is_finished:
            self._write(f"{self._head}: {measured.outcome.replace('_', ' ')}: {measured.reason}")
            return
        accuracy = measured.metrics.get("val_accuracy")
        shown = f"val accuracy {accuracy.value:.3f}, " if accuracy else ""
        self._write(f"{self._head}: {shown}{format_seconds(measured.wall_s)}{self._last_tail}")

    def _progress(self, text: str) -> None:
        if not self._is_brief:
            self._write(f"{self._head}: {text}{self._tail}")
