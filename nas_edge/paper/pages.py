"""All figures of a command written down: one HTML file that loads nothing, and a PNG each."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Sequence, Union

from nas_edge.errors import ConfigError
from nas_edge.paper.drawing import draw_epochs, draw_quadrants
from nas_edge.paper.interactive import epoch_figure, quadrant_figure
from nas_edge.paper.logs import EpochLog
from nas_edge.paper.plots import (
    EpochPlot,
    QuadrantPlot,
    logged_epochs,
    published_quadrants,
    run_epochs,
    run_quadrants,
)
from nas_edge.paper.published import published
from nas_edge.paper.run_sets import RunSet
from nas_edge.paper.settings import nearest_table
from nas_edge.paper.tables import set_remarks
from nas_edge.report.html import plot_html
from nas_edge.study.run_folder import unwritable, write_whole

Plot = Union[QuadrantPlot, EpochPlot]
PAGE = "figures.html"


def write_figures(logs: Sequence[EpochLog], sets: Sequence[RunSet], out: Path) -> List[Path]:
    """Write Figures 3 and 4 of the paper, the logs and each set of runs into a folder.

    Returns:
        The files, the HTML page first.
    Raises:
        ConfigError: If ``out`` is a file.
        StudyError: If a set's figures come from different sources.
        EnvironmentProblem: If the folder cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out}: must be a folder or new, but is something else")
    plots: List[Plot] = [*published_quadrants(), *logged_epochs(logs)]
    remarks: Dict[str, List[str]] = {}
    for one in sets:
        for plot in (run_epochs(one), run_quadrants(one)):
            if plot is not None:
                plots.append(plot)
                remarks[plot.title] = set_remarks(one, nearest_table(one.identity))
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / PAGE, render_page(plots, remarks))
        return [out / PAGE, *_pictures(plots, out)]
    except OSError as err:
        raise unwritable(out, err) from err


def render_page(plots: Sequence[Plot], remarks: Dict[str, List[str]]) -> str:
    """Return the page of all plots; ``remarks`` are further lines under a plot, by its title."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("nas_edge.paper"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    paper = published().paper
    return environment.get_template("figures.html").render(
        title="Figures 3 and 4",
        source=f"{paper.authors}: {paper.title} ({paper.year}), {paper.url}",
        figures=[
            {
                "title": plot.title,
                "plot": plot_html(_interactive(plot), first=i == 0),
                "texts": [*_explanation(plot), *remarks.get(plot.title, [])],
            }
            for i, plot in enumerate(plots)
        ],
    )


def _pictures(plots: Sequence[Plot], out: Path) -> List[Path]:
    paths: List[Path] = []
    for plot in plots:
        path, number = out / f"{plot.file}.png", 2
        while path in paths:  # titles that differ in what a file's name leaves out
            path, number = out / f"{plot.file}-{number}.png", number + 1
        if isinstance(plot, QuadrantPlot):
            draw_quadrants(plot, path)
        else:
            draw_epochs(plot, path)
        paths.append(path)
    return paths


def _interactive(plot: Plot) -> Any:
    return quadrant_figure(plot) if isinstance(plot, QuadrantPlot) else epoch_figure(plot)


def _explanation(plot: Plot) -> List[str]:
    if isinstance(plot, EpochPlot):
        return []
    regions = plot.regions
    named = "; ".join(
        f"{point.name}: {region}" for point, region in zip(plot.points, regions.labels)
    )
    return [
        f"Dotted: the accuracy frontier at {100 * regions.accuracy_frontier:.0f}%, the memory "
        f"frontier at {regions.memory_frontier:.1f}, the midpoint of the least and the most.",
        f"{named}.",
    ]
