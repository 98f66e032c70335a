"""Figures 3 and 4 as plotly figures."""

from __future__ import annotations

from typing import Any

from nas_edge.paper.labels import label_sides
from nas_edge.paper.plots import Curve, EpochPlot, Point, QuadrantPlot
from nas_edge.pareto.quadrants import (
    HIGH_ACCURACY_HIGH_MEMORY,
    HIGH_ACCURACY_LOW_MEMORY,
    LOW_ACCURACY_HIGH_MEMORY,
    LOW_ACCURACY_LOW_MEMORY,
)
from nas_edge.report.figures import add_frontiers, escaped, plot_layout

ACCURACY_TOP = 1.05
# The corner of each region: which end of the memory axis, which of the accuracy axis.
CORNERS = {
    HIGH_ACCURACY_LOW_MEMORY: ("left", "top"),
    HIGH_ACCURACY_HIGH_MEMORY: ("right", "top"),
    LOW_ACCURACY_LOW_MEMORY: ("left", "bottom"),
    LOW_ACCURACY_HIGH_MEMORY: ("right", "bottom"),
}
REGION_COLOUR = "#8592a0"
_TEXT_POSITIONS = {
    "top": "top center",
    "bottom": "bottom center",
    "right": "middle right",
    "left": "middle left",
}


def quadrant_figure(plot: QuadrantPlot) -> Any:
    """Return test accuracy against memory, with the two frontiers and the four regions."""
    import plotly.graph_objects as go

    figure = go.Figure()
    regions = plot.regions
    sides = label_sides(plot, ACCURACY_TOP)
    for point, side, region in zip(plot.points, sides, regions.labels):
        figure.add_scatter(
            x=[point.memory],
            y=[point.accuracy],
            error_x=_error(point.memory_deviation),
            error_y=_error(point.accuracy_deviation),
            mode="markers+text",
            marker={"size": 12, "color": point.colour},
            text=[escaped(point.name)],
            textposition=_TEXT_POSITIONS[side],
            textfont={"color": point.colour, "size": 13},
            hovertemplate=_hover(point, region, plot.memory_title),
            showlegend=False,
        )
    add_frontiers(figure, regions.memory_frontier, regions.accuracy_frontier)
    for region, (x, y) in CORNERS.items():
        figure.add_annotation(
            x=0.0 if x == "left" else 1.0,
            y=0.0 if y == "bottom" else 1.0,
            xref="paper",
            yref="paper",
            xanchor=x,
            yanchor=y,
            text=region,
            showarrow=False,
            font={"color": REGION_COLOUR, "size": 12},
        )
    figure.update_layout(
        **plot_layout(),
        xaxis={"title": escaped(plot.memory_title), "range": list(plot.memory_range)},
        yaxis={"title": "test accuracy", "range": [0, ACCURACY_TOP], "tickformat": ".0%"},
        height=520,
    )
    return figure


def epoch_figure(plot: EpochPlot) -> Any:
    """Return accuracy (training and validation) and memory by epoch, side by side."""
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.1)
    for curve in plot.curves:
        _add_curve(figure, curve)
    figure.update_layout(**plot_layout(), height=440)
    figure.update_layout(legend={"y": 1.04, "yanchor": "bottom"}, margin={"t": 70})
    num_epochs = max(epoch for curve in plot.curves for epoch in curve.epochs)
    figure.update_xaxes(title="epoch", dtick=1 if num_epochs <= 10 else None)
    figure.update_yaxes(
        title="accuracy (dotted: validation)", range=[0, 1.02], tickformat=".0%", col=1, row=1
    )
    figure.update_yaxes(title=escaped(plot.memory_title), col=2, row=1)
    return figure


def _add_curve(figure: Any, curve: Curve) -> None:
    name = escaped(curve.name)
    for values, column, dash, what in (
        (curve.train_accuracy, 1, "solid", "training accuracy"),
        (curve.val_accuracy, 1, "dot", "validation accuracy"),
        (curve.memory, 2, "solid", "memory"),
    ):
        number = ".4f" if column == 2 and max(values, default=0.0) <= 1 else ".1f"
        shown = "%{y:.1%}" if column == 1 else f"%{{y:{number}}}"
        figure.add_scatter(
            x=list(curve.epochs),
            y=list(values),
            mode="lines" if len(values) > 1 else "markers",
            line={"color": curve.colour, "width": 1.2 if dash == "dot" else 2, "dash": dash},
            name=name,
            legendgroup=name,
            showlegend=curve.is_first and what == "training accuracy",
            hovertemplate=f"{name}<br>epoch %{{x}}: {what} {shown}<extra></extra>",
            row=1,
            col=column,
        )


def _error(deviation: Any) -> Any:
    return None if deviation is None else {"type": "data", "array": [deviation], "thickness": 1.2}


def _hover(point: Point, region: str, memory_title: str) -> str:
    return (
        f"<b>{escaped(point.name)}</b><br>test accuracy {100 * point.accuracy:.2f}%<br>"
        f"{escaped(memory_title)}: {point.memory:.1f}<br>{region}<extra></extra>"
    )
