"""Search-space files: what a choice may be, and the one line that refuses what it may not."""

from __future__ import annotations

import pytest

from nas_edge.config.files import parse_yaml, validated
from nas_edge.config.space import SpaceConfig, load_space_config
from nas_edge.errors import ConfigError
from nas_edge.space.architecture import CHOICE_NAMES

DATA = {
    "name": "tiny",
    "stem": {"width1": 4, "width2": [4, 8]},
    "entry": {"width1": 8, "width2": 8, "width3": [8, 16]},
    "middle": {},
    "exit": {"width1": 8, "width2": 8, "width3": 8, "width4": 8},
}


def with_value(key: str, value):
    """Return the tiny space's data with one value changed."""
    group, _, name = key.partition(".")
    if not name:
        return {**DATA, group: value}
    return {**DATA, group: {**DATA[group], name: value}}


def refusal(data) -> str:
    with pytest.raises(ConfigError) as caught:
        validated(SpaceConfig, data, "s.yaml")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("s.yaml: ")
    return message[len("s.yaml: ") :]


def test_a_fixed_value_is_a_choice_of_one():
    choices = validated(SpaceConfig, DATA, "s.yaml").choices()

    assert choices["stem.width1"] == (4,)
    assert choices["stem.width2"] == (4, 8)
    assert choices["middle.blocks"] == (8,)
    assert tuple(choices) == CHOICE_NAMES


def test_a_squeeze_ratio_may_be_written_as_a_whole_number():
    config = validated(SpaceConfig, with_value("entry.squeeze", [1, 0.5]), "s.yaml")

    assert config.entry.squeeze == (1.0, 0.5)
    assert [type(ratio) for ratio in config.entry.squeeze] == [float, float]


@pytest.mark.parametrize("ratio", [2, 2.0, 0, -0.5, 3, float("inf"), float("nan"), 10**400])
def test_a_ratio_that_breaks_equation_3_2_is_refused(ratio):
    for flow in ("entry", "middle", "exit"):
        message = refusal(with_value(f"{flow}.squeeze", [1.0, ratio]))

        assert message.startswith(f"{flow}.squeeze")
        if isinstance(ratio, float):
            assert "(eq. 3.2: s1x1 < e1x1 + e3x3), but got " in message


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("stem.width1", [], "stem.width1 must have at least one value, but the list is empty"),
        ("stem.width1", [4, 8, 4], "stem.width1 must name each value once, but 4 stands twice"),
        ("entry.squeeze", [1, 1.0], "entry.squeeze must name each value once, but 1.0 stands tw"),
        ("stem.width1", 0, "stem.width1 must be a whole number from 1 to 65536, but got 0"),
        ("stem.width1", 65537, "stem.width1 must be a whole number from 1 to 65536, but got 65"),
        ("stem.width1", "4", 'stem.width1.0 must be a whole number, but got "4"'),
        ("stem.width1", [4, 8.0], "stem.width1.1 must be a whole number, but got 8.0"),
        ("stem.width1", True, "stem.width1.0 must be a whole number, but got true"),
        ("stem.width1", None, "stem.width1.0 must be a whole number, but got null"),
        ("stem.width1", {"a": 1}, "stem.width1.0 must be a whole number, but got "),
        ("entry.squeeze", "half", 'entry.squeeze.0 must be a number, but got "half"'),
        ("entry.squeeze", [[0.5]], "entry.squeeze.0 must be a number, but got [0.5]"),
        ("entry.squeeze", True, "entry.squeeze.0 must be a number, but got true"),
        ("entry.residual_kernel", 2, "entry.residual_kernel must be one of 1, 3, but got 2"),
        ("entry.kernels", "3-3-3", "entry.kernels must be written k-k with each one of 1 or 3,"),
        ("middle.kernels", "5-3-3", "middle.kernels must be written k-k-k with each one of 1 "),
        ("entry.kernels", 33, "entry.kernels.0 must be a text, but got 33"),
        ("strides", "2-2-2-2", "strides must be written k-k-k-k-k with each one of 1 or 2, but"),
        ("strides", "2-2-2-2-3", "strides must be written k-k-k-k-k with each one of 1 or 2, b"),
        ("middle.blocks", -1, "middle.blocks must be a whole number from 0 to 64, but got -1"),
        ("style", "keras", "style must be one of xception, lite, but got 'keras'"),
        ("template", "resnet", "template must be 'xception', but got \"resnet\""),
        ("references", ["vgg"], "references.0 must be 'xception', 'xception-lite' or "),
        ("references", "xception", 'references must be a list, but got "xception"'),
        ("reference_multiplier", 0, "reference_multiplier must be greater than 0"),
        ("reference_multiplier", float("nan"), "reference_multiplier must be "),
        ("name", "", "name"),
        ("stem.widht1", 4, "stem.widht1 is not a known key; did you mean 'width1'?"),
        ("stam", {}, "stam is not a known key; did you mean 'stem'?"),
        ("stem", 4, "stem must be a group of keys, but got 4"),
    ],
)
def test_a_malformed_choice_is_refused_with_key_rule_and_value(key, value, message):
    assert refusal(with_value(key, value)).startswith(message)


@pytest.mark.parametrize("key", ["name", "stem", "entry", "middle", "exit"])
def test_a_missing_part_is_named(key):
    data = {name: value for name, value in DATA.items() if name != key}

    assert refusal(data) == f"{key} is missing"


def test_kernels_without_quotes_stay_a_text_that_looks_like_a_date():
    data = parse_yaml("strides: 2-2-2-2-2\nkernels: 1-3", "s.yaml")

    assert data == {"strides": "2-2-2-2-2", "kernels": "1-3"}


def test_a_space_is_found_beside_the_study(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "name: mine\nstem: {width1: 4, width2: 4}\nentry: {width1: 4, width2: 4, width3: 4}\n"
        "middle: {blocks: 1}\nexit: {width1: 4, width2: 4, width3: 4, width4: 4}\n",
        encoding="utf-8",
    )

    config, path = load_space_config("mine.yaml", tmp_path)

    assert (config.name, path) == ("mine", tmp_path / "mine.yaml")
