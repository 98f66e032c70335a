"""What people see while a study runs: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
from typing import Any, Callable, Dict, Iterator

import click

from nas_edge.cli.lines import Lines

Event = Dict[str, Any]


@contextlib.contextmanager
def progress_for(quiet: bool) -> Iterator[Callable[[Event], None]]:
    """Yield a listener for a study's events."""
    from rich.console import Console

    console = Console(highlight=False)
    if quiet:
        yield lambda _: None
    elif sys.stdout.isatty() and console.is_interactive:  # TERM=dumb cannot draw
        from nas_edge.cli.live import LiveView

        with LiveView(console) as view:
            yield view
    else:
        yield Lines(click.echo)
