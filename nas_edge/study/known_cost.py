"""An Optuna sampler for accuracy against a cost that is known before training.

Memory, parameters and MACs of a candidate follow from its architecture; only the accuracy has to be
learned. A Gaussian process guesses it from the candidates that are there, and the next one is where
the hypervolume is expected to grow most.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Hashable, List, Mapping, Optional, Sequence, Set, Tuple

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState
from scipy.spatial.distance import cdist

from nas_edge.errors import ConfigError
from nas_edge.pareto import front_mask
from nas_edge.prediction.encoding import Floats
from nas_edge.prediction.gaussian_process import GaussianProcess
from nas_edge.prediction.improvement import expected_hypervolume_improvement
from nas_edge.study.costed_points import CostedPoints, Parameters
from nas_edge.study.records import EXPECTED_ACCURACY, FAILURE, MEASUREMENT
from nas_edge.study.samplers import trial_seed

MIN_ERROR = 1e-3  # an accuracy of 1 has no logarithm of its error
MAX_NEIGHBOURS = 100  # of the front, looked at for a suggestion
BEAM = 4  # how many candidates' neighbours are looked at further, and how often
MAX_STEPS = 4
LEVELS = 64  # of cost, at most, from which a start beside enqueued points takes its own
# How much a trial in a state tells of its point, most first; the last: that it is not open.
_TELLING = {
    state: place
    for place, state in enumerate(
        (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING, TrialState.FAIL)
    )
}


class KnownCostSampler(optuna.samplers.BaseSampler):
    """Suggest where the hypervolume of accuracy and a known cost is expected to grow most.

    For studies of two objectives: an accuracy from 0 to 1, which is maximised, and a cost, which is
    minimised. A suggestion depends on the seed, the trial's number and the finished trials alone.
    No point is suggested twice, nor one that a running trial is at: of that the expected accuracy
    is taken for the result. Once all were tried, tried ones are suggested again.

    Args:
        choices: The values of every choice by its name; ``suggest_categorical`` gets the same.
        cost: From a point's values by name to the cost, in the objective's unit, or None if it
            cannot be had. Or the points with their costs, to be shared by several samplers.
        features: As of `CostedPoints`.
        seed: Decides everything that is drawn.
        startup_trials: How many candidates are spread over the costs before the model is asked;
            finished ones that were enqueued count twice, as they were chosen with thought.
        max_need: No point that needs more is suggested, also once all others were tried. Of what
            is told by `CostedPoints`: by default of the cost.
        constraints_func: As of Optuna's samplers; a trial with a value above 0 is infeasible, its
            values are not believed, and nothing that needs as much is suggested any more.

    Example:
        >>> widths = {"width": [8, 16, 32, 64], "depth": [1, 2, 3]}
        >>> sampler = KnownCostSampler(widths, lambda p: p["width"] ** 2 * p["depth"], seed=0)
        >>> study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)

    Source:
        Emmerich, Giannakoglou and Naujoks 2006 (expected hypervolume improvement), with one
        objective known.
    """

    def __init__(
        self,
        choices: Mapping[str, Sequence[Any]],
        cost: Any,
        *,
        features: Optional[Callable[[Parameters], Sequence[float]]] = None,
        seed: int = 0,
        startup_trials: int = 8,
        max_need: float = float("inf"),
        constraints_func: Optional[Callable[[FrozenTrial], Sequence[float]]] = None,
    ) -> None:
        if isinstance(cost, CostedPoints):
            self._points = cost
        else:
            self._points = CostedPoints(choices, cost, features=features, seed=seed)
        self._seed = seed
        self._startup_trials = startup_trials
        self._max_need = max_need
        self._constraints_func = constraints_func

    def infer_relative_search_space(self, study: Any, trial: FrozenTrial) -> Dict[str, Any]:
        """Return every choice."""
        del study, trial
        return {
            name: CategoricalDistribution(values) for name, values in self._points.choices.items()
        }

    def sample_relative(
        self, study: Any, trial: FrozenTrial, search_space: Dict[str, Any]
    ) -> Dict[str, Any]:
        """Return the next point; nothing where none fits, or the trial is enqueued."""
        del search_space
        if "fixed_params" in trial.system_attrs:
            return {}
        rng = np.random.default_rng([self._seed, trial.number])
        seen = self._seen(study, trial)
        room = self._room(seen)
        fitting = self._fitting(self._points.pool, room)
        if seen.begun() < self._startup_trials:
            candidates = self._untried(fitting, seen)
            if candidates:
                return dict(self._farthest(candidates, seen, rng))
        elif seen.finished:
            model = self._believing_in_running(seen)
            losses = self._believed(seen, model)
            near = self._fitting(self._near_front(seen, losses, rng), room)
            candidates = self._untried([*fitting, *near], seen)
            if candidates:
                return dict(self._best(candidates, seen, losses, model, room))
        again = self._untried(fitting, seen) or fitting
        return dict(again[int(rng.integers(len(again)))]) if again else {}

    def sample_independent(
        self, study: Any, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        """Draw evenly: what is not among the choices, or where no point fits."""
        draws = optuna.samplers.RandomSampler(trial_seed(self._seed, trial.number, param_name))
        return draws.sample_independent(study, trial, param_name, param_distribution)

    def _seen(self, study: Any, current: FrozenTrial) -> _Seen:
        accuracy, cost = _objectives(study)
        seen = _Seen()
        others = [t for t in study.get_trials(deepcopy=False) if t.number != current.number]
        # Of several trials at a point, the one that tells most.
        for trial in sorted(others, key=lambda other: _TELLING.get(other.state, len(_TELLING))):
            if not self._is_point(trial.params):
                continue
            is_enqueued = "fixed_params" in trial.system_attrs
            seen.suggested += not is_enqueued
            key = self._points.key_of(trial.params)
            if key in seen.keys or _is_withdrawn(trial):
                continue
            seen.keys.add(key)
            if trial.state == TrialState.RUNNING:
                seen.running.append(trial.params)
            elif trial.state == TrialState.COMPLETE and self._is_infeasible(trial):
                seen.refused.append(trial.params)
            elif trial.state == TrialState.COMPLETE:
                seen.learn(trial.params, 1.0 - trial.values[accuracy])
                # On the scale of the candidates' costs: what was measured may be off by a factor.
                known = self._points.cost_of(trial.params)
                told = trial.values[cost] if known is None else known
                seen.finished.append((trial.params, seen.errors[-1], told))
                if is_enqueued:
                    seen.enqueued.append(told)
            elif trial.state == TrialState.PRUNED and EXPECTED_ACCURACY in trial.user_attrs:
                seen.learn(trial.params, 1.0 - trial.user_attrs[EXPECTED_ACCURACY])
        return seen

    def _is_point(self, params: Parameters) -> bool:
        """Whether a trial has all choices, each one of the values: one that has begun has none."""
        choices = self._points.choices
        return all(name in params and params[name] in values for name, values in choices.items())

    def _is_infeasible(self, trial: FrozenTrial) -> bool:
        found = self._constraints_func(trial) if self._constraints_func else ()
        return any(value > 0 for value in found)

    def _untried(self, points: Sequence[Parameters], seen: _Seen) -> List[Parameters]:
        return [point for point in points if self._points.key_of(point) not in seen.keys]

    def _room(self, seen: _Seen) -> float:
        """Return what a point may need: as much as the limit, and less than one that was refused.

        A refused one does not count where a finished one has needed as much.
        """
        finished = [self._points.need_of(point) or 0.0 for point, _, _ in seen.finished]
        refused = [self._points.need_of(point) or 0.0 for point in seen.refused]
        fitted = max(finished, default=0.0)
        least = min((need for need in refused if need > fitted), default=float("inf"))
        return min(self._max_need, float(np.nextafter(least, 0.0)))

    def _fitting(self, points: Sequence[Parameters], room: float) -> List[Parameters]:
        needs = [(point, self._points.need_of(point)) for point in points]
        there = [point for point, need in needs if need is not None and need <= room]
        return [point for point in there if self._points.cost_of(point) is not None]

    def _farthest(
        self, candidates: Sequence[Parameters], seen: _Seen, rng: np.random.Generator
    ) -> Parameters:
        """Return, of some candidates near the next level of cost, the one least like any tried.

        Levels are spread over the logarithm of the costs by the van der Corput sequence: ends and
        middle first, then what lies between. Where points were enqueued (handcrafted networks),
        levels beside theirs are left out, and those that are dearer than the dearest finished one,
        unless that one is the most accurate.
        """
        logs = np.log(self._points.costs(candidates))
        level = self._level(seen, float(logs.min()), float(logs.max()))
        near = np.argsort(np.abs(logs - level), kind="stable")[: max(len(candidates) // 20, 1)]
        near = rng.choice(near, max(len(near) // 4, 1), replace=False)
        encode = self._points.encoding.encode
        tried = encode([*seen.learned, *seen.running] or [candidates[0]])
        closest = cdist(encode([candidates[i] for i in near]), tried, "cityblock").min(axis=1)
        return candidates[int(near[np.argmax(closest)])]

    def _level(self, seen: _Seen, low: float, high: float) -> float:
        """Return the next level of the start, from ``low`` to ``high``."""
        if not seen.enqueued:
            return low + _van_der_corput(seen.suggested) * (high - low)
        if not _dearest_is_best(seen.losses()):
            high = max(low, min(high, float(np.log(seen.losses()[:, 1].max()))))
        levels = low + np.array([_van_der_corput(i) for i in range(LEVELS)]) * (high - low)
        distances = np.abs(levels[:, None] - np.log(seen.enqueued)).min(axis=1)
        free = levels[distances > (high - low) / self._startup_trials]
        return float(free[seen.suggested % len(free)]) if len(free) else low

    def _believing_in_running(self, seen: _Seen) -> GaussianProcess:
        """Return the model; what it expects of running trials joins what was seen."""
        model = self._fitted(seen)
        if seen.running:
            mean, _ = model.predict(self._points.coordinates(seen.running))
            for point, log_error in zip(seen.running, mean):
                seen.learn(point, float(np.exp(log_error)))
                cost = self._points.cost_of(point)
                if cost is not None:
                    seen.finished.append((point, seen.errors[-1], cost))
            model = self._fitted(seen)
        return model

    def _fitted(self, seen: _Seen) -> GaussianProcess:
        coordinates = self._points.coordinates(seen.learned)
        return GaussianProcess(coordinates, np.log(seen.errors), self._points.group_of)

    def _near_front(
        self, seen: _Seen, losses: Floats, rng: np.random.Generator
    ) -> List[Parameters]:
        """Return some of the points that differ in one choice from one on the front."""
        mask = front_mask(losses)
        found = [
            neighbour
            for (point, _, _), is_on in zip(seen.finished, mask)
            if is_on
            for neighbour in self._points.neighbours(point)
        ]
        order = rng.permutation(len(found))[:MAX_NEIGHBOURS]
        return self._points.distinct([found[index] for index in order])

    def _best(
        self,
        candidates: Sequence[Parameters],
        seen: _Seen,
        losses: Floats,
        model: GaussianProcess,
        room: float,
    ) -> Parameters:
        """Return where the hypervolume is expected to grow most; without hope, the least known.

        From the best candidates on, neighbours are looked at as long as they are better.
        """
        corner = self._corner(candidates, losses)
        best = self._rated(candidates, losses, model, corner)
        if best[0].growth <= 0:
            return max(best, key=lambda one: one.deviation).point
        looked_at = {self._points.key_of(point) for point in candidates}
        for _ in range(MAX_STEPS):
            beam = best[:BEAM]
            around = [near for one in beam for near in self._points.neighbours(one.point)]
            fitting = self._untried(self._fitting(around, room), seen)
            fresh = [p for p in fitting if self._points.key_of(p) not in looked_at]
            fresh = self._points.distinct(fresh)
            if not fresh:
                break
            looked_at.update(self._points.key_of(point) for point in fresh)
            rated = self._rated(fresh, losses, model, corner)
            best = sorted([*beam, *rated], key=lambda one: -one.growth)
            if best[0] is beam[0]:
                break
        return best[0].point

    def _corner(self, candidates: Sequence[Parameters], losses: Floats) -> Tuple[float, float]:
        """Return the error and the cost from where the hypervolume is reckoned.

        Not the front's own corner but the worst that is believed of what finished or runs. Where
        the dearest of it is the most accurate, dearer ones may be more accurate still: then the
        dearest candidate's cost.
        """
        error, cost = losses.max(axis=0)
        if _dearest_is_best(losses):
            cost = max(cost, self._points.costs(candidates).max())
        return float(error), float(cost)

    def _believed(self, seen: _Seen, model: GaussianProcess) -> Floats:
        """Return the losses of what may be on the front, without a training's luck: (n, 2)."""
        losses = seen.losses()
        points = [point for point, _, _ in seen.finished]
        losses[:, 0] = np.exp(model.predict(self._points.coordinates(points))[0])
        return losses

    def _rated(
        self,
        candidates: Sequence[Parameters],
        losses: Floats,
        model: GaussianProcess,
        corner: Tuple[float, float],
    ) -> List[_Rated]:
        """Return the candidates, the one of the greatest expected growth first."""
        mean, deviation = model.predict(self._points.coordinates(candidates))
        growth = expected_hypervolume_improvement(
            mean, deviation, self._points.costs(candidates), losses[:, 0], losses[:, 1], *corner
        )
        order = np.argsort(-growth, kind="stable")
        return [_Rated(candidates[i], float(growth[i]), float(deviation[i])) for i in order]


@dataclass(frozen=True)
class _Rated:
    """A point, by how much the hypervolume is expected to grow, and how unsure its error is."""

    point: Parameters
    growth: float
    deviation: float


@dataclass
class _Seen:
    """What the study's other trials tell.

    ``learned`` and ``errors`` teach the model; ``finished`` (point, error, cost) may be on
    the front; ``refused`` are infeasible; ``keys`` are not suggested again; ``enqueued`` are the
    costs of finished points that were enqueued; ``suggested`` others there are.
    """

    keys: Set[Hashable] = field(default_factory=set)
    learned: List[Parameters] = field(default_factory=list)
    errors: List[float] = field(default_factory=list)
    finished: List[Tuple[Parameters, float, float]] = field(default_factory=list)
    running: List[Parameters] = field(default_factory=list)
    refused: List[Parameters] = field(default_factory=list)
    enqueued: List[float] = field(default_factory=list)
    suggested: int = 0

    def learn(self, point: Parameters, error: float) -> None:
        """Add what a point's error was, or is expected to be."""
        self.learned.append(point)
        self.errors.append(max(error, MIN_ERROR))

    def begun(self) -> int:
        """Return how much of the start is there."""
        return len(self.errors) + len(self.enqueued)

    def losses(self) -> Floats:
        """Return errors and costs of what may be on the front, shape (n, 2)."""
        return np.array([[error, cost] for _, error, cost in self.finished]).reshape(-1, 2)


def _dearest_is_best(losses: Floats) -> bool:
    """Whether none of (error, cost), shape (n, 2), is more accurate than the dearest one."""
    most_accurate = losses[:, 0] <= losses[:, 0].min() * (1 + 1e-9)
    return bool(losses[most_accurate, 1].max() >= losses[:, 1].max())


def _is_withdrawn(trial: FrozenTrial) -> bool:
    """Whether a trial was ended before anybody evaluated it: its point is as open as before."""
    attributes = trial.user_attrs
    is_ended = trial.state == TrialState.FAIL and FAILURE in attributes
    return is_ended and MEASUREMENT not in attributes


def _van_der_corput(index: int) -> float:
    """Return the index-th term of 0, 1, 1/2, 1/4, 3/4, 1/8, ..."""
    if index < 2:
        return float(index)
    share, step = 0.0, 0.5
    index -= 1
    while index:
        share += step * (index % 2)
        index //= 2
        step /= 2
    return share


def _objectives(study: Any) -> Tuple[int, int]:
    """Return which objective is the accuracy and which the cost."""
    names = [direction.name for direction in study.directions]
    if sorted(names) != ["MAXIMIZE", "MINIMIZE"]:
        raise ConfigError(
            "KnownCostSampler needs two objectives, an accuracy to maximize and a cost to "
            f"minimize, but the study has {', '.join(names).lower()}"
        )
    return names.index("MAXIMIZE"), names.index("MINIMIZE")
