"""Points of a space with their costs, thousands of them: what the next candidate is chosen from."""

from __future__ import annotations

import math
from functools import cached_property
from itertools import product
from typing import Any, Callable, Dict, Hashable, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import numpy.typing as npt

from nas_edge.errors import ConfigError
from nas_edge.prediction.encoding import Encoding, Floats, is_ordered

Parameters = Mapping[str, Any]


class CostedPoints:
    """A pool of points that is drawn and costed once, and the neighbours of any point.

    A small space is there whole. Of a larger one half of the pool is drawn evenly; the other half
    has small values together and large values together, so that the cheapest and the dearest
    corners are in it, which an even draw of many choices never meets.

    Args:
        choices: The values of every choice by its name.
        cost: Of a point, above 0, in the objective's unit; None for a point that cannot be had.
        key: Equal for two spellings of one point; all of its values by default.
        features: Further figures of a point by which accuracies may be alike, as many for every
            point, e.g. logarithms of counts. The logarithm of the cost is always one.
        need: What a limit is set to, e.g. memory; None where it cannot be had. The cost by default.
        seed: Of the pool's draw.
        size: Of the pool.
    """

    def __init__(
        self,
        choices: Mapping[str, Sequence[Any]],
        cost: Callable[[Parameters], Optional[float]],
        key: Optional[Callable[[Parameters], Hashable]] = None,
        features: Optional[Callable[[Parameters], Sequence[float]]] = None,
        need: Optional[Callable[[Parameters], Optional[float]]] = None,
        *,
        seed: int = 0,
        size: int = 2000,
    ) -> None:
        self.encoding = Encoding(choices)
        self._cost = cost
        self._key = key
        self._features = features
        self._need = need
        self._known: Dict[Tuple[Any, ...], Tuple[Hashable, Optional[float]]] = {}
        self._seed = seed
        self._size = size

    @cached_property
    def pool(self) -> List[Parameters]:
        """The points that are drawn.

        Raises:
            ConfigError: If not one of them can be had.
        """
        found = self.distinct(self._draw(np.random.default_rng(self._seed), self._size))
        if not found:
            raise ConfigError(
                "KnownCostSampler needs points that have a cost, but of all that were drawn none "
                "has; see why the cost is None, or use another sampler"
            )
        return found

    @cached_property
    def group_of(self) -> npt.NDArray[np.int64]:
        """Which choice, or which further figure, each coordinate belongs to."""
        num_choices, num_figures = self.encoding.num_choices, len(self._scale[0])
        return np.append(self.encoding.choice_of, num_choices + np.arange(num_figures))

    @cached_property
    def _scale(self) -> Tuple[Floats, Floats]:
        """The least of each figure over the pool, and its range."""
        figures = self._figures(self.pool)
        least = figures.min(axis=0)
        return least, np.maximum(figures.max(axis=0) - least, 1e-12)

    @property
    def choices(self) -> Mapping[str, Tuple[Any, ...]]:
        """The values of every choice by its name."""
        return self.encoding.choices

    def key_of(self, point: Parameters) -> Hashable:
        """Return what names the point, however it is spelled."""
        return self._look_up(point)[0]

    def cost_of(self, point: Parameters) -> Optional[float]:
        """Return the point's cost, computed once; None if it cannot be had."""
        return self._look_up(point)[1]

    def costs(self, points: Sequence[Parameters]) -> Floats:
        """Return costs, shape (n,)."""
        return np.array([self.cost_of(point) for point in points], dtype=np.float64)

    def need_of(self, point: Parameters) -> Optional[float]:
        """Return what is held against a limit; None if it cannot be had."""
        return self.cost_of(point) if self._need is None else self._need(point)

    def coordinates(self, points: Sequence[Parameters]) -> Floats:
        """Return where points lie, choices and then figures over the pool's range: (n, k)."""
        least, scale = self._scale
        figures = (self._figures(points) - least) / scale
        return np.hstack([self.encoding.encode(points), figures])

    def distinct(self, points: Sequence[Parameters]) -> List[Parameters]:
        """Return the points that can be had, of two spellings the first."""
        by_key = {self.key_of(point): point for point in reversed(points)}
        kept = {id(point) for point in by_key.values() if self.cost_of(point) is not None}
        return [point for point in points if id(point) in kept]

    def neighbours(self, point: Parameters) -> List[Parameters]:
        """Return the points that differ in one choice: by a step where values are numbers."""
        found: List[Parameters] = []
        for name, values in self.choices.items():
            others: Sequence[Any] = [value for value in values if value != point[name]]
            if is_ordered(values) and len(values) > 2:
                ranked = sorted(values)
                rank = ranked.index(point[name])
                others = ranked[max(rank - 1, 0) : rank] + ranked[rank + 1 : rank + 2]
            found += [{**point, name: value} for value in others]
        return found

    def _figures(self, points: Sequence[Parameters]) -> Floats:
        logs = np.log(self.costs(points)).reshape(-1, 1)
        if self._features is None:
            return logs
        further = np.array([list(self._features(point)) for point in points], dtype=np.float64)
        return np.hstack([logs, further.reshape(len(points), -1)])

    def _look_up(self, point: Parameters) -> Tuple[Hashable, Optional[float]]:
        spelling = tuple(point[name] for name in self.choices)
        if spelling not in self._known:
            key = spelling if self._key is None else self._key(point)
            self._known[spelling] = (key, self._checked(self._cost(point), point))
        return self._known[spelling]

    def _checked(self, cost: Optional[float], point: Parameters) -> Optional[float]:
        if cost is None or 0 < cost < math.inf:
            return cost
        raise ConfigError(
            f"a cost must be above 0 and finite, or None for a point that cannot be had, but of "
            f"{dict(point)} it is {cost}"
        )

    def _draw(self, rng: np.random.Generator, size: int) -> List[Parameters]:
        names = list(self.choices)
        values = [
            sorted(found) if is_ordered(found) else list(found) for found in self.choices.values()
        ]
        if math.prod(map(len, values)) <= size:
            return [dict(zip(names, combination)) for combination in product(*values)]
        even = rng.random((size, len(names)))
        # Around a level of its own each: all values of one of these points are small, or large.
        level = rng.random((size // 2, 1))
        even[: size // 2] = np.clip(level + rng.normal(0.0, 0.2, (size // 2, len(names))), 0, 0.999)
        return [
            {name: found[int(share * len(found))] for name, found, share in zip(names, values, row)}
            for row in even
        ]
