"""The commands that look at a run: its front, its report."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, Optional, Sequence, Union

import click

from nas_edge.errors import ConfigError


def front_command(
    runs: Sequence[str], confidence: Optional[float], as_json: bool, as_csv: bool
) -> None:
    """Print the front of a run; or of several and with its noise, a point a network."""
    from nas_edge.study.run import open_run

    if as_json and as_csv:
        raise ConfigError("--json and --csv must not be given together")
    _check_different(runs)
    opened = [open_run(run) for run in runs]
    if len(opened) > 1 or confidence is not None:
        _show_noisy(runs, opened, confidence, as_json, as_csv)
    else:
        _show_plain(runs[0], opened[0], as_json, as_csv)


def _show_plain(path: str, run: Any, as_json: bool, as_csv: bool) -> None:
    from nas_edge.report.repeats import repeated_finalists
    from nas_edge.report.rows import front_rows
    from nas_edge.report.tables import front_csv, front_json

    rows = front_rows(run.records, run.objectives)
    if as_json:
        head = {"run": str(path), "study": run.name, "objectives": list(run.objectives)}
        click.echo(front_json(rows, head))
    elif as_csv:
        click.echo(front_csv(rows, run.objectives), nl=False)
    else:
        print_front(run.name, run.records, run.objectives)
        if run.finalists is not None:
            path = shlex.quote(str(path))
            noisy = f"; their seeds considered: nas-edge front {path} --confidence 0.9"
            click.echo(
                f"its finalists: nas-edge report {path}{noisy if repeated_finalists(run) else ''}"
            )


def _show_noisy(
    paths: Sequence[str],
    runs: Sequence[Any],
    confidence: Optional[float],
    as_json: bool,
    as_csv: bool,
) -> None:
    from rich.console import Console

    from nas_edge.report.confident import noisy_csv, noisy_front, noisy_json, noisy_table
    from nas_edge.report.side_by_side import labels_of

    found = noisy_front(runs, labels_of(runs), confidence)
    if as_json:
        head = {
            "runs": list(paths),
            "study": runs[0].name,
            "objectives": list(runs[0].objectives),
        }
        click.echo(noisy_json(found, head))
    elif as_csv:
        click.echo(noisy_csv(found), nl=False)
    else:
        console = Console()
        if not console.is_terminal:
            console = Console(width=160)
        console.print(noisy_table(found, ", ".join(dict.fromkeys(run.name for run in runs))))


def _check_different(runs: Sequence[str]) -> None:
    if len({Path(run).resolve() for run in runs}) < len(runs):
        raise ConfigError("each RUN must be given once")


def print_front(name: str, records: Any, objectives: Any) -> None:
    """Print the front as a table, with a line on what is not in it."""
    from rich.console import Console

    from nas_edge.report.rows import front_rows, outcome_counts
    from nas_edge.report.tables import front_table, metric_names
    from nas_edge.study.pruning import summarise_pruning

    rows = front_rows(records, objectives)
    title = f"{name}: {metric_names(objectives)}"
    console = Console()
    width: Optional[int] = console.width
    if not console.is_terminal:
        console, width = Console(width=160), None
    console.print(front_table(rows, objectives, title, width))
    counts = outcome_counts(records)
    console.print(
        f"{len(records)} candidate{'' if len(records) == 1 else 's'}"
        + (": " if counts else "")
        + ", ".join(f"{n} {k.replace('_', ' ')}" for k, n in counts.items()),
        markup=False,
    )
    pruning = summarise_pruning(records).sentence
    if pruning:
        console.print(pruning, markup=False)


def report_command(
    runs: Sequence[str], out: Optional[str], kind: str, accuracy_frontier: Optional[float]
) -> None:
    """Write a report of runs, or their front as a file of another kind."""
    from nas_edge.study.run import open_run

    _check_different(runs)
    opened = [open_run(run) for run in runs]
    if out == "-":
        click.echo(_rendered(opened, kind, accuracy_frontier), nl=False)
        return
    path = Path(out) if out else None
    if kind == "html":
        from nas_edge.report.html import write_report

        written = write_report(opened, path, accuracy_frontier)
    else:
        from nas_edge.report.formats import write_format

        written = write_format(opened, kind, path, accuracy_frontier)
    click.echo(f"report: {written}")


def _rendered(
    runs: Sequence[Any], kind: str, accuracy_frontier: Optional[float]
) -> Union[str, bytes]:
    if kind == "html":
        from nas_edge.report.html import render_report

        return render_report(runs, accuracy_frontier)
    from nas_edge.report.formats import render_format

    return render_format(runs, kind, accuracy_frontier)
