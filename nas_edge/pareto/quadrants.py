"""The four regions of the paper's Figure 4: accuracy against average memory during training.

In go accuracies and memories (not losses: this is how the figure is read), out comes a region per
model and the two frontiers between them. A region is a coarse reading: it compares a model with
fixed lines, not with the other models; for that see `front_mask`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

import numpy as np
import numpy.typing as npt

from nas_edge.errors import ParetoError
from nas_edge.pareto.losses import checked_vector

HIGH_ACCURACY_LOW_MEMORY = "High Accuracy, Low Memory"
HIGH_ACCURACY_HIGH_MEMORY = "High Accuracy, High Memory"
LOW_ACCURACY_LOW_MEMORY = "Low Accuracy, Low Memory"
LOW_ACCURACY_HIGH_MEMORY = "Low Accuracy, High Memory"


@dataclass(frozen=True)
class Quadrants:
    """The region of each model, and where the regions meet.

    Attributes:
        labels: One region per model, in the order given.
        accuracy_frontier: From here upwards accuracy is high, as a fraction.
        memory_frontier: Up to here memory is low, in the unit of the memories given.
    """

    labels: Tuple[str, ...]
    accuracy_frontier: float
    memory_frontier: float


def quadrants(
    accuracy: npt.ArrayLike,
    memory: npt.ArrayLike,
    accuracy_frontier: float = 0.70,
    memory_frontier: float | None = None,
) -> Quadrants:
    """Sort models into the four regions of the paper's Figure 4.

    A model exactly on a frontier gets the better side: an accuracy equal to its frontier is high, a
    memory equal to its frontier is low.

    Args:
        accuracy: Shape (n,), test accuracies as fractions from 0 to 1.
        memory: Shape (n,), memories >= 0 in any one unit.
        accuracy_frontier: As a fraction; the paper draws 0.70.
        memory_frontier: In the unit of memory; by default the midpoint between the least and the
            largest memory given.
    Returns:
        The regions and both frontiers.
    Raises:
        ParetoError: If an argument is malformed or out of range, or there is no model to take the
            default memory frontier from.
    Source:
        The paper's section 5.1 and Figure 4; its Tables 1 and 2 are checked in test_quadrants.py.
    """
    accuracies = _within(accuracy, "accuracy", 1.0, "divide percentages by 100")
    memories = _within(memory, "memory", np.inf, "give amounts of memory, not losses")
    if len(memories) != len(accuracies):
        raise ParetoError(
            f"memory: must have one value per accuracy ({len(accuracies)}), but got {len(memories)}"
        )
    high_from = _within([accuracy_frontier], "accuracy_frontier", 1.0, "divide by 100")[0]
    if memory_frontier is not None:
        low_to = _within([memory_frontier], "memory_frontier", np.inf, "give an amount")[0]
    elif len(memories):
        least = memories.min()
        low_to = least + (memories.max() - least) / 2
    else:
        raise ParetoError("memory_frontier: must be given where no models are to take it from")
    labels = tuple(
        _label(bool(is_accurate), bool(is_small))
        for is_accurate, is_small in zip(accuracies >= high_from, memories <= low_to)
    )
    return Quadrants(labels, float(high_from), float(low_to))


def _label(is_accurate: bool, is_small: bool) -> str:
    if is_accurate:
        return HIGH_ACCURACY_LOW_MEMORY if is_small else HIGH_ACCURACY_HIGH_MEMORY
    return LOW_ACCURACY_LOW_MEMORY if is_small else LOW_ACCURACY_HIGH_MEMORY


def _within(
    values: npt.ArrayLike, name: str, highest: float, advice: str
) -> npt.NDArray[np.float64]:
    vector = checked_vector(values, name)
    is_outside = (vector < 0) | (vector > highest)
    if is_outside.any():
        place = int(np.argmax(is_outside))
        raise ParetoError(
            f"{name}: must lie between 0 and {highest}, but [{place}] is {vector[place]}; {advice}"
        )
    return vector
