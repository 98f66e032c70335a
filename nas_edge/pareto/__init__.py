"""Pareto fronts of finished trials: who is on them, how good and how sure they are, how they grew.

Every function but those of repeats takes losses (lower is better) as an (n, m) table; `to_losses`
converts once. Only NumPy is needed, and SciPy for repeats. NaN, infinities and wrong shapes raise
`nas_edge.errors.ParetoError`.
"""

from __future__ import annotations

from nas_edge.pareto.compare import dominates, relations
from nas_edge.pareto.front import front_mask
from nas_edge.pareto.history import FrontHistory, front_history, hypervolume_history
from nas_edge.pareto.hypervolume import hypervolume, reference_point_of
from nas_edge.pareto.knee import knee
from nas_edge.pareto.losses import to_losses
from nas_edge.pareto.quadrants import Quadrants, quadrants
from nas_edge.pareto.ranks import ranks
from nas_edge.pareto.repeats import (
    ConfidentFront,
    RepeatedFigure,
    confident_front,
    interval_of,
    probability_above,
    repeated_figure,
)

__all__ = [
    "ConfidentFront",
    "FrontHistory",
    "Quadrants",
    "RepeatedFigure",
    "confident_front",
    "dominates",
    "front_history",
    "front_mask",
    "hypervolume",
    "hypervolume_history",
    "interval_of",
    "knee",
    "probability_above",
    "quadrants",
    "ranks",
    "reference_point_of",
    "relations",
    "repeated_figure",
    "to_losses",
]
