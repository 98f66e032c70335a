"""The plots on the study's page: the front, its growth, what matters, where the memory goes."""

from __future__ import annotations

from typing import Any, Dict

from nas_edge.dashboard.importance import importances
from nas_edge.dashboard.snapshot import Snapshot
from nas_edge.report.estimates import parts_of
from nas_edge.report.figures import front_figure
from nas_edge.report.frontier import DEFAULT
from nas_edge.report.plots import growth_figure, importance_figure, parts_figure, titled
from nas_edge.study.records import comparable, front_of


def study_plots(snapshot: Snapshot, accuracy_frontier: float = DEFAULT) -> Dict[str, Any]:
    """Return plotly figures by the name under which the dashboard keeps them."""
    if snapshot.problem or not comparable(snapshot.records, snapshot.objectives):
        return {}
    records, objectives = snapshot.records, snapshot.objectives
    figures = {
        "front": titled(front_figure(records, objectives, accuracy_frontier), "The front"),
        "hypervolume-by-candidate": growth_figure(records, objectives, by_hours=False),
        "hypervolume-by-hours": growth_figure(records, objectives, by_hours=True),
    }
    shares = importances(snapshot)
    if shares:
        figures["importance"] = importance_figure(shares, "importance (PED-ANOVA, share)")
    parts = [record for record in front_of(records, objectives) if parts_of(record)]
    if parts:
        figures["memory-by-part"] = parts_figure(parts)
    return figures
