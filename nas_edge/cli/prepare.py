"""`nas-edge data prepare-pcb`."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

import click

from nas_edge.cli.interrupts import interrupt
from nas_edge.errors import ConfigError


def prepare_command(source: str, out: str, workers: Optional[int], **options: Any) -> None:
    """Cut HRIPCB's boards into class folders of crops, and say what came out."""
    from nas_edge.data.hripcb.options import PrepareOptions
    from nas_edge.data.hripcb.prepare import prepare_pcb

    if options["val"] + options["test"] >= 0.9:
        raise ConfigError(
            f"--val and --test must leave a tenth for train, but come to "
            f"{options['val'] + options['test']:g}"
        )
    signal.signal(signal.SIGTERM, interrupt)
    try:
        with _progress() as on_progress:
            made = prepare_pcb(
                Path(source),
                Path(out),
                PrepareOptions(**options),
                workers=workers,
                on_progress=on_progress,
            )
    except KeyboardInterrupt:
        click.echo("stopped; the same command goes on where it was", err=True)
        raise
    if made.was_there:
        click.echo(f"{out}: is there already, made with these options")
    for split, counts in made.counts.items():
        classes = ", ".join(f"{count} {name}" for name, count in counts.items())
        click.echo(f"{split}: {classes}; boards {', '.join(made.boards[split])}")
    click.echo(f"{out}: {_total(made.counts)} images; try: nas-edge run pcb --data {out}")


def _total(counts: Any) -> int:
    return sum(sum(of_split.values()) for of_split in counts.values())


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Yield what moves a bar on stderr; on no terminal it is silent."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), "crops", TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("crops", total=None)

        def move(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield move
