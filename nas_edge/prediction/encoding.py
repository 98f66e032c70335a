"""Points of a space as coordinates, so that how far two are apart is a sum over the choices."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Encoding:
    """Coordinates of a space's points; two points differ by 0 to 1 in every choice.

    Numbers are ordered: three widths lie at 0, 0.5 and 1. Of other values two are equal or differ
    by 1, whatever they are; each has a coordinate of its own, 0 or 0.5.

    Args:
        choices: The values of every choice by its name.
    """

    def __init__(self, choices: Mapping[str, Sequence[Any]]) -> None:
        self.choices = {name: tuple(values) for name, values in choices.items()}
        self._rows: Dict[str, Dict[Any, Tuple[float, ...]]] = {
            name: _coordinates(values) for name, values in self.choices.items()
        }
        widths = [len(next(iter(rows.values()))) for rows in self._rows.values()]
        # Which choice a coordinate belongs to: shape (coordinates,).
        self.choice_of = np.repeat(np.arange(len(widths)), widths)

    @property
    def num_choices(self) -> int:
        """How many choices there are."""
        return len(self.choices)

    def encode(self, points: Sequence[Mapping[str, Any]]) -> Floats:
        """Return coordinates, shape (n, coordinates).

        Args:
            points: The value of every choice by its name.
        Raises:
            KeyError: If a point lacks a choice or has a value that is none of its values.
        """
        rows: List[List[float]] = [
            [x for name, table in self._rows.items() for x in table[point[name]]]
            for point in points
        ]
        return np.asarray(rows, dtype=np.float64).reshape(len(rows), len(self.choice_of))


def _coordinates(values: Tuple[Any, ...]) -> Dict[Any, Tuple[float, ...]]:
    if is_ordered(values):
        step = 1.0 / max(len(values) - 1, 1)
        return {value: (rank * step,) for rank, value in enumerate(sorted(values))}
    return {
        value: tuple(0.5 * (other == index) for other in range(len(values)))
        for index, value in enumerate(values)
    }


def is_ordered(values: Sequence[Any]) -> bool:
    """Return whether the values are numbers."""
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
