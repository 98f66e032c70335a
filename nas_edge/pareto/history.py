"""The front over time: what each finished trial changed.

In go losses (lower is better) in the order in which the trials finished, out come the hypervolume
after each one, and when each one entered and left the front. Wall times are not known here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Iterator, Tuple

import numpy as np
import numpy.typing as npt

from nas_edge.pareto.hypervolume import checked_volume, checked_with_reference, volume_of
from nas_edge.pareto.losses import checked_losses
from nas_edge.pareto.staircase import Staircase

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FrontHistory:
    """When each row entered and left the front.

    Attributes:
        is_on_arrival: Shape (n,), whether no earlier row dominated the row; a twin of a front row
            is on the front too.
        evicted_by: Shape (n,), the index of the later row that first dominated the row; -1 for a
            row that is still on the front and for one that never was.
    """

    is_on_arrival: npt.NDArray[np.bool_]
    evicted_by: npt.NDArray[np.int64]


def front_history(losses: npt.ArrayLike) -> FrontHistory:
    """Follow the front row by row; O(n f m) with f rows on the front at a time.

    Args:
        losses: Shape (n, m), in order of completion, lower is better, finite; any m >= 1.
    Returns:
        For each row whether it entered the front, and which row evicted it. The rows that entered
        and were not evicted are the final front, as `front_mask` gives it.
    Raises:
        ParetoError: If losses is malformed.
    """
    table = checked_losses(losses)
    is_on_arrival = np.zeros(len(table), dtype=np.bool_)
    evicted_by = np.full(len(table), -1, dtype=np.int64)
    front = np.empty(len(table), dtype=np.intp)
    losses_of_front = np.empty((table.shape[1], len(table)), dtype=np.float64)
    size = 0
    for index, row in enumerate(table):
        is_better, is_worse = _sides(losses_of_front[:, :size], row)
        if (is_better & ~is_worse).any():
            continue
        is_on_arrival[index] = True
        is_evicted = is_worse & ~is_better
        if is_evicted.any():
            evicted_by[front[:size][is_evicted]] = index
            stays = np.flatnonzero(~is_evicted)
            size = len(stays)
            front[:size] = front[stays]
            losses_of_front[:, :size] = losses_of_front[:, stays]
        front[size], losses_of_front[:, size] = index, row
        size += 1
    return FrontHistory(is_on_arrival, evicted_by)


def _sides(columns: Floats, row: Floats) -> Tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which front rows are somewhere better than the row, and which somewhere worse."""
    is_better, is_worse = columns[0] < row[0], columns[0] > row[0]
    for column, value in zip(columns[1:], row[1:]):
        is_better |= column < value
        is_worse |= column > value
    return is_better, is_worse


def hypervolume_history(losses: npt.ArrayLike, reference_point: npt.ArrayLike) -> Floats:
    """Return the hypervolume after each row.

    Each row adds its own share to the sum before, so nothing is computed twice: O(log f) a row in
    two objectives and O(f log f) in three, with f rows on the front. The sum never falls, stays
    exactly level at a dominated row, and agrees with `hypervolume` up to rounding.

    Args:
        losses: Shape (n, m), in order of completion, lower is better, finite; m is 1, 2 or 3.
        reference_point: Shape (m,), finite.
    Returns:
        Shape (n,), in the product of the columns' units.
    Raises:
        ParetoError: If an argument is malformed, m is above 3, or a volume exceeds float64.
    Source:
        The exclusive share in three objectives: While, Bradstreet and Barone 2012, "A fast way of
        calculating exact hypervolumes", equations 6 and 7.
    """
    table, reference = checked_with_reference(losses, reference_point)
    is_inside: npt.NDArray[np.bool_] = np.all(table < reference, axis=1)
    volumes = {1: _lengths, 2: _areas, 3: _volumes}[table.shape[1]](table[is_inside], reference)
    history = np.zeros(len(table), dtype=np.float64)
    latest = 0.0
    for index in range(len(table)):
        if is_inside[index]:
            latest = checked_volume(next(volumes))
        history[index] = latest
    return history


def _lengths(inside: Floats, reference: Floats) -> Iterator[float]:
    for best in np.minimum.accumulate(inside[:, 0]).tolist():
        yield float(reference[0]) - best


def _areas(inside: Floats, reference: Floats) -> Iterator[float]:
    staircase = Staircase(float(reference[0]), float(reference[1]))
    for x, y in inside.tolist():
        staircase.add(x, y)
        yield staircase.area


def _volumes(inside: Floats, reference: Floats) -> Iterator[float]:
    """Add to the volume the box of each row less what the front already covers of it."""
    front = np.empty((0, 3), dtype=np.float64)
    volume = 0.0
    for row in inside:
        is_better, is_worse = _sides(front.T, row)
        if is_worse.all():  # else a row of the front is nowhere worse: no share, exactly
            box = math.prod(end - start for end, start in zip(reference.tolist(), row.tolist()))
            covered = volume_of(np.maximum(front, row), reference)
            volume += max(box - covered, 0.0)  # rounding may leave a share just below nothing
            front = np.vstack([front[is_better], row])
        yield volume
