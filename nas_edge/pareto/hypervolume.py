"""How much of the loss space a set of rows dominates, up to a reference point.

In go losses (lower is better) and a reference point, out comes one number in the product of the
units of the columns. One, two and three objectives are exact up to rounding; more are refused, and
nothing is normalised here: scale the columns first if their units differ wildly.
"""

from __future__ import annotations

import math
from typing import Tuple

import numpy as np
import numpy.typing as npt

from nas_edge.errors import ParetoError
from nas_edge.pareto.front import front_mask
from nas_edge.pareto.losses import checked_losses, checked_vector
from nas_edge.pareto.staircase import Staircase

Floats = npt.NDArray[np.float64]
MAX_OBJECTIVES = 3


def hypervolume(losses: npt.ArrayLike, reference_point: npt.ArrayLike) -> float:
    """Return the volume that the rows dominate, bounded by the reference point.

    A row that is not strictly better than the reference point in every column adds nothing.

    Args:
        losses: Shape (n, m), lower is better, finite; m is 1, 2 or 3.
        reference_point: Shape (m,), finite.
    Returns:
        The volume, in the product of the columns' units; 0.0 without rows.
    Raises:
        ParetoError: If an argument is malformed, m is above 3, or the volume exceeds float64.
    Source:
        Zitzler and Thiele 1998 (definition); Beume, Fonseca et al. 2009, "On the complexity of
        computing the hypervolume indicator" (the sweep in three objectives, O(n log n)); checked
        against inclusion-exclusion and moocore in test_hypervolume.py.
    """
    table, reference = checked_with_reference(losses, reference_point)
    return checked_volume(volume_of(table, reference))


def reference_point_of(losses: npt.ArrayLike, margin: float = 0.1) -> Floats:
    """Return the front's nadir pushed outwards by a margin, a default for `hypervolume`.

    Per column: nadir + margin * (nadir - ideal), where ideal and nadir are the best and the worst
    value on the front. A column in which the front has one value only has no range; there the step
    is margin * abs(nadir), or margin if the nadir is 0. Dominated rows do not move the point, and
    it is strictly worse than every row of the front, so that each distinct one has a share.

    To compare runs, take the point once (from all of their rows together) and keep it: volumes
    under different points are not comparable.

    Args:
        losses: Shape (n, m), n >= 1, lower is better, finite.
        margin: Share of the range, above 0.
    Returns:
        Shape (m,).
    Raises:
        ParetoError: If losses is malformed or empty, margin is not above 0, or the point would
            exceed float64.
    Source:
        Ishibuchi et al. 2018, "How to specify a reference point in hypervolume calculation".
    """
    table = checked_losses(losses)
    if len(table) == 0:
        raise ParetoError("losses: a reference point needs at least one row, but got none")
    if not (0.0 < margin < math.inf):
        raise ParetoError(f"margin: must be above 0 and finite, but got {margin!r}")
    front = table[front_mask(table)]
    nadir = front.max(axis=0)
    with np.errstate(over="ignore"):
        span = nadir - front.min(axis=0)
        span = np.where(span > 0, span, np.where(nadir == 0, 1.0, np.abs(nadir)))
        # A step below the spacing of floats would leave the point on the nadir itself.
        point = np.maximum(nadir + margin * span, np.nextafter(nadir, np.inf))
    if not np.isfinite(point).all():
        raise ParetoError(f"losses: the reference point {point} exceeds float64; use larger units")
    return np.asarray(point, dtype=np.float64)


def checked_with_reference(
    losses: npt.ArrayLike, reference_point: npt.ArrayLike
) -> Tuple[Floats, Floats]:
    """Return both as float64, refusing what a hypervolume is not defined or not built for here."""
    table = checked_losses(losses)
    if table.shape[1] > MAX_OBJECTIVES:
        raise ParetoError(
            f"losses: a hypervolume is computed for at most {MAX_OBJECTIVES} objectives, "
            f"but got {table.shape[1]}; choose columns"
        )
    return table, checked_vector(reference_point, "reference_point", table.shape[1])


def checked_volume(volume: float) -> float:
    """Return the volume, or refuse one that overflowed."""
    if not math.isfinite(volume):
        raise ParetoError(f"losses: the hypervolume is {volume} in float64; use larger units")
    return volume


def volume_of(table: Floats, reference: Floats) -> float:
    """Return the hypervolume of a checked table; infinite or NaN where float64 overflows."""
    inside = table[(table < reference).all(axis=1)]
    if len(inside) == 0:
        return 0.0
    if table.shape[1] == 1:
        return float(reference[0]) - float(inside.min())
    front = inside[front_mask(inside)]
    if table.shape[1] == 2:
        return _area(front, reference)
    return _volume_3d(front, reference)


def _area(front: Floats, reference: Floats) -> float:
    """Sum horizontal strips below the front, the first reaching up to the reference."""
    front = front[np.argsort(front[:, 0])]
    with np.errstate(over="ignore", invalid="ignore"):
        widths = reference[0] - front[:, 0]
        # Twins get height 0, so they count once.
        heights = np.append(reference[1], front[:-1, 1]) - front[:, 1]
        return float(widths @ heights)


def _volume_3d(front: Floats, reference: Floats) -> float:
    """Sweep along the last column: the area of the rows passed so far, times the step."""
    staircase = Staircase(float(reference[0]), float(reference[1]))
    volume = 0.0
    rows = front[np.argsort(front[:, 2])].tolist()
    ends = [row[2] for row in rows[1:]] + [float(reference[2])]
    for (x, y, z), end in zip(rows, ends):
        staircase.add(x, y)
        volume += staircase.area * (end - z)
    return volume
