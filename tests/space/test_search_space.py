"""The space: membership with its reason, suggest → architecture → parameters, counts, keys."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from itertools import product

import optuna
import pytest

from nas_edge.errors import ConfigError, SpaceError
from nas_edge.space.architecture import CHOICE_NAMES
from nas_edge.space.references import reference_architecture
from nas_edge.space.search_space import SearchSpace

optuna.logging.set_verbosity(optuna.logging.WARNING)

FIXED = {name: [value] for name, value in reference_architecture("xception").parameters().items()}
SEARCHED = {
    "stem.width1": [16, 32],
    "entry.squeeze": [1.0, 0.5, 0.25],
    "middle.kernels": ["3-3-3", "1-1-3"],
    "strides": ["2-2-2-2-2", "1-2-2-2-2"],
}


def tiny() -> SearchSpace:
    return SearchSpace("tiny", {**FIXED, **SEARCHED})


def all_points(space: SearchSpace):
    for values in product(*space.searched.values()):
        yield space.architecture(dict(zip(space.searched, values)))


def test_every_combination_is_counted():
    space = tiny()
    points = set(all_points(space))

    assert space.num_points == len(points) == 2 * 3 * 2 * 2
    assert list(space.searched) == [name for name in CHOICE_NAMES if name in SEARCHED]


def test_a_space_without_a_choice_has_one_point():
    space = SearchSpace("one", FIXED)

    assert (space.num_points, space.searched) == (1, {})
    assert space.architecture({}) == reference_architecture("xception")
    assert space.parameters(reference_architecture("xception")) == {}


def test_every_point_is_contained_and_survives_parameters_and_json():
    space = tiny()

    for point in all_points(space):
        assert space.contains(point)
        assert space.architecture(space.parameters(point)) == point
        assert space.from_json(json.loads(json.dumps(space.to_json(point)))) == point


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"stem.width1": 24}, "stem.width1 must be one of 16, 32, but is 24"),
        ({"stem.width2": 65}, "stem.width2 must be one of 64, but is 65"),
        ({"entry.squeeze": 0.75}, "entry.squeeze must be one of 1.0, 0.5, 0.25, but is 0.75"),
        ({"middle.kernels": "1-3-3"}, "middle.kernels must be one of 3-3-3, 1-1-3, but is 1-3-3"),
        ({"middle.blocks": 7}, "middle.blocks must be one of 8, but is 7"),
        ({"style": "lite"}, "style must be one of xception, but is lite"),
    ],
)
def test_a_point_outside_is_refused_with_the_reason(changed, reason):
    space = tiny()
    outside = space.architecture(
        {**dict(zip(SEARCHED, (16, 1.0, "3-3-3", "2-2-2-2-2"))), **changed}
    )

    assert not space.contains(outside)
    assert space.why_not(outside) == reason
    with pytest.raises(SpaceError) as caught:
        space.parameters(outside)
    assert str(caught.value) == f"the architecture is not in space 'tiny': {reason}"


def test_a_point_that_breaks_equation_3_2_cannot_be_made():
    with pytest.raises(SpaceError, match=r"eq\. 3\.2"):
        tiny().architecture(
            {
                "stem.width1": 16,
                "entry.squeeze": 2.0,
                "middle.kernels": "3-3-3",
                "strides": "2-2-2-2-2",
            }
        )


def test_a_choice_that_is_not_chosen_is_named():
    with pytest.raises(SpaceError, match=r"strides is missing"):
        tiny().architecture({"stem.width1": 16, "entry.squeeze": 1.0, "middle.kernels": "3-3-3"})


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"stem.width3": [1]}, "s: stem.width3 is not a known choice; known are stem.width1, "),
        ({"stem.width1": []}, "s: stem.width1 must have at least one value, but has none"),
    ],
)
def test_choices_that_are_not_the_templates_are_refused(choices, message):
    with pytest.raises(ConfigError) as caught:
        SearchSpace("s", {**FIXED, **choices}, where="s")
    assert str(caught.value).startswith(message)


def test_a_missing_choice_is_refused():
    choices = {name: values for name, values in FIXED.items() if name != "style"}

    with pytest.raises(ConfigError, match="style must have at least one value"):
        SearchSpace("s", choices)


def test_a_reference_outside_the_space_is_refused_with_the_next_step():
    with pytest.raises(ConfigError) as caught:
        SearchSpace("s", FIXED, {"lite": reference_architecture("xception-lite")}, "s.yaml")

    assert str(caught.value) == (
        "s.yaml: references: lite is not in the space: entry.width3 must be one of 728, but is "
        "512; add the value to the choice, or remove the reference"
    )


@pytest.mark.parametrize("name", ["xception_cnd", "xception_cnd_small"])
def test_what_optuna_suggests_is_a_point_with_the_trials_parameters(name):
    space = SearchSpace.load(name)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))

    for _ in range(20):
        trial = study.ask()
        point = space.suggest(trial)

        assert space.contains(point)
        assert space.parameters(point) == trial.params
        assert space.architecture(trial.params) == point
        study.tell(trial, 1.0)


@pytest.mark.parametrize("name", ["xception_cnd", "xception_cnd_small"])
def test_an_enqueued_reference_is_what_optuna_suggests(name, tmp_path):
    space = SearchSpace.load(name)
    storage = f"sqlite:///{tmp_path / 's.db'}"  # parameters go through JSON, as in a run
    study = optuna.create_study(storage=storage, sampler=optuna.samplers.RandomSampler(seed=0))

    for reference in space.references.values():
        study.enqueue_trial(space.parameters(reference))

    for reference in space.references.values():
        trial = study.ask()
        assert space.suggest(trial) == reference
        assert study.trials[trial.number].params == space.parameters(reference)


def test_random_points_are_in_the_space_and_reach_every_value():
    space = tiny()
    rng = random.Random(0)

    drawn = [space.sample(rng) for _ in range(2400)]

    counts = Counter(drawn)
    assert set(counts) == set(all_points(space))
    # 2400 draws of 24 equal points: 100 each, standard deviation 9.8; four of them on each side.
    assert all(60 <= count <= 140 for count in counts.values())
    again = random.Random(0)
    assert [space.sample(again) for _ in range(10)] == drawn[:10]


def test_two_spellings_of_one_network_share_their_key_and_two_networks_do_not():
    # In the entry flow a ratio from 1.0 on means that there is no squeeze layer.
    space = SearchSpace("s", {**FIXED, "entry.squeeze": [1.0, 1.5, 0.5]})
    one, other, third = all_points(space)

    assert one != other
    assert space.key(one) == space.key(other) != space.key(third)
    assert space.num_points == 3


def test_fingerprint_tells_spaces_apart_and_survives_json():
    space = tiny()
    wider = SearchSpace("tiny", {**FIXED, **SEARCHED, "stem.width1": [16, 32, 64]})

    assert json.loads(json.dumps(space.fingerprint())) == tiny().fingerprint()
    assert space.fingerprint() != wider.fingerprint()


def test_the_space_keeps_its_own_copy_of_the_choices():
    choices = {name: list(values) for name, values in FIXED.items()}
    space = SearchSpace("s", choices)

    choices["stem.width1"].append(5)

    assert not space.contains(
        replace(
            reference_architecture("xception"),
            stem=replace(reference_architecture("xception").stem, widths=(5, 64)),
        )
    )
