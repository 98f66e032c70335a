"""`nas-edge doctor`: what this machine is, and the command that mends each problem."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, List, Sequence, Tuple

import click

from nas_edge.candidate.child_check import check_child
from nas_edge.config.units import format_bytes
from nas_edge.device.check import NOTE, OK, PROBLEM
from nas_edge.device.doctor import Examination, examine
from nas_edge.device.figures import Figure
from nas_edge.version import __version__

STYLES = {OK: "green", NOTE: "yellow", PROBLEM: "bold red"}
Rows = Sequence[Tuple[str, ...]]


def doctor_command(as_json: bool, device: str, out: str) -> None:
    """Print an examination of this machine; exit with 1 if a study would not run."""
    found = examine(device, Path(out), check_child)
    if as_json:
        click.echo(json.dumps({"nas_edge": __version__, **found.to_dict()}, indent=1))
    else:
        _print(found)
    if not found.would_run:
        click.get_current_context().exit(1)


def _print(found: Examination) -> None:
    _print_table("This machine", [(one.state, one.name, one.found) for one in found.checks])
    if found.figures:
        rows = [(NOTE if one.why_not else OK, one.name, _figure(one)) for one in found.figures]
        _print_table("What will be measured with which meter", rows)
    for one in found.checks:
        if one.state != OK:
            click.echo(f"{one.state}: {one.name}: {one.found}\n    {one.mend}")
    click.echo(_verdict(found))


def _verdict(found: Examination) -> str:
    num_problems = sum(one.state == PROBLEM for one in found.checks)
    if num_problems:
        plural = "s" if num_problems > 1 else ""
        return f"a study would not run here: {num_problems} problem{plural} to mend first"
    kind = found.device.kind if found.device else "cpu"
    return f"a study would run here, on {kind}"


def _figure(figure: Figure) -> str:
    if figure.why_not:
        return f"not measured: {figure.why_not}"
    return figure.source + (f" (now {_amount(figure)})" if figure.now is not None else "")


def _amount(figure: Figure) -> str:
    assert figure.now is not None
    if figure.unit == "bytes":
        return format_bytes(figure.now)
    if figure.unit == "share":
        return f"{figure.now:.0%}"
    return f"{figure.now:.3g} {figure.unit}"


def _print_table(title: str, rows: Rows) -> None:
    try:
        import rich  # noqa: F401
    except ImportError:  # one of the packages that may be missing, and must be told
        _print_plain(title, rows)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(_table(title, [[Text(cell) for cell in row] for row in rows]))


def _table(title: str, rows: List[List[Any]]) -> Any:
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for state, name, text in rows:
        state.stylize(STYLES[state.plain])
        table.add_row(state, name, text)
    return table


def _print_plain(title: str, rows: Rows) -> None:
    click.echo(title)
    for state, name, text in rows:
        click.echo(f"  {state:<8} {name:<26} {text}")
