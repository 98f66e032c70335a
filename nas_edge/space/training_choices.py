"""A search space whose points are a network and how it is trained.

It wraps a `SearchSpace` where a study's `search` section names choices of training; without that
section a study searches the network alone, and its points are architectures.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, Dict, List, Mapping, Optional, Tuple

from nas_edge.config.files import validated
from nas_edge.config.search import SEARCH_KEYS, Options, own_label, training_options
from nas_edge.config.study import RecipeConfig, StudyConfig
from nas_edge.errors import SpaceError
from nas_edge.space.architecture import Architecture
from nas_edge.space.search_space import SearchSpace

PREFIX = "train"  # of the parameters' names, and the group in a point's plain data


@dataclass(frozen=True)
class TrainedArchitecture:
    """A network, and those values of the recipe that were chosen for it."""

    architecture: Architecture
    training: Tuple[Tuple[str, Any], ...]

    @property
    def settings(self) -> Dict[str, Any]:
        """The chosen values by the recipe's key."""
        return dict(self.training)

    def recipe(self, study: RecipeConfig) -> RecipeConfig:
        """Return the study's recipe with the chosen values in it.

        Raises:
            ConfigError: If a value breaks a rule of recipes.
        """
        return recipe_with(study, self.settings)


class TrainingChoices:
    """Every network of a space with every combination of training options.

    Args:
        space: The networks.
        options: By key, label to values of the recipe (`nas_edge.config.search.training_options`).
        recipe: The study's own, by which the references are trained.
    """

    def __init__(
        self, space: SearchSpace, options: Mapping[str, Options], recipe: RecipeConfig
    ) -> None:
        self.space = space
        self.name = space.name
        self.options = {key: dict(values) for key, values in options.items()}
        plain = recipe.model_dump()
        own = {key: own_label(values, plain) for key, values in self.options.items()}
        self.references = {
            name: self._point(architecture, own) for name, architecture in space.references.items()
        }

    @property
    def searched(self) -> Dict[str, Tuple[Any, ...]]:
        """The choices with more than one value, of the network and of training."""
        training = {
            f"{PREFIX}.{key}": tuple(options)
            for key, options in self.options.items()
            if len(options) > 1
        }
        return {**self.space.searched, **training}

    @property
    def num_points(self) -> int:
        """Combinations of values."""
        return self.space.num_points * prod(len(options) for options in self.options.values())

    def suggest(self, trial: Any) -> TrainedArchitecture:
        """Return the network and the training that a trial's sampler chooses."""
        architecture = self.space.suggest(trial)
        labels = {
            key: trial.suggest_categorical(f"{PREFIX}.{key}", tuple(options))
            if len(options) > 1
            else next(iter(options))
            for key, options in self.options.items()
        }
        return self._point(architecture, labels)

    def sample(self, rng: random.Random) -> TrainedArchitecture:
        """Return a uniformly random point."""
        architecture = self.space.sample(rng)
        labels = {key: rng.choice(list(options)) for key, options in self.options.items()}
        return self._point(architecture, labels)

    def parameters(self, point: TrainedArchitecture) -> Dict[str, Any]:
        """Return the searched values of a point by their parameters' names.

        Raises:
            SpaceError: If it is not a point of the space.
        """
        reason = self.why_not(point)
        if reason:
            raise SpaceError(f"the point is not in space {self.name!r}: {reason}")
        training = {
            f"{PREFIX}.{key}": own_label(options, point.settings)
            for key, options in self.options.items()
            if len(options) > 1
        }
        return {**self.space.parameters(point.architecture), **training}

    def why_not(self, point: TrainedArchitecture) -> Optional[str]:
        """Return why a point is not one of this space, or None if it is one."""
        if point.settings not in combinations_of(self.options):
            return f"its training ({describe_training(point.settings)}) is none of the options"
        return self.space.why_not(point.architecture)

    def contains(self, point: TrainedArchitecture) -> bool:
        """Return whether a point is one of this space."""
        return self.why_not(point) is None

    def key(self, point: TrainedArchitecture) -> str:
        """Return the network's canonical key with the training in it."""
        training = ",".join(f"{name}={value}" for name, value in sorted(point.training))
        return f"{self.space.key(point.architecture)}:{training}"

    def to_json(self, point: TrainedArchitecture) -> Any:
        """Return plain data of a point: the network's, and a group ``train``."""
        return {**self.space.to_json(point.architecture), PREFIX: point.settings}

    def from_json(self, data: Mapping[str, Any]) -> TrainedArchitecture:
        """Return the point of plain data; the inverse of `to_json`.

        Raises:
            SpaceError: If the data are no network with its training.
        """
        network, settings = split_point(data)
        return TrainedArchitecture(self.space.from_json(network), tuple(settings.items()))

    def fingerprint(self) -> Dict[str, Any]:
        """Return what makes this space this space, as plain data."""
        training = {f"{PREFIX}.{key}": list(options) for key, options in self.options.items()}
        return {**self.space.fingerprint(), **training}

    def _point(self, architecture: Architecture, labels: Mapping[str, Any]) -> TrainedArchitecture:
        settings: Dict[str, Any] = {}
        for key, options in self.options.items():
            settings.update(options[labels[key]])
        return TrainedArchitecture(architecture, tuple(settings.items()))


def searched_space(space: SearchSpace, study: StudyConfig) -> Any:
    """Return what a study searches: the networks, with its choices of training where it has any."""
    options = training_options(study.search, study.recipe.model_dump())
    return TrainingChoices(space, options, study.recipe) if options else space


def searched_recipes(study: StudyConfig) -> List[RecipeConfig]:
    """Return every recipe that a candidate of the study may be trained by."""
    options = training_options(study.search, study.recipe.model_dump())
    return [recipe_with(study.recipe, settings) for settings in combinations_of(options)]


def combinations_of(options: Mapping[str, Options]) -> List[Dict[str, Any]]:
    """Return the recipe's values of every combination of options; one empty if there are none."""
    return [
        {key: value for settings in combination for key, value in settings.items()}
        for combination in product(*(labels.values() for labels in options.values()))
    ]


def recipe_with(recipe: RecipeConfig, settings: Mapping[str, Any]) -> RecipeConfig:
    """Return a recipe with other values for some keys, checked by the same rules."""
    return validated(RecipeConfig, {**recipe.model_dump(), **settings}, "recipe")


def split_point(data: Mapping[str, Any]) -> Tuple[Dict[str, Any], Dict[str, Any]]:
    """Return the network's plain data and its training's (empty where that was not searched).

    Raises:
        SpaceError: If the training is no group of searched keys.
    """
    network = {key: value for key, value in data.items() if key != PREFIX}
    settings = data.get(PREFIX, {})
    if not isinstance(settings, Mapping):
        raise SpaceError(f"{PREFIX} must be a group of keys, but got {settings!r}")
    for key in settings:
        if key not in SEARCH_KEYS:
            raise SpaceError(
                f"{PREFIX}.{key} is not a known key; known are {', '.join(SEARCH_KEYS)}"
            )
    return network, dict(settings)


def describe_training(settings: Mapping[str, Any]) -> str:
    """Return a training's values in a few words, e.g. ``bf16, sgd, learning rate 0.05``."""
    parts = [str(settings["precision"])] if "precision" in settings else []
    if "optimizer" in settings:
        parts.append(str(settings["optimizer"]))
    if "learning_rate" in settings:
        parts.append(f"learning rate {settings['learning_rate']}")
    if "micro_batch" in settings:
        micro_batch = settings["micro_batch"]
        parts.append("whole batch" if micro_batch is None else f"micro-batch {micro_batch}")
    return ", ".join(parts)
