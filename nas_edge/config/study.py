"""A study file as a validated, frozen object: data, recipe, objectives, sampler, budget, limits."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)
from typing_extensions import Annotated, Literal

from nas_edge.config.files import FrozenModel, find_file, load_yaml, validated
from nas_edge.config.search import (
    LearningRate,
    MicroBatch,
    OptimizerName,
    PrecisionName,
    SearchConfig,
    training_options,
)
from nas_edge.config.units import parse_bytes, parse_seconds
from nas_edge.errors import ConfigError

# Read as "4GiB" and "8h", held in bytes and seconds, written so that they can be read again.
Bytes = Annotated[
    int,
    BeforeValidator(lambda v: v if v is None else parse_bytes(v)),
    PlainSerializer(lambda v: f"{v}B", when_used="json-unless-none"),
]
Seconds = Annotated[
    float,
    BeforeValidator(lambda v: v if v is None else parse_seconds(v)),
    PlainSerializer(lambda v: f"{Decimal(repr(v)):f}s", when_used="json-unless-none"),
]
Share = Annotated[float, Field(ge=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
ImageSize = Annotated[int, Field(ge=8, le=2048)]  # a side, in pixels
NumImages = Annotated[int, Field(ge=4, le=10_000_000)]
ObjectiveName = Literal[
    "val_accuracy",
    "peak_memory",
    "mean_memory",
    "latency",
    "epoch_time",
    "params",
    "macs",
]


class AugmentationConfig(FrozenModel):
    """Random changes to each training image, drawn per image on the batch.

    Rotation is in turns, translation a share of the side, contrast a relative change.
    """

    flip_horizontal: bool = False
    flip_vertical: bool = False
    rotation: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    translation: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.0


# Keys that came after the first runs. One that is not used is left out where a recipe is stored, so
# that a run that began without it goes on as what it was.
_LATER_KEYS = ("micro_batch", "loss", "trainable")


class RecipeConfig(FrozenModel):
    """How a candidate is trained. The defaults train well in few epochs.

    ``micro_batch`` is the most images that are worked through at once (None: the whole batch); a
    batch's gradients are added up over them. "adam8bit" is AdamW with states of 8 bits; it needs
    bitsandbytes. The loss "double_softmax" is the authors' code for more than two classes: a
    cross-entropy from logits, given probabilities. ``trainable`` "head" freezes all but the last
    layer.
    """

    epochs: Annotated[int, Field(ge=1, le=100_000)] = 20
    batch_size: Annotated[int, Field(ge=2, le=65536)] = 32
    image_size: ImageSize = 64
    micro_batch: Optional[MicroBatch] = None
    optimizer: OptimizerName = "adamw"
    learning_rate: LearningRate = 2e-3
    schedule: Literal["constant", "cosine"] = "cosine"
    warmup_epochs: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.5
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.01
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    adam_eps: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-8
    loss: Literal["cross_entropy", "double_softmax"] = "cross_entropy"
    label_smoothing: Share = 0.0
    dropout: Share = 0.2
    bn_momentum: Annotated[float, Field(gt=0, le=1)] = 0.1
    precision: PrecisionName = "fp32"
    memory_format: Literal["channels_last", "contiguous"] = "channels_last"
    init: Literal["he", "keras"] = "he"
    weights: Literal["last", "best"] = "last"
    trainable: Literal["all", "head"] = "all"
    augmentation: AugmentationConfig = AugmentationConfig(flip_horizontal=True)

    @model_validator(mode="after")
    def _warmup_ends(self) -> RecipeConfig:
        if self.warmup_epochs >= self.epochs and self.warmup_epochs > 0.5:
            raise ValueError(
                f"warmup_epochs must be less than epochs ({self.epochs}), "
                f"but got {self.warmup_epochs}"
            )
        return self

    @model_validator(mode="after")
    def _micro_batch_is_a_part(self) -> RecipeConfig:
        if self.micro_batch is not None and self.micro_batch > self.batch_size:
            raise ValueError(
                f"micro_batch must be at most batch_size ({self.batch_size}), "
                f"but got {self.micro_batch}"
            )
        return self

    @model_serializer(mode="wrap")
    def _without_unused_later_keys(self, handler: SerializerFunctionWrapHandler) -> Dict[str, Any]:
        data: Dict[str, Any] = handler(self)
        defaults = type(self).model_fields
        unused = [key for key in _LATER_KEYS if getattr(self, key) == defaults[key].default]
        return {key: value for key, value in data.items() if key not in unused}

    def num_micro_batches(self, num_images: int) -> int:
        """Return into how many even parts a batch is split.

        As many as keep each at ``micro_batch`` images at most, yet none of a single image, over
        which batch normalisation has no variance: an odd batch in twos ends in one of three.
        """
        if self.micro_batch is None:
            return 1
        return max(1, min(-(-num_images // self.micro_batch), num_images // 2))


# The authors' code: Adam with Keras's defaults, no early stop, the last epoch's weights, Keras's
# BatchNorm momentum 0.99 (0.01 in PyTorch's sense), a softmax before the loss's own, and no
# augmentation for PCB.
PAPER_RECIPE: Dict[str, Any] = {
    "epochs": 60,
    "batch_size": 16,
    "image_size": 224,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "schedule": "constant",
    "warmup_epochs": 0.0,
    "weight_decay": 0.0,
    "adam_eps": 1e-7,
    "dropout": 0.2,
    "bn_momentum": 0.01,
    "init": "keras",
    "loss": "double_softmax",
    "augmentation": {},
}
# The same without the second softmax.
FIXED_RECIPE: Dict[str, Any] = {**PAPER_RECIPE, "loss": "cross_entropy"}
BASE_RECIPES: Dict[str, Dict[str, Any]] = {
    "default": {},
    "paper": PAPER_RECIPE,
    "paper-fixed": FIXED_RECIPE,
}


class SyntheticConfig(FrozenModel):
    """How many images of the embedded synthetic PCB set are drawn, and how hard they are."""

    classes: Literal[2, 7] = 2
    train: NumImages = 1000
    val: NumImages = 400
    test: NumImages = 400
    seed: Seed = 0
    difficulty: Annotated[float, Field(ge=0, le=1)] = 0.5


class SplitConfig(FrozenModel):
    """Shares for one folder of classes, which has no splits of its own."""

    val: Annotated[float, Field(gt=0, lt=1)] = 0.15
    test: Annotated[float, Field(gt=0, lt=1)] = 0.15
    seed: Seed = 0

    @model_validator(mode="after")
    def _train_remains(self) -> SplitConfig:
        if self.val + self.test >= 0.9:
            raise ValueError(
                f"val + test must leave a tenth for train, but got {self.val + self.test:g}"
            )
        return self


# Train, validation and test for Caltech-101, which comes without splits: 60, 20 and 20 percent.
CALTECH_SPLIT: Dict[str, Any] = {"val": 0.2, "test": 0.2}


class DataConfig(FrozenModel):
    """Where the images come from: a folder (``--data``) or the embedded synthetic PCB set.

    "caltech101" is a folder in Caltech-101's layout. Its 101 classes are the object categories;
    ``background`` makes BACKGROUND_Google, which is no object, the 102nd.
    """

    source: Literal["folder", "caltech101", "synthetic-pcb"] = "folder"
    path: Optional[str] = None
    split: SplitConfig = SplitConfig()
    background: bool = False
    damaged: Literal["stop", "skip"] = "stop"
    synthetic: SyntheticConfig = SyntheticConfig()

    @model_validator(mode="before")
    @classmethod
    def _caltech_has_shares_of_its_own(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("source") != "caltech101":
            return data
        split = data.get("split", {})
        return {**data, "split": {**CALTECH_SPLIT, **split}} if isinstance(split, dict) else data

    @model_validator(mode="after")
    def _background_is_of_caltech(self) -> DataConfig:
        if self.background and self.source != "caltech101":
            raise ValueError(
                f"background must be left out unless source is 'caltech101', but source is "
                f"{self.source!r}"
            )
        return self


class SamplerConfig(FrozenModel):
    """The sampler by name; all but "known-cost" are Optuna's own.

    "auto" is "known-cost" where accuracy stands against one figure that is known before training,
    else "tpe". ``startup_trials`` come before the model is asked, references among them (None: 8 of
    "known-cost", where a reference counts twice, 10 of "tpe" and "gp"); ``population`` is NSGA's.
    """

    name: Literal["auto", "known-cost", "tpe", "nsga2", "nsga3", "gp", "random", "grid"] = "auto"
    startup_trials: Optional[Annotated[int, Field(ge=1, le=10_000_000)]] = None
    population: Annotated[int, Field(ge=2, le=10_000_000)] = 16


class PrunerConfig(FrozenModel):
    """When a candidate is stopped before its last epoch.

    "front": once it cannot reach the front any more, at the given ``confidence``, with at least
    ``min_curves`` finished trainings to judge by; a share ``audit`` of these verdicts is not
    carried out, to see how often they are wrong. "screen": unless it is among the best share
    ``promote`` of all candidates after the same epochs. Neither before the share ``start`` of the
    epochs.
    """

    name: Literal["front", "screen", "none"] = "front"
    start: Annotated[float, Field(gt=0, lt=1)] = 0.3
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    min_curves: Annotated[int, Field(ge=4, le=10_000)] = 8
    audit: Annotated[float, Field(ge=0, le=1)] = 0.1
    promote: Annotated[float, Field(gt=0, lt=1)] = 0.3


class LimitsConfig(FrozenModel):
    """When a candidate counts as hung: after this much time in all, or this long without a sign."""

    candidate_time: Optional[Seconds] = None
    silence: Seconds = 600.0


class ArtifactsConfig(FrozenModel):
    """What is kept of a candidate beside its architecture, history and curve."""

    weights: bool = False


class StudyConfig(FrozenModel):
    """A study file: what is searched, on which images, how candidates are trained, for how long."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]
    description: str = ""
    space: str
    data: DataConfig = DataConfig()
    recipe: RecipeConfig = RecipeConfig()
    search: SearchConfig = SearchConfig()
    objectives: Tuple[ObjectiveName, ...] = ("val_accuracy", "peak_memory")
    trials: Annotated[int, Field(ge=1, le=10_000_000)] = 30
    time_budget: Optional[Seconds] = None
    # What of the time budget the search leaves to `nas-edge finalize`.
    finalists_share: Share = 0.25
    memory_limit: Optional[Bytes] = None
    # How a network that does not fit is trained nevertheless, to the same weights: "auto" takes the
    # fastest that fits (nas_edge/training/savers.py).
    memory_saver: Literal[
        "auto", "none", "optimizer", "unit", "unit+optimizer", "block", "block+optimizer"
    ] = "auto"
    accuracy_frontier: Annotated[float, Field(ge=0, le=1)] = 0.7
    sampler: SamplerConfig = SamplerConfig()
    pruner: PrunerConfig = PrunerConfig()
    seed: Seed = 0
    limits: LimitsConfig = LimitsConfig()
    artifacts: ArtifactsConfig = ArtifactsConfig()

    @field_validator("objectives")
    @classmethod
    def _two_or_three(cls, objectives: Tuple[str, ...]) -> Tuple[str, ...]:
        if not 2 <= len(objectives) <= 3 or len(set(objectives)) != len(objectives):
            raise ValueError(f"must be two or three different names, but got {list(objectives)}")
        return objectives

    @model_validator(mode="after")
    def _search_goes_with_the_recipe(self) -> StudyConfig:
        training_options(self.search, self.recipe.model_dump())
        return self


def build_study_config(**settings: Any) -> StudyConfig:
    """Return the study of keys and values, which are those of a study file.

    Example:
        >>> study = build_study_config(name="mine", space="xception_cnd_small", recipe="paper")
        >>> study.recipe.epochs
        60

    Raises:
        ConfigError: If a rule is broken; it names the key.
    """
    return validated(StudyConfig, expand_shorthands(settings), "study")


def load_study_config(
    name: str,
    overrides: Optional[Mapping[str, Any]] = None,
    options: Optional[Mapping[str, str]] = None,
) -> Tuple[StudyConfig, Path]:
    """Return the study that a path or a shipped name means, and its file.

    Args:
        name: A path, or the name of a shipped study.
        overrides: Top-level keys that replace the file's, e.g. from the command line. They are
            checked by the same rules.
        options: By dotted key the command line's option that a value is from, for errors.
    Raises:
        ConfigError: If there is no such file or a rule is broken.
    """
    path = find_file("studies", name)
    data = load_yaml(path)
    data.update(overrides or {})
    try:
        full = expand_shorthands(data)
    except ConfigError as err:
        raise ConfigError(f"{path}: {err}") from err
    return validated(StudyConfig, full, str(path), options), path


def expand_shorthands(data: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the study with ``recipe: paper``, ``sampler: tpe`` and ``pruner: none`` written out.

    Raises:
        ConfigError: If there is no recipe of that name.
    """
    full = dict(data)
    recipe = full.get("recipe")
    if isinstance(recipe, str):
        full["recipe"] = _base_recipe(recipe, "recipe")
    elif isinstance(recipe, dict) and "base" in recipe:
        own = {key: value for key, value in recipe.items() if key != "base"}
        full["recipe"] = {**_base_recipe(recipe["base"], "recipe.base"), **own}
    for key in ("sampler", "pruner"):
        if isinstance(full.get(key), str):
            full[key] = {"name": full[key]}
    return full


def _base_recipe(name: Any, key: str) -> Dict[str, Any]:
    if not isinstance(name, str) or name not in BASE_RECIPES:
        raise ConfigError(
            f"{key} must be one of {', '.join(BASE_RECIPES)}, or a group of keys, but got {name!r}"
        )
    return BASE_RECIPES[name]
