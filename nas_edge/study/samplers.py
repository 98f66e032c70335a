"""The samplers by the names of the study file, explicit in every option that matters.

A sampler is built anew for every trial, with a seed made of the study's seed and the trial's
number: a suggestion then depends on the history alone, and a resumed study goes on as if never
stopped (with a fixed seed Optuna would replay its start-up suggestions).
"""

from __future__ import annotations

import hashlib
import warnings
from importlib.util import find_spec
from math import prod
from typing import TYPE_CHECKING, Any, List, Optional, Sequence, Union

from nas_edge.candidate.known import KNOWN_BEFORE_TRAINING
from nas_edge.config.files import validated
from nas_edge.config.study import SamplerConfig
from nas_edge.errors import ConfigError

if TYPE_CHECKING:
    from nas_edge.study.known_points import KnownPoints

CONSTRAINT_ATTR = "nas_edge:constraint"
MAX_GRID_POINTS = 10_000
STARTUP_TRIALS = {"known-cost": 8, "tpe": 10, "gp": 10}


def resolve_sampler(
    sampler: Union[str, SamplerConfig],
    objectives: Sequence[str],
    space: Any,
    known: Optional[KnownPoints],
) -> SamplerConfig:
    """Return the sampler's options with nothing left open; it is known to work here.

    Args:
        sampler: Its name, or its options.
        objectives: Of the study.
        space: Needed by "grid", which wants its ``searched`` choices.
        known: Points with the cost that stands against the accuracy, None where it is not known.
    Raises:
        ConfigError: If there is no such sampler or it cannot work here: "known-cost" without a
            known cost, "grid" on a large space, "gp" without SciPy.
    """
    config = sampler
    if not isinstance(config, SamplerConfig):
        config = validated(SamplerConfig, {"name": sampler}, "sampler")
    name = config.name
    if name == "auto":
        name = "tpe" if known is None else "known-cost"
    startup = config.startup_trials or STARTUP_TRIALS.get(name)
    config = config.model_copy(update={"name": name, "startup_trials": startup})
    if name == "known-cost" and not getattr(space, "searched", None):
        raise ConfigError("sampler.name known-cost needs a space with `searched` choices; use tpe")
    if name == "known-cost" and known is None:
        raise ConfigError(
            "sampler.name known-cost needs val_accuracy against one objective that is known before "
            f"training ({', '.join(KNOWN_BEFORE_TRAINING)}; in Python what known= tells), but the "
            f"objectives are {', '.join(objectives)}; use tpe, or change the objectives"
        )
    build_sampler(config, 0, space, known)
    return config


def build_sampler(
    config: SamplerConfig, seed: int, space: Any, known: Optional[KnownPoints] = None
) -> Any:
    """Return the sampler of resolved options.

    Args:
        config: From `resolve_sampler`.
        seed: From `trial_seed`.
        space: Needed by "grid" alone.
        known: Needed by "known-cost" alone.
    """
    import optuna

    samplers = optuna.samplers
    options: Any = {"seed": seed, "constraints_func": constraints_of}
    with warnings.catch_warnings():
        # "multivariate" is marked experimental in 4.x, constraints_func deprecated from 5.0 on; yet
        # it is the only way to tell Optuna's dashboard what is infeasible.
        warnings.simplefilter("ignore")
        if config.name == "known-cost" and known is not None:
            return known.sampler(config, options)
        if config.name == "tpe":
            return samplers.TPESampler(
                n_startup_trials=config.startup_trials or STARTUP_TRIALS["tpe"],
                multivariate=True,
                constant_liar=True,
                **options,
            )
        if config.name == "nsga2":
            return samplers.NSGAIISampler(population_size=config.population, **options)
        if config.name == "nsga3":
            return samplers.NSGAIIISampler(population_size=config.population, **options)
        if config.name == "gp":
            return _build_gp(samplers, config, options)
        if config.name == "grid":
            return _build_grid(samplers, space)
        return samplers.RandomSampler(seed=seed)


def writes_constraints(config: SamplerConfig) -> bool:
    """Return whether the sampler stores the constraint by itself."""
    return config.name in ("tpe", "nsga2", "nsga3", "gp")


def constraints_of(trial: Any) -> List[float]:
    """Return the violation of the memory limit: above 0 is infeasible."""
    return [float(trial.user_attrs.get(CONSTRAINT_ATTR, 0.0))]


def trial_seed(study_seed: int, number: int, purpose: str) -> int:
    """Return the seed of one trial, the same after a resume."""
    digest = hashlib.sha256(f"{study_seed}:{number}:{purpose}".encode()).digest()
    return int.from_bytes(digest[:4], "little")


def _build_gp(samplers: Any, config: SamplerConfig, options: Any) -> Any:
    if find_spec("scipy") is None:  # Optuna says so only at the first suggestion
        raise ConfigError("sampler.name gp needs SciPy; pip install scipy")
    return samplers.GPSampler(n_startup_trials=config.startup_trials, **options)


def _build_grid(samplers: Any, space: Any) -> Any:
    searched = getattr(space, "searched", None)
    if searched is None:
        raise ConfigError(
            "sampler.name grid needs a space with a mapping `searched` of its choices"
        )
    num_points = prod(len(values) for values in searched.values())
    if num_points > MAX_GRID_POINTS:
        raise ConfigError(
            f"sampler.name grid takes spaces of up to {MAX_GRID_POINTS:,} points, but this one has "
            f"{num_points:,}; fix some choices or use another sampler"
        )

    class Grid(samplers.GridSampler):  # type: ignore[misc]
        def after_trial(self, study: Any, *args: Any) -> None:
            """Do not stop the study, as Optuna would: under ask and tell that is an error."""

    # Optuna numbers the grid's points in an order drawn from the seed, and keeps the numbers in the
    # trials: with another seed they would mean other points.
    return Grid({name: list(values) for name, values in searched.items()}, seed=0)
