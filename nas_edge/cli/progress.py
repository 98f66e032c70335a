"""What is printed while a study runs: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Dict, Iterator, Optional

import click

from nas_edge.config.units import format_bytes, format_seconds

Event = Dict[str, Any]


@contextlib.contextmanager
def progress_for(quiet: bool) -> Iterator[Callable[[Event], None]]:
    """Yield a listener for a study's events."""
    from rich.console import Console

    if quiet:
        yield _ignore
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        yield _Lines(click.echo)
        return
    with console.status("starting") as status:
        lines = _Lines(
            lambda text: console.print(text, markup=False),
            live=lambda text: status.update(_escape(text)),
        )
        yield lines


class _Lines:
    """Turns events into lines: one a candidate, one an epoch, one a note."""

    def __init__(
        self, write: Callable[[str], None], live: Optional[Callable[[str], None]] = None
    ) -> None:
        self._write = write
        self._live = live
        self._head = ""
        self._tail = ""
        self._epochs = 0

    def __call__(self, event: Event) -> None:
        handler = getattr(self, f"_on_{event['event']}", None)
        if handler is not None:
            handler(event)

    def _on_note(self, event: Event) -> None:
        self._write(event["text"])

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
        name = event["reference"] or f"trial {event['number']}"
        left = event["time_left_s"]
        self._tail = f", about {format_seconds(left)} left" if left is not None else ""
        self._head = f"[{event['position']}/{event['trials']}] {name}"
        self._progress("measuring memory")

    def _on_probed(self, event: Event) -> None:
        self._head += f", {format_bytes(event['peak_bytes'])}"
        self._progress("training")

    def _on_step(self, event: Event) -> None:
        if self._live:
            self._progress(
                f"epoch {event['epoch']}/{self._epochs}, step {event['step']}/{event['steps']}"
            )

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
        self._write(f"{self._head}: {shown}{format_seconds(measured.wall_s)}{self._tail}")

    def _progress(self, text: str) -> None:
        line = f"{self._head}: {text}{self._tail}"
        if self._live:
            self._live(line)
        else:
            self._write(line)


def _ignore(event: Event) -> None:
    """Print nothing."""
    del event


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
