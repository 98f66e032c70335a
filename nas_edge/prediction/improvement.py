"""What trying a point is expected to add to the front, where only its accuracy is uncertain.

With the cost known, a point at cost c and accuracy y adds the area between c and the least cost at
which the front reaches each accuracy below y. That area grows linearly in y between the front's
accuracies, so its expectation is a sum of ordinary expected improvements.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

Floats = npt.NDArray[np.float64]


def expected_hypervolume_improvement(
    mean: Floats,
    deviation: Floats,
    costs: Floats,
    front_errors: Floats,
    front_costs: Floats,
    reference_error: float,
    reference_cost: float,
) -> Floats:
    """Return the expected growth of the hypervolume of (error, cost), both to be low.

    Args:
        mean: Of the logarithm of the error, normally distributed, shape (n,).
        deviation: Its standard deviation, shape (n,).
        costs: Shape (n,), known.
        front_errors: Of the front so far, shape (f,), above 0; dominated points are allowed.
        front_costs: Shape (f,).
        reference_error: Of the hypervolume's reference point.
        reference_cost: The same.
    Returns:
        Shape (n,), in the product of both units; 0 where a point costs as much as the reference.
    """
    order = np.lexsort((front_costs, front_errors))
    levels = np.append(front_errors[order], reference_error)
    # To be below the k-th level for the first time, the front takes the least cost before it.
    needed = np.minimum.accumulate(np.append(reference_cost, front_costs[order]))
    growth = np.zeros(len(mean))
    before = np.zeros(len(mean))
    for level, cost in zip(levels, needed):
        if level > reference_error:
            level = reference_error
        gained = _expected_below(mean, deviation, level)
        growth += np.maximum(cost - costs, 0.0) * (gained - before)
        before = gained
    return growth


def _expected_below(mean: Floats, deviation: Floats, level: float) -> Floats:
    """Return E[max(level - exp(N), 0)] for N of a mean and deviation."""
    z = (np.log(level) - mean) / deviation
    below = level * ndtr(z)
    return np.asarray(below - np.exp(mean + 0.5 * deviation**2) * ndtr(z - deviation))
