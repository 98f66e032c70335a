"""A run's plots as plotly figures: the front, its growth, what matters, where the memory goes.

`plot_...` takes a run and is what a notebook shows; `..._figure` takes what is drawn.
"""

from __future__ import annotations

from itertools import cycle, islice
from typing import Any, Dict, List, Mapping, Optional, Sequence

from nas_edge.candidate.measurement import FINISHED
from nas_edge.errors import StudyError
from nas_edge.report.course import steps
from nas_edge.report.estimates import parts_of
from nas_edge.report.figures import escaped, front_figure, plot_layout
from nas_edge.report.frontier import accuracy_frontier_of
from nas_edge.report.learned import MIN_CANDIDATES, importances
from nas_edge.report.rows import metric_title
from nas_edge.study.records import TrialRecord, front_of
from nas_edge.study.run import Run

_LINE = "#0b6e4f"
_PARTS = ("#0b6e4f", "#3a9278", "#7fb8a4", "#b23a48", "#c9606c", "#db8a93", "#e9b3b9", "#f3d6d9")
_REST = ("#e0a458", "#9aa5b1")
_MOST_CHOICES = 12  # in a notebook's plot of what matters


def plot_front(run: Run, accuracy_frontier: Optional[float] = None) -> Any:
    """Return the front of a run: first objective against the second, references marked.

    Args:
        run: From `open_run`.
        accuracy_frontier: Between the paper's quadrants; the study's if none is given.
    Raises:
        StudyError: If figures come from different sources, which cannot stand on one axis.
    """
    frontier = accuracy_frontier_of(run) if accuracy_frontier is None else accuracy_frontier
    return titled(front_figure(run.records, run.objectives, frontier), "The front")


def plot_hypervolume(run: Run, by_hours: bool = False) -> Any:
    """Return how the front grew, over finished candidates or over the time of them all."""
    return growth_figure(run.records, run.objectives, by_hours)


def plot_importance(run: Run) -> Any:
    """Return how much of each objective's variance each choice explains alone.

    Raises:
        StudyError: If too few candidates finished to say.
    """
    found = importances(run.records, run.objectives)
    if not found:
        raise StudyError(
            f"{run.folder.path}: must have at least {MIN_CANDIDATES} finished candidates of one "
            "template whose choices differ, to tell what matters; run more"
        )
    shown = found[:_MOST_CHOICES]
    shares = {
        objective: {one.choice: one.shares[i] for one in shown}
        for i, objective in enumerate(run.objectives)
    }
    return importance_figure(shares, "share of the variance that the choice explains alone")


def plot_memory(run: Run) -> Any:
    """Return where the memory of the front's candidates goes, and what was measured.

    Raises:
        StudyError: If no candidate on the front has an estimate by part.
    """
    front = [record for record in front_of(run.records, run.objectives) if parts_of(record)]
    if not front:
        raise StudyError(f"{run.folder.path}: has no front with estimates of memory by part")
    return parts_figure(front)


def growth_figure(records: Sequence[TrialRecord], objectives: Sequence[str], by_hours: bool) -> Any:
    """Return the front's hypervolume over finished candidates, or over the time of them all."""
    import plotly.graph_objects as go

    finished = [step for step in steps(records, objectives) if step.outcome == FINISHED]
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
    return titled(figure, f"Growth of the front, by {how}")


def importance_figure(shares: Mapping[str, Mapping[str, float]], measure: str) -> Any:
    """Return what each choice matters for each objective, the greatest on top.

    Args:
        shares: By objective, then by choice.
        measure: What a share is.
    """
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
    figure.update_layout(**plot_layout(), xaxis_title=measure, xaxis_tickformat=".0%")
    figure.update_yaxes(automargin=True)
    return titled(figure, "Which choices matter")


def parts_figure(records: Sequence[TrialRecord]) -> Any:
    """Return the memory at the peak of a training step by part, as it was estimated."""
    import plotly.graph_objects as go

    names = list(dict.fromkeys(name for record in records for name in parts_of(record)))
    colours = [*islice(cycle(_PARTS), max(0, len(names) - len(_REST))), *_REST]
    labels = [escaped(record.name) for record in records]
    figure = go.Figure()
    for name, colour in zip(names, colours):
        figure.add_bar(
            x=labels,
            y=[parts_of(record).get(name, 0) / 2**20 for record in records],
            name=escaped(name),
            marker={"color": colour},
            hovertemplate="%{x}, %{fullData.name}: %{y:.3g} MiB<extra></extra>",
        )
    figure.add_scatter(
        x=labels,
        y=_measured_mib(records),
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
    return titled(figure, "Memory of the front, by part at the peak")


def titled(figure: Any, title: str) -> Any:
    """Return a figure as it stands among others on a page, on paper of its own."""
    figure.update_layout(
        title={"text": title, "x": 0.02, "font": {"size": 16}},
        margin={"l": 60, "r": 20, "t": 90, "b": 55},
        paper_bgcolor="#ffffff",  # on a dark theme too: its ink is dark
        plot_bgcolor="#ffffff",
        height=420,
    )
    if figure.layout.legend.orientation == "h":
        figure.update_layout(legend={"y": 1.0, "yanchor": "bottom"})  # above the plot, not in it
    return figure


def _measured_mib(records: Sequence[TrialRecord]) -> List[Optional[float]]:
    values = (record.value("peak_memory") for record in records)
    return [None if value is None else value / 2**20 for value in values]
