"""Points that are a network and its training: choices, keys, plain data, references."""

import json
import random

import pytest

from nas_edge.config.search import SearchConfig
from nas_edge.config.study import RecipeConfig, StudyConfig
from nas_edge.errors import ConfigError, SpaceError
from nas_edge.space.architecture import CHOICE_NAMES
from nas_edge.space.references import reference_architecture
from nas_edge.space.search_space import SearchSpace
from nas_edge.space.training_choices import (
    TrainedArchitecture,
    TrainingChoices,
    describe_training,
    searched_recipes,
    searched_space,
    split_point,
)

LITE = reference_architecture("xception-lite", 0.25)
CHOICES = {name: [value] for name, value in LITE.parameters().items()}
CHOICES["stem.width1"] = [8, 4]
NETWORKS = SearchSpace("tiny", CHOICES, {"xception-lite x0.25": LITE})
RECIPE = RecipeConfig(batch_size=16, learning_rate=0.002)


def study(recipe=RECIPE, **search):
    section = SearchConfig.model_validate(search)
    return StudyConfig(name="s", space="tiny", recipe=recipe, search=section)


def space_of(recipe=RECIPE, **search):
    return searched_space(NETWORKS, study(recipe, **search))


@pytest.fixture
def space():
    """2 networks x 2 precisions x 2 optimizers x 2 micro-batches."""
    return space_of(
        precision=("fp32", "bf16"),
        optimizer=("adamw", {"name": "sgd", "learning_rate": 0.05}),
        micro_batch=(None, 4),
    )


class Trial:
    """Chooses what it was given, and notes what it was asked."""

    def __init__(self, **chosen):
        self.chosen = chosen
        self.asked = {}

    def suggest_categorical(self, name, values):
        self.asked[name] = values
        wanted = self.chosen.get(name.rpartition(".")[2])
        return next(v for v in values if wanted is None or str(v).startswith(str(wanted)))


def test_a_study_that_searches_no_training_has_the_plain_space():
    assert space_of() is NETWORKS
    assert searched_recipes(study()) == [RECIPE]


def test_parameters_are_named_after_the_recipes_keys(space):
    trial = Trial(width1=4, precision="bf16", optimizer="sgd", micro_batch=4)
    point = space.suggest(trial)

    assert list(trial.asked) == [
        "stem.width1",
        "train.precision",
        "train.optimizer",
        "train.micro_batch",
    ]
    assert trial.asked["train.precision"] == ("fp32", "bf16")
    assert trial.asked["train.micro_batch"] == (None, 4)
    assert point.architecture.stem.widths[0] == 4
    assert point.settings == {
        "precision": "bf16",
        "optimizer": "sgd",
        "learning_rate": 0.05,
        "micro_batch": 4,
    }
    assert set(trial.asked) == set(space.searched)
    assert space.parameters(point) == {
        "stem.width1": 4,
        "train.precision": "bf16",
        "train.optimizer": trial.asked["train.optimizer"][1],
        "train.micro_batch": 4,
    }
    assert space.num_points == 2 * 2 * 2 * 2


def test_a_single_option_is_fixed_and_not_asked_for():
    space = space_of(precision=("fp32",), micro_batch=(None, 4))
    trial = Trial()
    point = space.suggest(trial)

    assert list(trial.asked) == ["stem.width1", "train.micro_batch"]
    assert point.settings == {"precision": "fp32", "micro_batch": None}
    assert space.num_points == 4


def test_references_are_trained_by_the_studys_own_recipe():
    recipe = RECIPE.model_copy(update={"precision": "bf16", "micro_batch": 4})
    space = space_of(recipe, precision=("fp32", "bf16"), micro_batch=(None, 8, 4))
    point = space.references["xception-lite x0.25"]

    assert point.architecture == LITE
    assert point.settings == {"precision": "bf16", "micro_batch": 4}
    assert point.recipe(recipe) == recipe
    assert space.contains(point)


def test_a_points_recipe_is_the_studys_with_its_own_values(space):
    point = space.suggest(Trial(precision="bf16", optimizer="sgd", micro_batch=4))
    recipe = point.recipe(RECIPE)

    changed = {k for k, v in recipe.model_dump().items() if RECIPE.model_dump().get(k) != v}
    assert changed == {"precision", "optimizer", "learning_rate", "micro_batch"}
    assert (recipe.precision, recipe.optimizer) == ("bf16", "sgd")
    assert (recipe.learning_rate, recipe.micro_batch) == (0.05, 4)


def test_keys_differ_by_training_and_by_network_and_by_nothing_else(space):
    rng = random.Random(0)
    points = [space.sample(rng) for _ in range(300)]

    assert len({space.key(point) for point in points}) == 16
    assert {space.key(p).partition(":")[0] for p in points} == {
        NETWORKS.key(p.architecture) for p in points
    }
    for point in points:
        turned = TrainedArchitecture(point.architecture, tuple(reversed(point.training)))
        assert space.key(turned) == space.key(point)


def test_points_are_plain_data_and_back(space):
    rng = random.Random(1)
    for _ in range(20):
        point = space.sample(rng)
        data = json.loads(json.dumps(space.to_json(point)))
        assert space.from_json(data) == point
        network, training = split_point(data)
        assert NETWORKS.from_json(network) == point.architecture
        assert training == data["train"] == point.settings
        assert space.contains(point)


def test_a_network_without_training_is_split_too():
    assert split_point(LITE.to_dict()) == (LITE.to_dict(), {})


@pytest.mark.parametrize(
    ("training", "message"),
    [
        (3, "train must be a group of keys, but got 3"),
        ({"epochs": 3}, "train.epochs is not a known key; known are precision, optimizer, "),
    ],
)
def test_a_training_that_is_none_is_refused(space, training, message):
    with pytest.raises(SpaceError) as caught:
        space.from_json({**LITE.to_dict(), "train": training})
    assert str(caught.value).startswith(message)


def test_a_point_outside_is_refused_with_the_reason(space):
    inside = space.references["xception-lite x0.25"]
    other = TrainedArchitecture(LITE, (*inside.training[:-1], ("micro_batch", 8)))
    assert not space.contains(other)
    assert space.why_not(other) == (
        "its training (fp32, adamw, learning rate 0.002, micro-batch 8) is none of the options"
    )
    elsewhere = TrainedArchitecture(reference_architecture("xception", 0.25), inside.training)
    assert space.why_not(elsewhere).startswith("entry.width3 must be one of 128, but is 182")
    with pytest.raises(SpaceError, match="the point is not in space 'tiny': its training"):
        space.parameters(other)


def test_a_recipes_rules_hold_for_a_point_too():
    point = TrainedArchitecture(LITE, (("micro_batch", 64),))
    with pytest.raises(ConfigError, match=r"micro_batch must be at most batch_size \(16\)"):
        point.recipe(RECIPE)


def test_the_fingerprint_holds_network_and_training(space):
    found = json.loads(json.dumps(space.fingerprint()))

    assert {name: found[name] for name in CHOICE_NAMES} == NETWORKS.fingerprint()
    assert found["train.precision"] == ["fp32", "bf16"]
    assert found["train.micro_batch"] == [None, 4]
    rates = [space_of(optimizer=("adamw", {"name": "sgd", "learning_rate": r})) for r in (0.1, 0.2)]
    assert rates[0].fingerprint() != rates[1].fingerprint()


def test_every_recipe_of_a_search_is_listed():
    recipes = searched_recipes(
        study(precision=("fp32", "bf16"), learning_rate=(0.002, 0.1), micro_batch=(None, 4, 2))
    )

    found = {(r.precision, r.learning_rate, r.micro_batch) for r in recipes}
    assert len(recipes) == len(found) == 2 * 2 * 3
    assert ("bf16", 0.1, 2) in found
    assert {r.batch_size for r in recipes} == {16}


def test_training_in_a_few_words():
    settings = {"precision": "bf16", "optimizer": "sgd", "learning_rate": 0.05, "micro_batch": 8}
    assert describe_training(settings) == "bf16, sgd, learning rate 0.05, micro-batch 8"
    assert describe_training({"micro_batch": None}) == "whole batch"
    assert describe_training({"learning_rate": 0.1}) == "learning rate 0.1"
    assert isinstance(space_of(precision=("fp32", "bf16")), TrainingChoices)
