"""Figures 3 and 4 as PNG files, drawn by matplotlib without a screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Tuple

from nas_edge.paper.interactive import ACCURACY_TOP, CORNERS, REGION_COLOUR
from nas_edge.paper.labels import label_sides
from nas_edge.paper.plots import EpochPlot, QuadrantPlot

_INK = "#3e4c59"
_GRID = "#e4e7eb"
# Of a point's name: its distance in points, and how it is aligned.
_OFFSETS = {
    "top": ((0, 8), "center", "bottom"),
    "bottom": ((0, -8), "center", "top"),
    "right": ((9, 0), "left", "center"),
    "left": ((-9, 0), "right", "center"),
}


def draw_quadrants(plot: QuadrantPlot, path: Path) -> None:
    """Draw Figure 4: test accuracy against memory, the two frontiers and the four regions."""
    from matplotlib.ticker import PercentFormatter

    figure, (axes,) = _figure(1, (7.2, 5.4))
    for point, side in zip(plot.points, label_sides(plot, ACCURACY_TOP)):
        axes.errorbar(
            point.memory,
            point.accuracy,
            xerr=point.memory_deviation,
            yerr=point.accuracy_deviation,
            fmt="o",
            color=point.colour,
            markersize=8,
            elinewidth=1.2,
            capsize=3,
        )
        offset, across, along = _OFFSETS[side]
        axes.annotate(
            _plain(point.name),
            (point.memory, point.accuracy),
            xytext=offset,
            textcoords="offset points",
            ha=across,
            va=along,
            color=point.colour,
            fontsize=10,
        )
    regions = plot.regions
    axes.axhline(regions.accuracy_frontier, color=_INK, linewidth=1, linestyle=":")
    axes.axvline(regions.memory_frontier, color=_INK, linewidth=1, linestyle=":")
    for region, (x, y) in CORNERS.items():
        axes.text(
            0.01 if x == "left" else 0.99,
            0.015 if y == "bottom" else 0.985,
            region,
            transform=axes.transAxes,
            ha=x,
            va=y,
            color=REGION_COLOUR,
            fontsize=9,
        )
    axes.set(
        xlim=plot.memory_range,
        ylim=(0.0, ACCURACY_TOP),
        xlabel=_plain(plot.memory_title),
        ylabel="test accuracy",
    )
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    figure.suptitle(_plain(plot.title), fontsize=11, color=_INK)
    figure.savefig(path, format="png")


def draw_epochs(plot: EpochPlot, path: Path) -> None:
    """Draw Figure 3: accuracies and memory by epoch."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure, (accuracy, memory) = _figure(2, (10.0, 4.4))
    for curve in plot.curves:
        name = _plain(curve.name) if curve.is_first else None
        marker = "o" if len(curve.epochs) == 1 else None
        line = {"color": curve.colour, "linewidth": 1.6, "marker": marker}
        accuracy.plot(curve.epochs, curve.train_accuracy, label=name, **line)
        accuracy.plot(
            curve.epochs, curve.val_accuracy, **{**line, "linewidth": 1.0, "linestyle": ":"}
        )
        memory.plot(curve.epochs, curve.memory, **line)
    accuracy.set(xlabel="epoch", ylabel="accuracy (dotted: validation)", ylim=(0.0, 1.02))
    accuracy.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    memory.set(xlabel="epoch", ylabel=_plain(plot.memory_title))
    for axes in (accuracy, memory):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.suptitle(_plain(plot.title), fontsize=11, color=_INK)
    figure.legend(
        *accuracy.get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False
    )
    figure.savefig(path, format="png")


def _figure(num_axes: int, size: Tuple[float, float]) -> Tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=120, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, num_axes, squeeze=False)[0]
    for one in axes:
        one.grid(color=_GRID)
        one.set_axisbelow(True)
        one.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _plain(text: str) -> str:
    """Return a text that matplotlib shows as it is: a dollar sign would begin a formula."""
    return text.replace("$", r"\$")
