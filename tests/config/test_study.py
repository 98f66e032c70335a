"""Study files: shorthands, overrides, rules, and that a resolved study is read back as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_edge.config import study as study_module
from nas_edge.config.files import load_yaml, shipped_files, validated
from nas_edge.config.space import load_space_config
from nas_edge.config.study import (
    PAPER_RECIPE,
    AugmentationConfig,
    RecipeConfig,
    StudyConfig,
    build_study_config,
    expand_shorthands,
    load_study_config,
)
from nas_edge.errors import ConfigError

MINIMAL = "name: a\nspace: xception_cnd_small\n"

# Every field of every group at another value than its default.
FULL = """
name: full
description: "2024-01-31: é, 'quoted'"
space: xception_cnd_small
data:
  source: caltech101
  path: "no"
  split: {val: 0.2, test: 0.1, seed: 3}
  background: true
  damaged: skip
  synthetic: {classes: 7, train: 10, val: 11, test: 12, seed: 5, difficulty: 0.75}
recipe:
  epochs: 7
  batch_size: 5
  micro_batch: 2
  image_size: 33
  optimizer: sgd
  learning_rate: 1e-7
  schedule: constant
  warmup_epochs: 0.3333333333333333
  weight_decay: 1e-22
  momentum: 0.5
  adam_eps: 1e-9
  loss: double_softmax
  label_smoothing: 0.1
  dropout: 0.3
  bn_momentum: 0.25
  precision: bf16
  memory_format: contiguous
  init: keras
  weights: best
  trainable: head
  augmentation: {flip_horizontal: true, flip_vertical: true, rotation: 0.1, translation: 0.2,
                 contrast: 0.3}
search: {precision: [bf16, fp32], optimizer: [sgd, adam8bit], learning_rate: [1e-7, 0.5],
         micro_batch: [2, null]}
objectives: [val_accuracy, latency, params]
trials: 77
time_budget: 34.123456789h
finalists_share: 0.125
memory_limit: 1234567.89KiB
memory_saver: unit
accuracy_frontier: 0.123
sampler: {name: nsga3, startup_trials: 4, population: 6}
pruner: {name: screen, start: 0.2, confidence: 0.8, min_curves: 5, audit: 0.25, promote: 0.4}
seed: 11
limits: {candidate_time: 3.7min, silence: 0.00001s}
artifacts: {weights: true}
"""


def load(tmp_path, text, **overrides):
    path = tmp_path / "s.yaml"
    path.write_text(text, encoding="utf-8")
    return load_study_config(str(path), overrides)[0]


def refusal(tmp_path, text, **overrides) -> str:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, **overrides)
    message = str(caught.value)
    prefix = f"{tmp_path / 's.yaml'}: "
    assert message.startswith(prefix)
    assert "\n" not in message
    return message[len(prefix) :]


def models_of(model):
    """Yield a model's class and those of its groups."""
    yield model
    for field in type(model).model_fields:
        value = getattr(model, field)
        if hasattr(value, "model_dump"):
            yield from models_of(value)


def test_a_minimal_study_takes_every_default(tmp_path):
    config = load(tmp_path, MINIMAL)

    assert config == StudyConfig(name="a", space="xception_cnd_small")
    assert config.recipe == RecipeConfig()


@pytest.mark.parametrize("name", sorted(shipped_files("studies")))
def test_shipped_study_is_valid_and_its_space_is_there(name):
    config, path = load_study_config(name)

    assert config.name == name == path.stem
    load_space_config(config.space)


@pytest.mark.parametrize("recipe", ["paper", "{base: paper}"])
def test_paper_recipe_is_the_papers_own(tmp_path, recipe):
    recipe = load(tmp_path, MINIMAL + f"recipe: {recipe}").recipe

    # FACTS, section 2, and Keras's defaults.
    assert (recipe.image_size, recipe.batch_size, recipe.epochs) == (224, 16, 60)
    assert (recipe.optimizer, recipe.learning_rate, recipe.adam_eps) == ("adam", 1e-3, 1e-7)
    assert (recipe.schedule, recipe.warmup_epochs, recipe.weight_decay) == ("constant", 0, 0)
    assert (recipe.dropout, recipe.bn_momentum, recipe.label_smoothing) == (0.2, 0.01, 0)
    assert (recipe.weights, recipe.precision, recipe.init) == ("last", "fp32", "keras")
    assert recipe.augmentation == AugmentationConfig()  # none for PCB


def test_recipe_may_start_from_the_papers_and_change_keys(tmp_path):
    recipe = load(tmp_path, MINIMAL + "recipe: {base: paper, epochs: 3, batch_size: 8}").recipe

    assert recipe == RecipeConfig(**{**PAPER_RECIPE, "epochs": 3, "batch_size": 8})


@pytest.mark.parametrize("recipe", ["default", "{base: default}", "{}"])
def test_default_recipe_is_the_defaults(tmp_path, recipe):
    assert load(tmp_path, MINIMAL + f"recipe: {recipe}").recipe == RecipeConfig()


def test_reading_a_shorthand_changes_neither_the_recipe_nor_the_file_data():
    before = {**PAPER_RECIPE}
    data = {"recipe": {"base": "paper", "epochs": 1}, "sampler": "gp"}

    expand_shorthands(data)["recipe"]["epochs"] = 99

    assert before == PAPER_RECIPE
    assert data == {"recipe": {"base": "paper", "epochs": 1}, "sampler": "gp"}


def test_sampler_may_be_given_by_its_name_alone(tmp_path):
    assert load(tmp_path, MINIMAL + "sampler: nsga2").sampler.name == "nsga2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "recipe: papper",
            "recipe must be one of default, paper, paper-fixed, or a group of keys, but got "
            "'papper'",
        ),
        (
            "recipe: {base: x}",
            "recipe.base must be one of default, paper, paper-fixed, or a group of keys, but got "
            "'x'",
        ),
        ("recipe: {epochs: 0}", "recipe.epochs must be at least 1, but got 0"),
        ("recipe: {epoch: 2}", "recipe.epoch is not a known key; did you mean 'epochs'?"),
        ("recipe: 3", "recipe must be a group of keys, but got 3"),
        (
            "recipe: {epochs: 2, warmup_epochs: 3}",
            "recipe.warmup_epochs must be less than epochs (2), but got 3.0",
        ),
        (
            "recipe: {learning_rate: .nan}",
            "recipe.learning_rate must be a finite number, but got NaN",
        ),
        ("recipe: {batch_size: 1}", "recipe.batch_size must be at least 2, but got 1"),
        ("recipe: {micro_batch: 1}", "recipe.micro_batch must be at least 2, but got 1"),
        (
            "recipe: {batch_size: 8, micro_batch: 9}",
            "recipe.micro_batch must be at most batch_size (8), but got 9",
        ),
        (
            "recipe: {augmentation: {rotation: .nan}}",
            "recipe.augmentation.rotation must be a",
        ),
        ("sampler: tpee", "sampler.name must be 'auto', 'known-cost', 'tpe', 'nsga2',"),
        ("memory_limit: 4096", "memory_limit must be an amount of memory such as 4GiB or 512MiB"),
        ("time_budget: 1:30", "1:30 in line 3 is a number to base 60 in YAML"),
        ("objectives: [params]", "objectives must be two or three different names, but got"),
        ("objectives: [params, params]", "objectives must be two or three different names, but"),
        ("objectives: [params, speed]", "objectives.1 must be 'val_accuracy', 'peak_memory'"),
        ("data: {split: {val: 0.5, test: 0.4}}", "data.split.val + test must leave a tenth for"),
        ("data: {source: caltech101, split: {val: 0.75}}", "data.split.val + test must leave a"),
        ("data: {source: caltech101, split: 3}", "data.split must be a group of keys, but got 3"),
        ("data: {background: true}", "data.background must be left out unless source is 'caltech"),
        ("name: a/b", "key 'name' must be given once, but stands again in line 3"),
        ("trials: 0", "trials must be at least 1, but got 0"),
        ("seed: -1", "seed must be at least 0, but got -1"),
        ("seed: 2147483648", "seed must be less than 2147483648, but got 2147483648"),
        ("accuracy_frontier: 70", "accuracy_frontier must be at most 1.0, but got 70"),
    ],
)
def test_a_broken_rule_is_named(tmp_path, text, message):
    assert refusal(tmp_path, MINIMAL + text).startswith(message)


@pytest.mark.parametrize("name", ["a/b", "", "..", "-a", "a b", "a" * 81])
def test_a_name_that_is_no_safe_folder_name_is_refused(tmp_path, name):
    assert refusal(tmp_path, f"name: '{name}'\nspace: x\n").startswith("name: ")


@pytest.mark.parametrize(
    "text",
    [
        f"{group}: {'{'}{key}: {'9' * 400}{'}'}"
        for group, key in [
            ("recipe", "epochs"),
            ("recipe", "batch_size"),
            ("recipe", "learning_rate"),
            ("recipe", "warmup_epochs"),
            ("recipe", "adam_eps"),
            ("sampler", "population"),
            ("sampler", "startup_trials"),
        ]
    ]
    + [f"trials: {'9' * 30}", f"seed: {'9' * 30}", f"memory_limit: {'9' * 400}GiB"],
)
def test_a_number_that_nothing_could_run_with_is_refused(tmp_path, text):
    key = text.partition(":")[0]

    assert refusal(tmp_path, MINIMAL + text).startswith(key)


def test_overrides_replace_keys_and_obey_the_same_rules(tmp_path):
    config = load(tmp_path, FULL, trials=3, memory_limit="1GiB", data={"path": "/x"})

    assert (config.trials, config.memory_limit, config.seed) == (3, 2**30, 11)
    assert config.data.path == "/x"
    assert config.data.damaged == "stop"  # a group is replaced as a whole
    assert refusal(tmp_path, FULL, trials=0) == "trials must be at least 1, but got 0"
    assert refusal(tmp_path, FULL, trails=1).startswith("trails is not a known key; did you")


def test_a_study_is_built_from_keys_and_values_by_the_same_rules(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text(
        "name: a\nspace: small.yaml\nrecipe: {base: paper, epochs: 3}\nsampler: gp\n"
        "memory_limit: 30MiB\ndata: {source: folder, path: images}\n"
    )
    values = {
        "name": "a",
        "space": Path("small.yaml"),
        "recipe": {"base": "paper", "epochs": 3},
        "sampler": "gp",
        "memory_limit": "30MiB",
        "data": {"source": "folder", "path": Path("images")},
    }

    assert build_study_config(**values) == load_study_config(str(file))[0]
    with pytest.raises(ConfigError, match=r"^study: recipe\.epochs must be at least 1, but got 0"):
        build_study_config(**{**values, "recipe": {"epochs": 0}})
    with pytest.raises(ConfigError, match=r"^study: space is missing"):
        build_study_config(name="a")
    with pytest.raises(ConfigError, match=r"^study: must hold numbers, texts and lists only"):
        build_study_config(**{**values, "description": {1, 2}})


def test_the_full_example_differs_from_every_default(tmp_path):
    config = load(tmp_path, FULL)

    for model in models_of(config):
        for name, field in type(model).model_fields.items():
            assert getattr(model, name) != field.get_default(), name
    assert {type(model) for model in models_of(config)} == {
        kind
        for name, kind in vars(study_module).items()
        if name.endswith("Config") and isinstance(kind, type)
    }


@pytest.mark.parametrize("text", [MINIMAL, FULL, MINIMAL + "recipe: paper"])
def test_a_study_written_as_json_data_is_read_back_as_it_was(tmp_path, text):
    config = load(tmp_path, text)

    assert validated(StudyConfig, config.model_dump(mode="json"), "again") == config


def test_a_recipe_without_micro_batches_is_stored_as_before_there_were_any():
    # What a run of an earlier version has in its storage, and must still be found to be.
    stored = {
        "epochs": 20,
        "batch_size": 32,
        "image_size": 64,
        "optimizer": "adamw",
        "learning_rate": 0.002,
        "schedule": "cosine",
        "warmup_epochs": 0.5,
        "weight_decay": 0.01,
        "momentum": 0.9,
        "adam_eps": 1e-08,
        "label_smoothing": 0.0,
        "dropout": 0.2,
        "bn_momentum": 0.1,
        "precision": "fp32",
        "memory_format": "channels_last",
        "init": "he",
        "weights": "last",
        "augmentation": {
            "flip_horizontal": True,
            "flip_vertical": False,
            "rotation": 0.0,
            "translation": 0.0,
            "contrast": 0.0,
        },
    }

    assert RecipeConfig().model_dump() == stored
    assert RecipeConfig(micro_batch=8).model_dump() == {**stored, "micro_batch": 8}


@given(seconds=st.floats(1e-9, 1e12), num_bytes=st.integers(1, 2**53))
def test_every_amount_is_read_back_as_it_was(seconds, num_bytes):
    data = {"name": "a", "space": "b", "memory_limit": f"{num_bytes}B"}
    config = validated(StudyConfig, {**data, "time_budget": "1s"}, "x")
    config = config.model_copy(update={"time_budget": seconds})

    again = validated(StudyConfig, config.model_dump(mode="json"), "again")

    assert (again.time_budget, again.memory_limit) == (seconds, num_bytes)


def test_a_name_that_looks_like_a_number_is_read_back_from_the_resolved_file(tmp_path):
    training_study = pytest.importorskip("nas_edge.study.training_study")
    config = load(tmp_path, 'name: "1e3"\nspace: xception_cnd_small\n')
    run = tmp_path / "run"
    run.mkdir()

    training_study._write_resolved(config, load_space_config(config.space)[0], run)

    assert load_study_config(str(run / "study.yaml"))[0].name == "1e3"


@pytest.mark.parametrize("text", [MINIMAL, FULL])
def test_the_resolved_files_of_a_run_are_read_back_as_they_were(tmp_path, text):
    training_study = pytest.importorskip("nas_edge.study.training_study")
    config = load(tmp_path, text)
    space, _ = load_space_config(config.space)
    run = tmp_path / "run"
    run.mkdir()

    training_study._write_resolved(config, space, run)

    again, path = load_study_config(str(run / "study.yaml"))
    written = config.model_dump()
    written["space"] = "space.yaml"
    if config.data.path is not None:
        written["data"]["path"] = str(Path(config.data.path).resolve())
    assert again.model_dump() == written
    assert load_space_config(again.space, path.parent)[0] == space
    assert load_yaml(path)["recipe"]["epochs"] == config.recipe.epochs
