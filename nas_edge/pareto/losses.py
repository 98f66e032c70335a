"""The table that every function of this package takes: rows of losses, lower is better.

In go figures as the user has them, with one direction per column; out comes a float64 array of
losses. Every function of the package passes its argument through `checked_losses`, so that a NaN is
refused where it enters: one NaN row compares as neither better nor worse and can silently erase a
whole front. Nothing is repaired, filled or dropped here.
"""

from __future__ import annotations

from typing import Sequence

import numpy as np
import numpy.typing as npt

from nas_edge.errors import ParetoError

_MAX_EXACT_INTEGER = 2**53  # beyond it float64 merges neighbouring integers into ties


def to_losses(values: npt.ArrayLike, directions: Sequence[str]) -> npt.NDArray[np.float64]:
    """Turn figures with mixed directions into losses, where lower is better in every column.

    Args:
        values: Shape (n, m), finite, in any units.
        directions: One of "minimize" and "maximize" for each of the m columns.
    Returns:
        A new array, shape (n, m); the columns to maximize are negated, the others copied.
    Raises:
        ParetoError: If values is not such a table, or directions does not fit its columns.
    """
    table = checked_losses(values, "values")
    if isinstance(directions, str) or len(directions) != table.shape[1]:
        raise ParetoError(
            f"directions: must name one direction per column ({table.shape[1]}), "
            f"but got {directions!r}"
        )
    for column, direction in enumerate(directions):
        if direction not in ("minimize", "maximize"):
            raise ParetoError(
                f"directions: column {column} must be 'minimize' or 'maximize', "
                f"but got {direction!r}"
            )
    signs = np.array([1.0 if direction == "minimize" else -1.0 for direction in directions])
    # Adding zero turns the -0.0 of a negated zero into 0.0, which prints as the user expects.
    return np.asarray(table * signs + 0.0, dtype=np.float64)


def checked_losses(losses: npt.ArrayLike, name: str = "losses") -> npt.NDArray[np.float64]:
    """Return the table as float64, or refuse it with the place of the first fault.

    Args:
        losses: Shape (n, m) with m >= 1; n may be 0.
        name: What to call the argument in the message.
    Returns:
        Shape (n, m), finite. It may share memory with the argument; do not write to it.
    Raises:
        ParetoError: If the shape is another, or a value is NaN, infinite, masked, not a real
            number, or an integer that float64 cannot hold exactly.
    """
    table = _as_float64(losses, name)
    if table.ndim != 2 or table.shape[1] == 0:
        raise ParetoError(
            f"{name}: must have shape (rows, objectives) with at least one objective, "
            f"but got shape {table.shape}"
        )
    finite = np.isfinite(table)
    if not finite.all():
        row, column = (int(place) for place in np.argwhere(~finite)[0])
        raise ParetoError(
            f"{name}: every value must be finite, but row {row}, column {column} is "
            f"{table[row, column]}; leave out rows that have no measurement"
        )
    return table


def checked_vector(
    vector: npt.ArrayLike, name: str, length: int | None = None
) -> npt.NDArray[np.float64]:
    """Return a finite vector as float64, or refuse it with the place of the first fault.

    Args:
        vector: Shape (length,).
        name: What to call the argument in the message.
        length: The length it must have; None for any.
    Returns:
        Shape (length,), finite. It may share memory with the argument; do not write to it.
    Raises:
        ParetoError: As `checked_losses`, or if the length is another.
    """
    values = _as_float64(vector, name)
    if values.ndim != 1 or (length is not None and len(values) != length):
        wanted = "(any length,)" if length is None else f"({length},)"
        raise ParetoError(f"{name}: must have shape {wanted}, but got shape {values.shape}")
    finite = np.isfinite(values)
    if not finite.all():
        place = int(np.argmin(finite))
        raise ParetoError(f"{name}: every value must be finite, but [{place}] is {values[place]}")
    return values


def _as_float64(values: npt.ArrayLike, name: str) -> npt.NDArray[np.float64]:
    if np.ma.is_masked(values):  # np.asarray would bring the masked-out values back
        raise ParetoError(f"{name}: must not contain masked values; leave out those rows")
    try:
        array = np.asarray(values)
    except ValueError as err:
        raise ParetoError(f"{name}: rows must all have the same length ({err})") from err
    if array.dtype.kind not in "biuf":
        raise ParetoError(f"{name}: must hold real numbers, but got dtype {array.dtype}")
    if array.dtype.kind in "iu" and array.size:
        largest = max(int(array.max()), -int(array.min()))
        if largest > _MAX_EXACT_INTEGER:
            raise ParetoError(
                f"{name}: integers must lie within ±2**53 to be compared exactly, "
                f"but got one of size {largest}; use a larger unit"
            )
    return np.asarray(array, dtype=np.float64)
