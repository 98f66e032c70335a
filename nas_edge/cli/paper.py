"""The commands that show the paper's tables and figures beside runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, List, Optional, Sequence

import click

from nas_edge.errors import ConfigError

if TYPE_CHECKING:
    from nas_edge.paper.run_sets import RunSet
    from nas_edge.paper.views import View


def tables_command(
    runs: Sequence[str], history: Optional[str], as_json: bool, as_csv: bool, form: Optional[str]
) -> None:
    """Print Tables 1 and 2 beside runs, and what the authors' logs say of them."""
    from nas_edge.paper.checks import check_cells
    from nas_edge.paper.listing import tables_csv, tables_json
    from nas_edge.paper.logs import load_logs
    from nas_edge.paper.tables import checks_view, logs_view, table_views

    if as_json + as_csv + (form is not None) > 1:
        raise ConfigError("--json, --csv and --format must not be given together")
    logs = load_logs(Path(history)) if history is not None else []
    checks = check_cells(logs) if history is not None else []
    sets = _open(runs)
    if as_json:
        click.echo(tables_json(sets, logs, checks))
    elif as_csv:
        click.echo(tables_csv(sets, checks), nl=False)
    else:
        _print(table_views(sets) + ([logs_view(logs), checks_view(checks)] if checks else []), form)


def figures_command(runs: Sequence[str], history: Optional[str], out: str) -> None:
    """Write Figures 3 and 4 as HTML and PNG."""
    from nas_edge.paper.logs import load_logs
    from nas_edge.paper.pages import write_figures
    from nas_edge.paper.plots import is_drawable

    logs = load_logs(Path(history)) if history is not None else []
    sets = _open(runs)
    for path in write_figures(logs, sets, Path(out)):
        click.echo(str(path))
    for one in sets:
        if not is_drawable(one):
            folders = ", ".join(str(run.folder.path) for run in one.runs)
            click.echo(
                f"{folders}: nothing is drawn; no handcrafted network has epochs, or test accuracy "
                "and peak memory",
                err=True,
            )
    if not logs and not runs:
        click.echo("Figure 3 needs the authors' logs (--history DIR) or a RUN", err=True)


def _open(runs: Sequence[str]) -> List[RunSet]:
    if not runs:
        return []
    from nas_edge.paper.run_sets import open_sets

    return open_sets(runs)


def _print(views: Sequence[View], form: Optional[str]) -> None:
    from nas_edge.paper.views import latex_view, markdown_view, terminal_view

    if form is not None:
        write = markdown_view if form == "md" else latex_view
        click.echo("\n".join(write(view) for view in views), nl=False)
        return
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    for view in views:
        console.print(terminal_view(view))
        console.print()
