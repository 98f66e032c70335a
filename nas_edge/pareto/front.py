"""Which rows are on the Pareto front.

In go losses (lower is better), out comes a mask over the rows. A row is dominated if another one is
nowhere worse and somewhere better; equal rows do not dominate each other, so duplicates of a front
row all stay. One and two objectives are swept in O(n log n), three by Kung's sweep in O(n log n)
comparisons, more by culling in O(n f) with f rows on the front. Layers below the front: `ranks`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nas_edge.pareto.losses import checked_losses
from nas_edge.pareto.staircase import Staircase

Floats = npt.NDArray[np.float64]


def front_mask(losses: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Return which rows no other row dominates; ties and duplicates are kept.

    Args:
        losses: Shape (n, m), lower is better, finite; any m >= 1.
    Returns:
        Boolean mask, shape (n,).
    Raises:
        ParetoError: If losses is not such a table.
    Source:
        Kung, Luccio and Preparata 1975, "On finding the maxima of a set of vectors", for two and
        three objectives; checked against brute force and moocore in test_front.py.
    """
    table = checked_losses(losses)
    mask = np.zeros(len(table), dtype=np.bool_)
    if len(table) == 0:
        return mask
    if table.shape[1] == 1:
        return np.asarray(table[:, 0] == table[:, 0].min(), dtype=np.bool_)
    near = _rows_left_by_one_good_row(table)
    if table.shape[1] == 2:
        mask[near[_front_rows_2d(table[near, 0], table[near, 1])]] = True
    elif table.shape[1] == 3:
        mask[near] = _mask_3d(table[near])
    else:
        mask[near] = _mask_by_culling(table[near])
    return mask


def _rows_left_by_one_good_row(table: Floats) -> npt.NDArray[np.intp]:
    """Drop what the row with the least scaled sum beats in every column, before anything is sorted.

    Of a million random rows a few thousand are left. The choice of the row matters for speed only:
    whatever row it is, all that it beats is dominated.
    """
    columns = np.ascontiguousarray(table.T)  # reducing (n, 2) along n is twenty times slower
    # A column without range, or with one beyond float64, gets weight 0.
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        weights = 1.0 / (columns.max(axis=1) - columns.min(axis=1))
        weights[~np.isfinite(weights)] = 0.0
        best = table[np.argmin(weights @ columns)]
    is_near = columns[0] <= best[0]
    for column, value in zip(columns[1:], best[1:]):
        is_near |= column <= value
    return np.flatnonzero(is_near)


def _front_rows_2d(x: Floats, y: Floats) -> npt.NDArray[np.intp]:
    """Return the indices of the non-dominated rows of two columns, by one sort and one sweep."""
    order = _rising_order(x)
    x, y = x[order], y[order]
    is_low = y == np.minimum.accumulate(y)
    order, x, y = order[is_low], x[is_low], y[is_low]
    # Now x rises and y falls, weakly. Among equal y only the least x is on the front, among equal
    # x only the least y; that y is the last one, because the sort left equal x in any order.
    on_front = _is_like_first_of_run(y, x) & _is_like_first_of_run(x[::-1], y[::-1])[::-1]
    return np.asarray(order[on_front], dtype=np.intp)


def _rising_order(x: Floats) -> npt.NDArray[np.intp]:
    """Return an order in which x rises; a table that is sorted already, either way, costs less."""
    order = np.arange(len(x), dtype=np.intp)
    if (x[1:] >= x[:-1]).all():
        return order
    if (x[1:] <= x[:-1]).all():
        return order[::-1]
    return np.argsort(x)


def _is_like_first_of_run(values: Floats, others: Floats) -> npt.NDArray[np.bool_]:
    """Where neighbours in values are equal, keep those with the same other as their run's first."""
    is_like_first = np.ones(len(values), dtype=np.bool_)
    is_repeat = values[1:] == values[:-1]
    if is_repeat.any():  # without ties there is nothing to look at
        starts = np.arange(len(values))
        starts[1:][is_repeat] = 0
        is_like_first = others == others[np.maximum.accumulate(starts)]
    return is_like_first


def _mask_3d(table: Floats) -> npt.NDArray[np.bool_]:
    """Sweep along the first column, with the front of the other two as a staircase."""
    order = np.lexsort(table.T[::-1])
    rows = table[order].tolist()
    mask = np.zeros(len(table), dtype=np.bool_)
    staircase = Staircase()
    previous, is_kept = None, False
    for place, row in enumerate(rows):
        # An equal row stands next to its twin and shares its fate; anything else that was swept
        # before and lies weakly below in the last two columns dominates this row.
        if row != previous:
            is_kept = staircase.add(row[1], row[2])
            previous = row
        mask[order[place]] = is_kept
    return mask


def _mask_by_culling(table: Floats) -> npt.NDArray[np.bool_]:
    """Take the lexicographically first row, drop what it dominates, and so on."""
    mask = np.zeros(len(table), dtype=np.bool_)
    left = np.lexsort(table.T[::-1])
    rest = table[left]
    while len(left):
        # Nothing behind the first row can dominate it, so it is on the front, twins included.
        first = rest[0]
        mask[left[(rest == first).all(axis=1)]] = True
        is_left = (rest < first).any(axis=1)
        left, rest = left[is_left], rest[is_left]
    return mask
