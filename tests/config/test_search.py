"""The `search` section: what it holds, and one line for each mistake in it."""

import pytest

from nas_edge.config.files import load_yaml, shipped_files
from nas_edge.config.search import own_label, training_options
from nas_edge.config.study import load_study_config
from nas_edge.errors import ConfigError

STUDY = """
name: a
space: xception_cnd_small
recipe: {batch_size: 16, optimizer: adamw, learning_rate: 0.002}
"""


def load(folder, section, text=STUDY):
    path = folder / "s.yaml"
    path.write_text(f"{text}search: {section}\n", encoding="utf-8")
    return load_study_config(str(path))[0]


def options(folder, section):
    config = load(folder, section)
    return training_options(config.search, config.recipe.model_dump())


def test_a_study_without_the_section_searches_no_training(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(STUDY)
    config = load_study_config(str(path))[0]

    assert training_options(config.search, config.recipe.model_dump()) == {}
    assert options(tmp_path, "{}") == {}


def test_every_key_is_a_list_of_the_recipes_values(tmp_path):
    found = options(
        tmp_path,
        "{micro_batch: [null, 8], precision: [fp32, bf16], optimizer: [sgd, adamw], "
        "learning_rate: [0.002, 1e-1]}",
    )

    assert found == {
        "precision": {"fp32": {"precision": "fp32"}, "bf16": {"precision": "bf16"}},
        "optimizer": {"sgd": {"optimizer": "sgd"}, "adamw": {"optimizer": "adamw"}},
        "learning_rate": {0.002: {"learning_rate": 0.002}, 0.1: {"learning_rate": 0.1}},
        "micro_batch": {None: {"micro_batch": None}, 8: {"micro_batch": 8}},
    }


def test_an_optimizer_may_bring_its_learning_rate_and_else_has_the_recipes(tmp_path):
    found = options(tmp_path, "{optimizer: [adamw, {name: sgd, learning_rate: 0.05}]}")

    assert list(found["optimizer"].values()) == [
        {"optimizer": "adamw", "learning_rate": 0.002},
        {"optimizer": "sgd", "learning_rate": 0.05},
    ]
    assert all("0.0" in label for label in found["optimizer"])


def test_the_recipes_own_option_is_found():
    rates = {"a": {"optimizer": "sgd", "learning_rate": 0.1}, "b": {"optimizer": "sgd"}}

    assert own_label(rates, {"optimizer": "sgd", "learning_rate": 0.1}) == "a"
    assert own_label(rates, {"optimizer": "sgd", "learning_rate": 0.2}) == "b"
    assert own_label({None: {"micro_batch": None}}, {}) is None
    with pytest.raises(KeyError):
        own_label(rates, {"optimizer": "adam", "learning_rate": 0.1})


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("", "search must be a group of keys, but got null"),
        ("[fp32]", 'search must be a group of keys, but got ["fp32"]'),
        ("{precison: [fp32]}", "search.precison is not a known key; did you mean 'precision'?"),
        (
            "{epochs: [1, 2]}",
            "search.epochs is not a known key; known are learning_rate, micro_batch, optimizer, "
            "precision",
        ),
        ("{precision: []}", "search.precision must have at least 1 entries, but got []"),
        ("{micro_batch: []}", "search.micro_batch must have at least 1 entries, but got []"),
        ("{precision: bf16}", 'search.precision must be a list, but got "bf16"'),
        (
            "{precision: [fp32, fp8]}",
            "search.precision.1 must be 'fp32', 'bf16' or 'fp16', but got \"fp8\"",
        ),
        (
            "{optimizer: [adamw, lion]}",
            "search.optimizer.1.name must be 'adam', 'adamw', 'sgd' or 'adam8bit', "
            'but got "lion"',
        ),
        (
            "{optimizer: [adamw, {name: sgd, learning_rte: 0.1}]}",
            "search.optimizer.1.learning_rte is not a known key; did you mean 'learning_rate'?",
        ),
        (
            "{optimizer: [adamw, {name: sgd, learning_rate: 0}]}",
            "search.optimizer.1.learning_rate must be greater than 0.0, but got 0",
        ),
        (
            "{optimizer: [adamw, {learning_rate: 0.1}]}",
            "search.optimizer.1.name is missing",
        ),
        ("{learning_rate: [0.002, -1]}", "search.learning_rate.1 must be greater than 0.0, but"),
        ("{micro_batch: [null, 1]}", "search.micro_batch.1 must be at least 2, but got 1"),
        ("{micro_batch: [null, 2.5]}", "search.micro_batch.1 must be a whole number, but got 2.5"),
        (
            "{micro_batch: [null, 16]}",
            "search.micro_batch must be less than recipe.batch_size (16; null is the whole batch), "
            "but got 16",
        ),
        (
            "{precision: [fp32, bf16, fp32]}",
            "search.precision must have each value once, but has fp32 more than once",
        ),
        (
            "{micro_batch: [null, 4, null]}",
            "search.micro_batch must have each value once, but has null more than once",
        ),
        (
            "{learning_rate: [0.002, 2e-3]}",
            "search.learning_rate must have each value once, but has 0.002 more",
        ),
        (
            "{optimizer: [adamw, {name: adamw, learning_rate: 0.002}]}",
            "search.optimizer must have each value once, but has adamw, learning rate 0.002",
        ),
        (
            "{optimizer: [{name: adamw, learning_rate: 0.1}], learning_rate: [0.002]}",
            "search.optimizer must not give learning rates where search.learning_rate does, but "
            "gives adamw 0.1",
        ),
        (
            "{precision: [bf16]}",
            "search.precision must have the recipe's own value, by which the references are "
            "trained (recipe.precision fp32), but has bf16; add it, or change the recipe",
        ),
        (
            "{micro_batch: [8, 4]}",
            "search.micro_batch must have the recipe's own value, by which the references are "
            "trained (recipe.micro_batch null), but has 8; 4; add it",
        ),
        (
            "{optimizer: [sgd, {name: adamw, learning_rate: 0.1}]}",
            "search.optimizer must have the recipe's own value, by which the references are "
            "trained (recipe.optimizer adamw, recipe.learning_rate 0.002), but has sgd, learning",
        ),
    ],
)
def test_a_mistake_is_one_line_with_file_key_rule_and_value(tmp_path, section, message):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, section)

    assert str(caught.value).startswith(f"{tmp_path / 's.yaml'}: {message}")
    assert "\n" not in str(caught.value)


def test_the_example_in_the_shipped_study_is_one_that_runs(tmp_path):
    lines = shipped_files("studies")["pcb"].read_text(encoding="utf-8").splitlines()
    start = lines.index("# search:")
    example = [line[2:] if line.startswith("# ") else line for line in lines[start:]]
    path = tmp_path / "s.yaml"
    path.write_text("\n".join([*lines[:start], *example]), encoding="utf-8")

    search = load_study_config(str(path))[0].search

    assert "search" in load_yaml(path)
    assert len(search.precision) == len(search.optimizer) == len(search.micro_batch) == 2
