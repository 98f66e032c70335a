"""The front and its growth as plotly figures."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

from nas_edge.pareto import quadrants
from nas_edge.report.rows import format_metric, metric_title, training_text, unit_of
from nas_edge.study.records import TrialRecord, comparable, direction_of, front_of

_FRONT = "#0b6e4f"
_OTHER = "#9aa5b1"
_REFERENCE = "#b23a48"
_INK = "#52606d"


def front_figure(
    records: Sequence[TrialRecord], objectives: Sequence[str], accuracy_frontier: float
) -> Any:
    """Return accuracy (first objective) against cost (second), references and quadrants marked."""
    import plotly.graph_objects as go

    finished = comparable(records, objectives)
    front = front_of(records, objectives) if finished else []
    on_front = {record.number for record in front}
    others = [r for r in finished if r.number not in on_front and not r.reference]
    references = [r for r in finished if r.reference]
    figure = go.Figure()
    _add_points(
        figure, others, objectives, "dominated", {"color": _OTHER, "size": 7, "opacity": 0.7}
    )
    if len(objectives) == 2:
        # Between two points the front is where the one with the lower demand on x has it.
        shape = "vh" if direction_of(objectives[1]) == "maximize" else "hv"
        steps = sorted((_scaled(r, objectives[1]), _scaled(r, objectives[0])) for r in front)
        figure.add_scatter(
            x=[x for x, _ in steps],
            y=[y for _, y in steps],
            mode="lines",
            line={"shape": shape, "color": _FRONT, "width": 1.5},
            hoverinfo="skip",
            showlegend=False,
        )
    _add_points(figure, front, objectives, "on the front", {"color": _FRONT, "size": 10})
    _add_points(
        figure,
        references,
        objectives,
        "handcrafted",
        {
            "color": "rgba(0,0,0,0)",
            "size": 17,
            "symbol": "diamond",
            "line": {"color": _REFERENCE, "width": 2},
        },
    )
    in_order = sorted(references, key=lambda record: _scaled(record, objectives[0]))
    for i, record in enumerate(in_order):
        figure.add_annotation(
            x=_scaled(record, objectives[1]),
            y=_scaled(record, objectives[0]),
            text=escaped(record.name),
            showarrow=False,
            yshift=18 if i % 2 == 0 else -18,  # neighbours' names on different sides
            font={"color": _REFERENCE, "size": 12},
        )
    if has_quadrants(objectives) and finished:
        _add_quadrants(figure, finished, objectives, accuracy_frontier)
    figure.update_layout(
        **plot_layout(),
        xaxis_title=_axis_title(objectives[1], finished),
        yaxis_title=_axis_title(objectives[0], finished),
        height=520,
    )
    axes = {objectives[0]: figure.layout.yaxis, objectives[1]: figure.layout.xaxis}
    for objective, axis in axes.items():
        if unit_of(objective, finished) == "share":
            axis.tickformat = ".0%"
    return figure


def has_quadrants(objectives: Sequence[str]) -> bool:
    """Return whether the axes are those of the paper's Figure 4: accuracy and memory."""
    return objectives[0].endswith("accuracy") and objectives[1].endswith("memory")


def _add_points(
    figure: Any,
    records: Sequence[TrialRecord],
    objectives: Sequence[str],
    name: str,
    marker: Dict[str, Any],
) -> None:
    if not records:
        return
    figure.add_scatter(
        x=[_scaled(r, objectives[1]) for r in records],
        y=[_scaled(r, objectives[0]) for r in records],
        mode="markers",
        marker=marker,
        name=name,
        text=[_hover(r) for r in records],
        hovertemplate="%{text}<extra></extra>",
    )


def _add_quadrants(
    figure: Any,
    finished: Sequence[TrialRecord],
    objectives: Sequence[str],
    accuracy_frontier: float,
) -> None:
    """The paper's Figure 4: a frontier on each axis."""
    accuracy = [r.measurement.metrics[objectives[0]].value for r in finished]
    memory = [r.measurement.metrics[objectives[1]].value for r in finished]
    found = quadrants(accuracy, memory, accuracy_frontier)
    scale = 2**20 if unit_of(objectives[1], finished) == "bytes" else 1
    add_frontiers(figure, found.memory_frontier / scale, found.accuracy_frontier)


def add_frontiers(figure: Any, memory: float, accuracy: float) -> None:
    """Draw the two lines between the quadrants, in the units of the axes."""
    line = {"color": _INK, "width": 1, "dash": "dot"}
    figure.add_hline(y=accuracy, line=line)
    figure.add_vline(x=memory, line=line)


def _scaled(record: TrialRecord, objective: str) -> float:
    value = record.measurement.metrics[objective].value
    return value / 2**20 if unit_of(objective, [record]) == "bytes" else value


def _axis_title(objective: str, records: Sequence[TrialRecord]) -> str:
    unit = unit_of(objective, records)
    unit = {"bytes": "MiB", "share": "", "count": ""}.get(unit, unit)
    return metric_title(objective) + (f" ({unit})" if unit else "")


def _hover(record: TrialRecord) -> str:
    lines: List[str] = [f"<b>{escaped(record.name)}</b>"]
    if training_text(record):
        lines.append(escaped(training_text(record)))
    for name, metric in record.measurement.metrics.items():
        figure = format_metric(name, metric.value, metric.unit)
        lines.append(f"{escaped(metric_title(name))}: {escaped(figure)}")
    return "<br>".join(lines)


def escaped(text: str) -> str:
    """Return a text as plotly shows it as it is: it reads a little HTML in its texts."""
    import html

    return html.escape(text)


def plot_layout() -> Dict[str, Any]:
    """Return what every plot of a page has in common."""
    return {
        "template": "plotly_white",
        "font": {"family": "system-ui, sans-serif", "color": _INK},
        "margin": {"l": 60, "r": 20, "t": 30, "b": 55},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": _OTHER, "activecolor": _INK},
        "legend": {"orientation": "h", "y": 1.06, "x": 0},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
    }
