"""The front as a PNG or SVG picture, drawn by matplotlib without a screen or a browser."""

from __future__ import annotations

import io
from typing import Any, Dict, List, Optional, Sequence, Tuple

from nas_edge.candidate.measurement import METRICS
from nas_edge.errors import ConfigError
from nas_edge.pareto import quadrants
from nas_edge.report.figures import has_quadrants
from nas_edge.report.frontier import accuracy_frontier_of
from nas_edge.report.markup import one_line
from nas_edge.report.rows import metric_title, unit_of
from nas_edge.report.side_by_side import axis_groups, labels_of
from nas_edge.study.records import TrialRecord, comparable, direction_of, front_of
from nas_edge.study.run import Run

_FRONT = "#0b6e4f"
_OTHER = "#9aa5b1"
_REFERENCE = "#b23a48"
_INK = "#3e4c59"
_GRID = "#e4e7eb"
_COLOURS = ("#0b6e4f", "#3b75c4", "#c4622d", "#8a56b8", "#a3881f", "#c2447f")
_MARKS = ("o", "s", "^", "v", "P", "X")  # where there are more runs than colours
_LINES = ("-", "--", "-.", ":", (0, (1, 3)), (0, (6, 3)))


def figure_bytes(
    runs: Sequence[Run], kind: str, accuracy_frontier: Optional[float] = None
) -> bytes:
    """Return the picture: a pair of axes for each group of runs that compare.

    Raises:
        ConfigError: If the runs' objectives differ.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    objectives = _shared_objectives(runs)
    groups = axis_groups(runs, objectives)
    # Texts stay texts, and the same front gives the same bytes.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "nas_edge"}):
        figure = Figure(
            figsize=(7.2 * len(groups), 5.0), dpi=150, layout="constrained", facecolor="white"
        )
        FigureCanvasAgg(figure)
        for axes, group in zip(figure.subplots(1, len(groups), squeeze=False)[0], groups):
            _style(axes, objectives, [one for i in group for one in runs[i].records])
            _draw_group(axes, runs, group, objectives, accuracy_frontier)
            if len(groups) > 1:
                axes.set_title(_group_title(runs, group, objectives), fontsize=8, color=_INK)
        out = io.BytesIO()
        figure.savefig(out, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return out.getvalue()


def _shared_objectives(runs: Sequence[Run]) -> Sequence[str]:
    for run in runs[1:]:
        if run.objectives[:2] != runs[0].objectives[:2]:
            raise ConfigError(
                f"{run.folder.path}: its objectives must be those of {runs[0].folder.path} "
                f"({', '.join(runs[0].objectives[:2])}) to stand in one figure, but are "
                f"{', '.join(run.objectives[:2])}; draw them one by one"
            )
    return runs[0].objectives


def _draw_group(
    axes: Any,
    runs: Sequence[Run],
    group: Sequence[int],
    objectives: Sequence[str],
    accuracy_frontier: Optional[float],
) -> None:
    labels, is_one = labels_of(runs), len(runs) == 1
    drawn: List[Tuple[Any, str]] = []
    for index in group:
        mark = _draw_run(axes, runs[index], objectives, _look(index, is_one))
        if mark is not None:
            drawn.append((mark, "on the front" if is_one else labels[index]))
    records = [record for index in group for record in comparable(runs[index].records, objectives)]
    if not records:
        return
    if has_quadrants(objectives):
        level = accuracy_frontier
        if level is None:
            level = accuracy_frontier_of(runs[group[0]])
        _draw_quadrants(axes, records, objectives, level)
    _draw_legend(axes, drawn)


def _draw_legend(axes: Any, drawn: Sequence[Tuple[Any, str]]) -> None:
    """Name the runs by their marks, also one whose name begins with "_", then all else once."""
    others = {label: handle for handle, label in zip(*axes.get_legend_handles_labels())}
    entries = [*drawn, *((handle, label) for label, handle in others.items())]
    handles, labels = zip(*entries)
    # Older matplotlib refuses such a name for a handle, so texts are set in the end.
    legend = axes.legend(handles, [f"{i}" for i in range(len(handles))], frameon=False, fontsize=9)
    for text, label in zip(legend.get_texts(), labels):
        text.set_text(plain(label))


def _look(index: int, is_one: bool) -> Dict[str, Any]:
    """Return how a run is drawn; no two of 36 look alike."""
    if is_one:
        return {"colour": _FRONT, "other": _OTHER, "mark": _MARKS[0], "line": _LINES[0]}
    turn, place = divmod(index, len(_COLOURS))
    kind = turn % len(_MARKS)
    colour = _COLOURS[place]
    return {"colour": colour, "other": colour, "mark": _MARKS[kind], "line": _LINES[kind]}


def _draw_run(axes: Any, run: Run, objectives: Sequence[str], look: Dict[str, Any]) -> Any:
    """Draw a run and return the marks of its front; None where nothing of it finished."""
    finished = comparable(run.records, objectives)
    if not finished:
        return None
    front = sorted(front_of(run.records, objectives), key=lambda r: _place(r, objectives))
    numbers = {record.number for record in front}
    others = [record for record in finished if record.number not in numbers]
    references = [record for record in finished if record.reference]
    if others:
        label = "dominated" if look["other"] == _OTHER else None
        axes.scatter(
            *_places(others, objectives),
            s=16,
            color=look["other"],
            alpha=0.55,
            label=label,
            marker=look["mark"],
        )
    x, y = _places(front, objectives)
    if len(objectives) == 2:
        # Between two points the front is where the one with the lower demand on x has it.
        where = "pre" if direction_of(objectives[1]) == "maximize" else "post"
        axes.step(x, y, where=where, color=look["colour"], linewidth=1.3, linestyle=look["line"])
    mark = axes.scatter(x, y, s=42, color=look["colour"], marker=look["mark"], zorder=3)
    if references:
        references.sort(key=lambda record: _place(record, objectives)[1])
        axes.scatter(
            *_places(references, objectives),
            s=130,
            marker="D",
            facecolors="none",
            edgecolors=_REFERENCE,
            linewidths=1.5,
            label="handcrafted",
        )
        for i, record in enumerate(references):
            _annotate(axes, record, _place(record, objectives), 11 if i % 2 == 0 else -18)
    return mark


def _annotate(axes: Any, record: TrialRecord, place: Tuple[float, float], above: float) -> None:
    """Name a handcrafted network; neighbours' names stand on different sides."""
    axes.annotate(
        plain(record.name),
        place,
        xytext=(0, above),
        textcoords="offset points",
        ha="center",
        color=_REFERENCE,
        fontsize=8,
    )


def _draw_quadrants(
    axes: Any, records: Sequence[TrialRecord], objectives: Sequence[str], level: float
) -> None:
    values = [[r.measurement.metrics[name].value for r in records] for name in objectives[:2]]
    found = quadrants(values[0], values[1], level)
    line = {"color": _INK, "linewidth": 1, "linestyle": ":"}
    accuracy = _scale(objectives[0]) * found.accuracy_frontier
    axes.axhline(accuracy, **line, label="the paper's quadrants")
    axes.axvline(_scale(objectives[1]) * found.memory_frontier, **line)


def _places(records: Sequence[TrialRecord], objectives: Sequence[str]) -> Any:
    """Return two columns, x and y, in the order of the records."""
    return tuple(zip(*(_place(record, objectives) for record in records)))


def _place(record: TrialRecord, objectives: Sequence[str]) -> Tuple[float, float]:
    x, y = (record.measurement.metrics[name].value for name in (objectives[1], objectives[0]))
    return _scale(objectives[1]) * x, _scale(objectives[0]) * y


def _scale(metric: str) -> float:
    unit = METRICS[metric].unit if metric in METRICS else ""
    return {"bytes": 2.0**-20, "share": 100.0}.get(unit, 1.0)


def _style(axes: Any, objectives: Sequence[str], records: Sequence[TrialRecord]) -> None:
    axes.grid(color=_GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(0.1)
    axes.set(xlabel=_title(objectives[1], records), ylabel=_title(objectives[0], records))


def _title(metric: str, records: Sequence[TrialRecord]) -> str:
    unit = unit_of(metric, records)
    if metric in METRICS:  # others are drawn as they are
        unit = {"bytes": "MiB", "share": "%", "count": ""}.get(unit, unit)
    return plain(metric_title(metric) + (f" ({unit})" if unit else ""))


def _group_title(runs: Sequence[Run], group: Sequence[int], objectives: Sequence[str]) -> str:
    labels = labels_of(runs)
    first = comparable(runs[group[0]].records, objectives)
    names = ", ".join(labels[index] for index in group)
    if not first:
        return plain(names)
    measured = first[0].measurement
    sources = dict.fromkeys(measured.metrics[name].source for name in objectives)
    return plain(f"{names}\n{measured.device.get('name', '')}\n" + "; ".join(sources))


def plain(text: str) -> str:
    """Return a text that matplotlib shows as it is: a dollar sign would begin a formula.

    Its lines stay; a control character would be no XML.
    """
    return "\n".join(map(one_line, text.split("\n"))).replace("$", r"\$")
