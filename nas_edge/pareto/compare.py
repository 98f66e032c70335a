"""How rows stand to one another: which is better, or that neither is.

In go losses (lower is better), out come words. Margins of error are not taken into account here.
"""

from __future__ import annotations

from typing import Tuple

import numpy as np
import numpy.typing as npt

from nas_edge.pareto.losses import checked_losses, checked_vector

DOMINATES = "dominates"
EQUAL = "equal"
DOMINATED = "dominated"
INCOMPARABLE = "incomparable"


def dominates(a: npt.ArrayLike, b: npt.ArrayLike) -> bool:
    """Return whether row a is nowhere worse than row b and somewhere better.

    Args:
        a: Shape (m,), losses, finite.
        b: Shape (m,), losses, finite.
    Returns:
        True if a dominates b; False for equal and for incomparable rows.
    Raises:
        ParetoError: If either is malformed, or their lengths differ.
    """
    first = checked_vector(a, "a")
    second = checked_vector(b, "b", len(first))
    return bool((first <= second).all() and (first < second).any())


def relations(losses: npt.ArrayLike, reference: npt.ArrayLike) -> Tuple[str, ...]:
    """Say for each row how it stands to a reference row, e.g. to the original Xception.

    Args:
        losses: Shape (n, m), lower is better, finite.
        reference: Shape (m,), losses of the row to compare with, finite.
    Returns:
        A word for each row. "dominates" (it is nowhere worse than the reference and somewhere
        better), "equal", "dominated" (by the reference), or "incomparable".
    Raises:
        ParetoError: If an argument is malformed.
    """
    table = checked_losses(losses)
    row = checked_vector(reference, "reference", table.shape[1])
    is_better = (table < row).any(axis=1)
    is_worse = (table > row).any(axis=1)
    words = np.select(
        [is_better & is_worse, is_better, is_worse], [INCOMPARABLE, DOMINATES, DOMINATED], EQUAL
    )
    return tuple(str(word) for word in words)
