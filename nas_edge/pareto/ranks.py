"""Layers of fronts: rank 0 is the front, rank 1 the front of what is left, and so on.

In go losses (lower is better), out comes an integer per row. Crowding distances are not computed.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import List

import numpy as np
import numpy.typing as npt

from nas_edge.pareto.losses import checked_losses

Floats = npt.NDArray[np.float64]
Ranks = npt.NDArray[np.int64]


def ranks(losses: npt.ArrayLike) -> Ranks:
    """Return the non-dominated sorting of the rows; equal rows share a rank.

    O(n log n) for one and two objectives, O(n^2 m) for more.

    Args:
        losses: Shape (n, m), lower is better, finite; any m >= 1.
    Returns:
        Shape (n,), integers from 0 (the front) without gaps.
    Raises:
        ParetoError: If losses is not such a table.
    Source:
        Definition: Deb et al. 2002 (NSGA-II), section III.A. Two objectives: Jensen 2003, "Reducing
        the run-time complexity of multiobjective EAs". Checked against peeling by brute force and
        moocore in test_ranks.py.
    """
    table = checked_losses(losses)
    # Sorted lexicographically, a row can only be dominated by rows before it, and once equal rows
    # are one, every earlier row that is nowhere worse dominates.
    order = np.lexsort(table.T[::-1])
    in_order = table[order]
    is_new = np.ones(len(table), dtype=np.bool_)
    is_new[1:] = (in_order[1:] != in_order[:-1]).any(axis=1)
    distinct = in_order[is_new]
    if table.shape[1] == 1:
        ranks_of_distinct: Ranks = np.arange(len(distinct), dtype=np.int64)
    elif table.shape[1] == 2:
        ranks_of_distinct = _ranks_2d(distinct)
    else:
        ranks_of_distinct = _ranks_by_chains(distinct)
    found = np.empty(len(table), dtype=np.int64)
    found[order] = ranks_of_distinct[np.cumsum(is_new) - 1]
    return found


def _ranks_2d(distinct: Floats) -> Ranks:
    """Place each row on the first layer whose lowest second loss so far is above its own."""
    lowest_of_layer: List[float] = []  # weakly rising, so that bisection finds the layer
    found = np.empty(len(distinct), dtype=np.int64)
    for row, y in enumerate(distinct[:, 1].tolist()):
        layer = bisect_right(lowest_of_layer, y)
        lowest_of_layer[layer : layer + 1] = [y]
        found[row] = layer
    return found


def _ranks_by_chains(distinct: Floats) -> Ranks:
    """A rank is the length of the longest chain of rows that dominate each other down to it."""
    found = np.zeros(len(distinct), dtype=np.int64)
    columns = np.ascontiguousarray(distinct.T)
    for row in range(1, len(distinct)):
        is_above = columns[1, :row] <= columns[1, row]
        for column in columns[2:]:
            is_above &= column[:row] <= column[row]
        found[row] = np.max(found[:row], where=is_above, initial=-1) + 1
    return found
