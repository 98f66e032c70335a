"""A study's points with what is known of them before training, for the sampler that uses it."""

from __future__ import annotations

from functools import partial
from math import log
from typing import Any, Dict, Hashable, List, Mapping, Optional, Protocol, Sequence, Tuple

from nas_edge.config.study import SamplerConfig
from nas_edge.study.costed_points import CostedPoints

ACCURACY = "val_accuracy"
MEMORY = "peak_memory"  # what a limit is set to


class Known(Protocol):
    """Tells what is known of a point before it is evaluated."""

    names: Sequence[str]  # of the figures, as metrics are named

    def __call__(self, point: Any) -> Optional[Mapping[str, float]]:
        """Return the figures by name; None for a point that cannot be evaluated."""
        ...


class KnownPoints:
    """Costs and figures of a space's points; thousands are costed at the first suggestion.

    Args:
        space: Has ``searched`` choices, ``suggest`` and ``key``.
        known: What is known of a point.
        objective: Which of the figures is the cost; the others are what accuracies may go by.
        seed: Of the draw of the points.
        max_memory: Bytes; no point that is known to need more is suggested, whatever the cost is.
    """

    def __init__(
        self,
        space: Any,
        known: Known,
        objective: str,
        seed: int,
        max_memory: Optional[float] = None,
    ) -> None:
        self._space = space
        self._known = known
        self._objective = objective
        self._max_memory = float("inf") if max_memory is None else max_memory
        self._figures: Dict[Tuple[Any, ...], Optional[Mapping[str, float]]] = {}
        self._is_above: Dict[Hashable, bool] = {}
        self._points = CostedPoints(
            space.searched,
            partial(self._figure, objective),
            key=lambda parameters: space.key(self._point(parameters)),
            features=self._logs_of_others,
            need=partial(self._figure, MEMORY) if MEMORY in known.names else None,
            seed=seed,
        )

    def sampler(self, config: SamplerConfig, options: Mapping[str, Any]) -> Any:
        """Return the sampler, with options of Optuna's samplers."""
        from nas_edge.study.known_cost import KnownCostSampler

        return KnownCostSampler(
            self._points.choices,
            self._points,
            startup_trials=config.startup_trials or 1,
            max_need=self._max_memory if self.has_limit else float("inf"),
            **options,
        )

    @property
    def has_limit(self) -> bool:
        """Whether there are points that are not suggested for the memory they need."""
        return MEMORY in self._known.names and self._max_memory < float("inf")

    def is_above_limit(self, point: Any) -> bool:
        """Return whether a point is known to need more memory than there may be used."""
        if not self.has_limit:
            return False
        key = self._space.key(point)
        if key not in self._is_above:
            figures = self._known(point)
            self._is_above[key] = figures is not None and figures[MEMORY] > self._max_memory
        return self._is_above[key]

    def _point(self, parameters: Mapping[str, Any]) -> Any:
        return self._space.suggest(_Chosen(parameters))

    def _figures_of(self, parameters: Mapping[str, Any]) -> Optional[Mapping[str, float]]:
        spelling = tuple(parameters[name] for name in self._points.choices)
        if spelling not in self._figures:
            self._figures[spelling] = self._known(self._point(parameters))
        return self._figures[spelling]

    def _figure(self, name: str, parameters: Mapping[str, Any]) -> Optional[float]:
        figures = self._figures_of(parameters)
        return None if figures is None else float(figures[name])

    def _logs_of_others(self, parameters: Mapping[str, Any]) -> List[float]:
        figures = self._figures_of(parameters) or {}
        return [log(max(v, 1e-9)) for name, v in figures.items() if name != self._objective]


class _Chosen:
    """Stands for a trial whose parameters are chosen already."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Return what was chosen."""
        del choices
        return self._parameters[name]


def known_points_of(
    space: Any,
    known: Optional[Known],
    objectives: Sequence[str],
    seed: int,
    max_memory: Optional[float] = None,
) -> Optional[KnownPoints]:
    """Return a study's points where its objectives are accuracy and one known figure, else None.

    Args:
        space: The study's.
        known: What is known of a point; None for nothing.
        objectives: The study's.
        seed: The study's.
        max_memory: Bytes; no point with an estimate above it is suggested.
    """
    others = [name for name in objectives if name != ACCURACY]
    if known is None or len(objectives) != 2 or len(others) != 1:
        return None
    if others[0] not in known.names or not getattr(space, "searched", None):
        return None
    return KnownPoints(space, known, others[0], seed, max_memory)
