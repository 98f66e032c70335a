"""A candidate's files: architecture, history, learning curve, measurement."""

from __future__ import annotations

import csv
import io
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Iterable, List, Mapping, Sequence, Tuple

import yaml

from nas_edge.candidate.measurement import Measurement, finite_number
from nas_edge.study.run_folder import write_whole


def write_candidate(folder: Path, point: Any, measurement: Measurement) -> List[Path]:
    """Write a candidate's files; ``measurement.json`` comes last and says that all are there.

    Returns:
        The small files that Optuna's dashboard shows.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shown = [folder / "architecture.yaml"]
    write_whole(shown[0], yaml.safe_dump(point, sort_keys=False, default_flow_style=None))
    if measurement.history:
        shown.append(folder / "history.csv")
        write_whole(shown[1], _csv(measurement.history))
        if all("epoch" in row for row in measurement.history):
            shown.append(folder / "curve.png")
            draw_curve(measurement.history, shown[2])
    write_whole(folder / "measurement.json", json.dumps(measurement.to_dict(), indent=1))
    return shown


def draw_curve(history: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw accuracy and memory by epoch (the paper's Figure 3 for one candidate)."""
    figure = _axes_to_draw_on()
    drawn: List[Any] = []
    try:
        for axes, what, unit, lines in zip(figure.axes, _QUANTITIES, _UNITS, _LINES):
            drawn += _draw_lines(axes, history, what, lines, unit)
        memory = figure.axes[1]
        memory.set_ylim(0.0, 1.1 * memory.dataLim.ymax if memory.lines else 1.0)
        figure.savefig(path, format="png")
    finally:
        for artist in drawn:
            artist.remove()


_QUANTITIES = ("accuracy", "memory_bytes")
_UNITS = (1.0, 2.0**20)
_LINES = ({"train": "#999999", "val": "#0b6e4f"}, {"peak": "#b23a48", "mean": "#e0a458"})


@lru_cache(maxsize=None)
def _axes_to_draw_on() -> Any:
    """Return a figure with two empty axes, made once: that takes as long as the drawing."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    # Fixed margins: a computed layout would double the time.
    figure = Figure(figsize=(7.0, 2.8), dpi=90)
    figure.subplots_adjust(left=0.09, right=0.985, bottom=0.18, top=0.95, wspace=0.25)
    FigureCanvasAgg(figure)
    accuracy, memory = figure.subplots(1, 2)
    accuracy.set(xlabel="epoch", ylabel="accuracy", ylim=(0.0, 1.0))
    memory.set(xlabel="epoch", ylabel="memory in training (MiB)")
    for axes in (accuracy, memory):
        axes.locator_params(axis="y", nbins=4)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True, min_n_ticks=1))
    return figure


def _draw_lines(
    axes: Any,
    history: Sequence[Mapping[str, Any]],
    what: str,
    colours: Mapping[str, str],
    unit: float,
) -> List[Any]:
    """Draw those of ``train_accuracy``, ``peak_memory_bytes``, ... that the history has."""
    drawn: List[Any] = []
    for name, colour in colours.items():
        rows = _finite((row["epoch"], row.get(f"{name}_{what}")) for row in history)
        if rows:
            epochs, values = zip(*rows)
            marker = "o" if len(rows) == 1 else ""  # a line of one point is none
            scaled = [value / unit for value in values]
            drawn += axes.plot(epochs, scaled, color=colour, label=name, marker=marker)
    if drawn:
        axes.relim()
        axes.autoscale_view(scaley=False)
        drawn.append(axes.legend(frameon=False, loc="lower right"))
    return drawn


def _finite(rows: Iterable[Tuple[Any, Any]]) -> List[Tuple[float, float]]:
    """Return the pairs that are numbers: an evaluator of one's own may leave gaps."""
    found = ((finite_number(epoch), finite_number(value)) for epoch, value in rows)
    return [(epoch, value) for epoch, value in found if epoch is not None and value is not None]


def _csv(history: Sequence[Mapping[str, Any]]) -> str:
    out = io.StringIO()
    names = list(dict.fromkeys(name for row in history for name in row))
    writer = csv.DictWriter(out, fieldnames=names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return out.getvalue()
