"""The commands that look at a run: its front, its report."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional, Sequence

import click

from nas_edge.errors import ConfigError


def front_command(run: str, as_json: bool, as_csv: bool) -> None:
    """Print a run's front."""
    from nas_edge.report.rows import front_rows
    from nas_edge.report.tables import front_csv, front_json
    from nas_edge.study.run import open_run

    if as_json and as_csv:
        raise ConfigError("--json and --csv must not be given together")
    opened = open_run(run)
    rows = front_rows(opened.records, opened.objectives)
    if as_json:
        head = {"run": str(run), "study": opened.name, "objectives": list(opened.objectives)}
        click.echo(front_json(rows, head))
    elif as_csv:
        click.echo(front_csv(rows, opened.objectives), nl=False)
    else:
        print_front(opened.name, opened.records, opened.objectives)


def print_front(name: str, records: Any, objectives: Any) -> None:
    """Print the front as a table, with a line on what is not in it."""
    from rich.console import Console

    from nas_edge.report.rows import front_rows, outcome_counts
    from nas_edge.report.tables import front_table, metric_names

    rows = front_rows(records, objectives)
    title = f"{name}: {metric_names(objectives)}"
    console = Console()
    width: Optional[int] = console.width
    if not console.is_terminal:
        console, width = Console(width=160), None
    console.print(front_table(rows, objectives, title, width))
    counts = outcome_counts(records)
    console.print(
        f"{len(records)} candidate{'' if len(records) == 1 else 's'}: "
        + ", ".join(f"{n} {k.replace('_', ' ')}" for k, n in counts.items()),
        markup=False,
    )


def report_command(
    runs: Sequence[str], out: Optional[str], kind: str, accuracy_frontier: Optional[float]
) -> None:
    """Write a report of runs, or their front as a file of another kind."""
    from nas_edge.study.run import open_run

    if len({Path(run).resolve() for run in runs}) < len(runs):
        raise ConfigError("each RUN must be given once")
    opened = [open_run(run) for run in runs]
    path = Path(out) if out else None
    if kind == "html":
        from nas_edge.report.html import write_report

        written = write_report(opened, path, accuracy_frontier)
    else:
        from nas_edge.report.formats import write_format

        written = write_format(opened, kind, path, accuracy_frontier)
    click.echo(f"report: {written}")
