"""The plots on the study's page: the front, its growth, what matters, where the memory goes."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from nas_edge.candidate.measurement import FINISHED
from nas_edge.dashboard.importance import importances
from nas_edge.dashboard.snapshot import Snapshot
from nas_edge.report.course import steps
from nas_edge.report.figures import escaped, front_figure, plot_layout
from nas_edge.report.rows import metric_title
from nas_edge.study.records import TrialRecord, comparable, front_of

DEFAULT_FRONTIER = 0.7  # of accuracy, in the paper's Figure 4
_LINE = "#0b6e4f"
_PARTS = ("#0b6e4f", "#3a9278", "#7fb8a4", "#b23a48", "#c9606c", "#db8a93", "#e9b3b9", "#f3d6d9")
_REST = ("#e0a458", "#9aa5b1")


def study_plots(snapshot: Snapshot, accuracy_frontier: float = DEFAULT_FRONTIER) -> Dict[str, Any]:
    """Return plotly figures by the name under which the dashboard keeps them."""
    if snapshot.problem or not comparable(snapshot.records, snapshot.objectives):
        return {}
    records, objectives = snapshot.records, snapshot.objectives
    figures = {
        "front": _titled(front_figure(records, objectives, accuracy_frontier), "The front"),
        "hypervolume-by-candidate": growth_figure(snapshot, by_hours=False),
        "hypervolume-by-hours": growth_figure(snapshot, by_hours=True),
    }
    shares = importances(snapshot)
    if shares:
        figures["importance"] = importance_figure(shares)
    parts = [r for r in front_of(records, objectives) if _parts_of(r)]
    if parts:
        figures["memory-by-part"] = parts_figure(parts)
    return figures


def growth_figure(snapshot: Snapshot, by_hours: bool) -> Any:
    """Return the front's hypervolume over finished candidates, or over the time of them all."""
    import plotly.graph_objects as go

    course = steps(snapshot.records, snapshot.objectives)
    finished = [step for step in course if step.outcome == FINISHED]
    figure = go.Figure()
    figure.add_scatter(
        x=[step.end_s / 3600 if by_hours else i for i, step in enumerate(finished, 1)],
        y=[step.share for step in finished],
        mode="lines+markers",
        line={"shape": "hv", "color": _LINE},
        text=[escaped(step.name) for step in finished],
        hovertemplate=f"%{{text}}<br>{'%{x:.3g} h: ' if by_hours else ''}%{{y:.1%}}<extra></extra>",
        showlegend=False,
    )
    figure.update_layout(
        **plot_layout(),
        xaxis_title="device-hours" if by_hours else "candidates finished",
        xaxis_rangemode="tozero",
        yaxis_title="hypervolume (share of the last)",
        yaxis_range=[0, 1.05],
        yaxis_tickformat=".0%",
    )
    how = "device-hours" if by_hours else "candidate"
    return _titled(figure, f"Growth of the front, by {how}")


def importance_figure(shares: Dict[str, Dict[str, float]]) -> Any:
    """Return what each choice matters for each objective, the greatest on top."""
    import plotly.graph_objects as go

    total: Dict[str, float] = {}
    for found in shares.values():
        for name, share in found.items():
            total[name] = total.get(name, 0.0) + share
    order = sorted(total, key=lambda name: total[name])
    figure = go.Figure()
    for (objective, found), colour in zip(shares.items(), (_LINE, "#b23a48", "#e0a458")):
        figure.add_bar(
            x=[found.get(name, 0.0) for name in order],
            y=[escaped(name) for name in order],
            orientation="h",
            name=escaped(metric_title(objective)),
            marker={"color": colour},
            hovertemplate="%{y}: %{x:.0%}<extra></extra>",
        )
    figure.update_layout(
        **plot_layout(),
        xaxis_title="importance (PED-ANOVA, share)",
        xaxis_tickformat=".0%",
    )
    figure.update_yaxes(automargin=True)
    return _titled(figure, "Which choices matter")


def parts_figure(records: List[TrialRecord]) -> Any:
    """Return the memory at the peak of a training step by part, as it was estimated."""
    import plotly.graph_objects as go

    names = list(dict.fromkeys(name for record in records for name in _parts_of(record)))
    colours = [*_PARTS[: max(0, len(names) - len(_REST))], *_REST]
    figure = go.Figure()
    for name, colour in zip(names, colours):
        figure.add_bar(
            x=[escaped(record.name) for record in records],
            y=[_parts_of(record).get(name, 0) / 2**20 for record in records],
            name=escaped(name),
            marker={"color": colour},
            hovertemplate="%{x}, %{fullData.name}: %{y:.3g} MiB<extra></extra>",
        )
    figure.add_scatter(
        x=[escaped(record.name) for record in records],
        y=[_measured_mib(record) for record in records],
        mode="markers",
        name="measured",
        marker={"symbol": "line-ew-open", "size": 26, "line": {"width": 3}, "color": "#1f2933"},
        hovertemplate="%{x}, measured: %{y:.3g} MiB<extra></extra>",
    )
    figure.update_layout(
        **{**plot_layout(), "legend": {"traceorder": "reversed"}},
        barmode="stack",
        xaxis_type="category",
        yaxis_title="estimated memory (MiB)",
    )
    return _titled(figure, "Memory of the front, by part at the peak")


def _measured_mib(record: TrialRecord) -> Optional[float]:
    value = record.value("peak_memory")
    return None if value is None else value / 2**20


def _parts_of(record: TrialRecord) -> Dict[str, float]:
    estimate = record.measurement.details.get("estimate")
    parts = estimate.get("parts") if isinstance(estimate, dict) else None
    return parts if isinstance(parts, dict) else {}


def _titled(figure: Any, title: str) -> Any:
    """Return a figure as it stands among the dashboard's own."""
    figure.update_layout(
        title={"text": title, "x": 0.02, "font": {"size": 16}},
        margin={"l": 60, "r": 20, "t": 90, "b": 55},
        paper_bgcolor="#ffffff",  # on the dark theme too: its ink is dark
        plot_bgcolor="#ffffff",
        height=420,
    )
    if figure.layout.legend.orientation == "h":
        figure.update_layout(legend={"y": 1.0, "yanchor": "bottom"})  # above the plot, not in it
    return figure
