"""The study file's `search` section: choices of training that are searched beside the network.

Each key is a list of values of the recipe's key of the same name. An optimizer may bring its own
learning rate, without which two optimizers do not compare fairly.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Tuple

from pydantic import BeforeValidator, Field, model_validator
from typing_extensions import Annotated, Literal

from nas_edge.config.files import FrozenModel

OptimizerName = Literal["adam", "adamw", "sgd", "adam8bit"]
PrecisionName = Literal["fp32", "bf16", "fp16"]
LearningRate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
MicroBatch = Annotated[int, Field(ge=2, le=65536)]
SEARCH_KEYS = ("precision", "optimizer", "learning_rate", "micro_batch")
# Label (what Optuna is given) to the recipe's keys and values that it stands for.
Options = Dict[Any, Dict[str, Any]]


class OptimizerChoice(FrozenModel):
    """An optimizer, and its learning rate where it is not the recipe's."""

    name: OptimizerName
    learning_rate: Optional[LearningRate] = None


# Read as "sgd" or as {name: sgd, learning_rate: 0.05}.
NamedOptimizer = Annotated[
    OptimizerChoice, BeforeValidator(lambda v: {"name": v} if isinstance(v, str) else v)
]


class SearchConfig(FrozenModel):
    """Values by key of the recipe; a key that is not given is not searched."""

    precision: Optional[Annotated[Tuple[PrecisionName, ...], Field(min_length=1)]] = None
    optimizer: Optional[Annotated[Tuple[NamedOptimizer, ...], Field(min_length=1)]] = None
    learning_rate: Optional[Annotated[Tuple[LearningRate, ...], Field(min_length=1)]] = None
    micro_batch: Optional[Annotated[Tuple[Optional[MicroBatch], ...], Field(min_length=1)]] = None

    @model_validator(mode="after")
    def _one_learning_rate_each(self) -> SearchConfig:
        for choice in self.optimizer or ():
            if choice.learning_rate is not None and self.learning_rate is not None:
                raise ValueError(
                    "optimizer must not give learning rates where search.learning_rate does, but "
                    f"gives {choice.name} {choice.learning_rate!r}"
                )
        return self


def training_options(search: SearchConfig, recipe: Mapping[str, Any]) -> Dict[str, Options]:
    """Return the options of each searched key: label to the recipe's values.

    Args:
        search: The section.
        recipe: The study's recipe as plain data; its own values are the references' choices.
    Raises:
        ValueError: If an option stands twice, a micro-batch is no part of the batch, or the
            recipe's own value is not among the options.
    """
    found: Dict[str, Options] = {}
    for key in SEARCH_KEYS:
        if getattr(search, key) is None:
            continue
        options = _optimizers(search, recipe) if key == "optimizer" else _plain(search, key)
        _check_options(key, options, recipe)
        found[key] = dict(options)
    return found


def own_label(options: Options, recipe: Mapping[str, Any]) -> Any:
    """Return the label of the recipe's own values; KeyError if it is none of the options."""
    for label, settings in options.items():
        if all(recipe.get(key) == value for key, value in settings.items()):
            return label
    raise KeyError(f"none of {list(options)} is the recipe's own")


def _plain(search: SearchConfig, key: str) -> List[Tuple[Any, Dict[str, Any]]]:
    return [(value, {key: value}) for value in getattr(search, key)]


def _optimizers(
    search: SearchConfig, recipe: Mapping[str, Any]
) -> List[Tuple[Any, Dict[str, Any]]]:
    choices = search.optimizer or ()
    if all(choice.learning_rate is None for choice in choices):
        return [(choice.name, {"optimizer": choice.name}) for choice in choices]
    options: List[Tuple[Any, Dict[str, Any]]] = []
    for choice in choices:
        rate = choice.learning_rate or recipe["learning_rate"]
        settings = {"optimizer": choice.name, "learning_rate": rate}
        options.append((f"{choice.name}, learning rate {rate!r}", settings))
    return options


def _check_options(
    key: str, options: List[Tuple[Any, Dict[str, Any]]], recipe: Mapping[str, Any]
) -> None:
    labels = [label for label, _ in options]
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(
                f"search.{key} must have each value once, but has {_shown(label)} more than once"
            )
    for value in labels if key == "micro_batch" else ():
        if value is not None and value >= recipe["batch_size"]:
            raise ValueError(
                f"search.micro_batch must be less than recipe.batch_size ({recipe['batch_size']}; "
                f"null is the whole batch), but got {value}"
            )
    try:
        own_label(dict(options), recipe)
    except KeyError:
        keys = dict.fromkeys(name for _, settings in options for name in settings)
        own = ", ".join(f"recipe.{name} {_shown(recipe.get(name))}" for name in keys)
        raise ValueError(
            f"search.{key} must have the recipe's own value, by which the references are trained "
            f"({own}), but has {'; '.join(map(_shown, labels))}; add it, or change the recipe"
        ) from None


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)
