"""The row of the front where giving up a little of one loss gains the most of the others.

In go losses (lower is better), out comes the index of one row. Every objective weighs the same; a
user with other weights should choose by hand.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nas_edge.errors import ParetoError
from nas_edge.pareto.front import front_mask
from nas_edge.pareto.losses import checked_losses

# Rows on one straight line have the same distance, but not to the last bit.
_TOLERANCE = 1e-12


def knee(losses: npt.ArrayLike) -> int:
    """Return the index of the knee of the front.

    Each loss is scaled to [0, 1] between its best and worst value on the front (a loss without
    range to 0). The knee is the row farthest, on the ideal's side, from the plane through the unit
    points (1, 0, ..), (0, 1, ..), ...: in two objectives the line through the two extremes of the
    front. The signed distance is (1 - sum of the scaled losses) / sqrt(m), so the knee is the row
    with the least sum.

    Where the front bulges away from the ideal everywhere, no row is beyond the plane and an extreme
    row is returned. Rows within 1e-12 of the least sum tie; of those the one with the lowest first
    loss is taken, then the lowest second, and so on, then the lowest index. So one row is its own
    knee, and of two rows it is the one that is better in the first loss.

    Args:
        losses: Shape (n, m), n >= 1, lower is better, finite; any m >= 1.
    Returns:
        The row's index.
    Raises:
        ParetoError: If losses is malformed or has no rows.
    Source:
        Das 1999, "On characterizing the 'knee' of the Pareto curve based on normal-boundary
        intersection"; Branke et al. 2004, "Finding knees in multi-objective optimization".
    """
    table = checked_losses(losses)
    if len(table) == 0:
        raise ParetoError("losses: a knee needs at least one row, but got none")
    rows = np.flatnonzero(front_mask(table))
    sums = _scaled(table[rows]).sum(axis=1)
    rows = rows[sums <= sums.min() + _TOLERANCE]
    # lexsort is stable, so that of twins the lowest index comes first.
    return int(rows[np.lexsort(table[rows].T[::-1])[0]])


def _scaled(front: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    half = front * 0.5  # exact, and keeps the range of the largest floats finite
    low = half.min(axis=0)
    span = half.max(axis=0) - low
    return np.asarray((half - low) / np.where(span > 0, span, 1.0), dtype=np.float64)
