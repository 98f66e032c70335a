"""Optuna's samplers by the names of the study file, explicit in every option that matters.

A sampler is built anew for every trial, with a seed made of the study's seed and the trial's
number: a suggestion then depends on the history alone, and a resumed study goes on as if never
stopped (with a fixed seed Optuna would replay its start-up suggestions).
"""

from __future__ import annotations

import hashlib
import warnings
from importlib.util import find_spec
from math import prod
from typing import Any, List, Union

from nas_edge.config.files import validated
from nas_edge.config.study import SamplerConfig
from nas_edge.errors import ConfigError

CONSTRAINT_ATTR = "nas_edge:constraint"
MAX_GRID_POINTS = 10_000


def build_sampler(config: SamplerConfig, seed: int, space: Any) -> Any:
    """Return the sampler of a study file.

    Args:
        config: Name and options.
        seed: From `trial_seed`.
        space: Needed by "grid" alone, which wants its ``searched`` choices.
    Raises:
        ConfigError: If the sampler cannot work here: "grid" on a large space, "gp" without SciPy.
    """
    import optuna

    samplers = optuna.samplers
    options: Any = {"seed": seed, "constraints_func": constraints_of}
    with warnings.catch_warnings():
        # "multivariate" is marked experimental in 4.x, constraints_func deprecated from 5.0 on; yet
        # it is the only way to tell Optuna's dashboard what is infeasible.
        warnings.simplefilter("ignore")
        if config.name == "tpe":
            return samplers.TPESampler(
                n_startup_trials=config.startup_trials,
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


def sampler_of(sampler: Union[str, SamplerConfig]) -> SamplerConfig:
    """Return the options of a sampler that may be given by its name alone.

    Raises:
        ConfigError: If there is no such sampler.
    """
    if isinstance(sampler, SamplerConfig):
        return sampler
    return validated(SamplerConfig, {"name": sampler}, "sampler")


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
