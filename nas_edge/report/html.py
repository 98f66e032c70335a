"""One HTML file about a run, or several, that opens without a network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Union

from nas_edge.errors import ConfigError
from nas_edge.report.frontier import accuracy_frontier_of
from nas_edge.report.page import run_section, table_rows
from nas_edge.report.payload import metrics_of, payload
from nas_edge.report.rows import metric_title
from nas_edge.report.side_by_side import labels_of, side_by_side
from nas_edge.report.verdict import verdict
from nas_edge.study.run import Run
from nas_edge.study.run_folder import unwritable, write_whole

__all__ = ["plot_html", "render_report", "verdict", "write_report"]

Runs = Union[Run, Sequence[Run]]
# Joined into one script, in this order.
SCRIPTS = (
    "format.js",
    "plots.js",
    "drawing.js",
    "details.js",
    "front.js",
    "table.js",
    "choice.js",
    "page.js",
)


def write_report(
    runs: Runs, out: Optional[Path] = None, accuracy_frontier: Optional[float] = None
) -> Path:
    """Write the report about a run, or several side by side, and return its path.

    Args:
        runs: One of `open_run`, or several.
        out: The file; ``report.html`` in the first run's folder by default.
        accuracy_frontier: Of the paper's quadrants; each study's own by default.
    Raises:
        ConfigError: If the path is a folder, a device or a pipe.
        EnvironmentProblem: If the file cannot be written.
    """
    path = out or _listed(runs)[0].folder.path / "report.html"
    write_out(path, render_report(runs, accuracy_frontier))
    return path


def write_out(out: Path, content: Union[str, bytes]) -> None:
    """Write a file whole where a path leads: the file that a link names, not the link, is new."""
    path = checked_out(out)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as err:
        raise unwritable(path, err) from err


def checked_out(out: Path) -> Path:
    """Return the path to write to.

    Raises:
        ConfigError: If something else than a file is there.
    """
    path = Path(os.path.realpath(out))
    if path.exists() and not path.is_file():
        raise ConfigError(f"--out {path}: must be a file or new, but is something else")
    return path


def render_report(runs: Runs, accuracy_frontier: Optional[float] = None) -> str:
    """Return the report's HTML; the accuracy frontier is each study's if none is given."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    listed = _listed(runs)
    labels = labels_of(listed)
    frontiers = [
        accuracy_frontier_of(run) if accuracy_frontier is None else accuracy_frontier
        for run in listed
    ]
    environment = Environment(
        loader=PackageLoader("nas_edge.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    metrics = metrics_of(listed)
    sections = [
        run_section(run, label, frontier, listed)
        for run, label, frontier in zip(listed, labels, frontiers)
    ]
    return environment.get_template("report.html").render(
        title=listed[0].name if len(listed) == 1 else f"{len(listed)} runs side by side",
        style=Markup(_asset("report.css")),
        script=Markup("".join(map(_asset, SCRIPTS))),
        data=Markup(payload(listed, labels, frontiers)),
        sections=sections,
        has_finalists=any(section["finalists"] for section in sections),
        side_by_side=side_by_side(listed) if len(listed) > 1 else None,
        heads=[(name, metric_title(name)) for name in metrics],
        rows=_table_rows(listed, labels, metrics),
    )


def plot_html(figure: Any, first: bool) -> str:
    """Return a plot as a part of a page; the first one brings plotly with it."""
    return str(
        figure.to_html(
            full_html=False,
            include_plotlyjs=first,
            config={"displaylogo": False, "responsive": True},
        )
    )


def _listed(runs: Runs) -> List[Run]:
    return [runs] if isinstance(runs, Run) else list(runs)


def _table_rows(
    runs: Sequence[Run], labels: Sequence[str], metrics: Sequence[str]
) -> List[Dict[str, Any]]:
    return [
        {**row, "run": label}
        for run, label in zip(runs, labels)
        for row in table_rows(run, metrics)
    ]


def _asset(name: str) -> str:
    """Return a file of this project's own that becomes part of the page."""
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")
