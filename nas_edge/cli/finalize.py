"""`nas-edge finalize`: a search's best trained again from new seeds, and how sure it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import click

from nas_edge.cli.audience import audience_for, told_to
from nas_edge.cli.next_steps import FINALISTS


def finalize_command(
    path: str,
    *,
    seeds: int,
    fronts: int,
    epochs: Optional[int],
    device: str,
    time_budget: Optional[str],
    quiet: bool,
    as_json: bool,
) -> None:
    """Train a run's finalists and print their means, intervals and probabilities."""
    audience = audience_for(quiet, as_json, kind=FINALISTS)
    folder = Path(path)
    with told_to(audience):
        from nas_edge.report.finalists import finalists_of
        from nas_edge.report.html import write_report
        from nas_edge.study.finalists import finalize_run
        from nas_edge.study.run import open_run

        with audience.watching(folder) as on_event:
            finalize_run(
                folder,
                seeds=seeds,
                fronts=fronts,
                epochs=epochs,
                device=device,
                time_budget_s=_seconds(time_budget),
                on_event=on_event,
            )
        run = open_run(folder)
        found = finalists_of(run)
        rows = () if found is None else found.rows
        failed = [row.name for row in rows if not row.seeds]
        audience.finish(
            run, write_report(run), lambda: print_finalists(run.name, found), 1 if failed else 0
        )
    if failed:
        click.echo(
            f"no figures of {', '.join(failed)}: the run keeps what happened; to train again, "
            f"remove {run.folder.finalists}",
            err=True,
        )
        click.get_current_context().exit(1)


def _seconds(time: Optional[str]) -> Optional[float]:
    from nas_edge.config.units import parse_seconds
    from nas_edge.errors import ConfigError

    if time is None:
        return None
    try:
        return parse_seconds(time)
    except ValueError as err:
        raise ConfigError(f"--time-budget {err}") from err


def print_finalists(name: str, found: Any) -> None:
    """Print what came of finalists as a table."""
    from rich.console import Console

    from nas_edge.report.finalists_table import finalists_table

    console = Console()
    width: Optional[int] = console.width
    if not console.is_terminal:
        console, width = Console(width=160), None
    console.print(finalists_table(found, f"{name}: finalists", width))
