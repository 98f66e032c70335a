"""Architectures: values that are refused, spellings that survive, keys that tell networks apart."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_edge.errors import ConfigError, SpaceError
from nas_edge.space.architecture import Architecture, Entry, Exit, Middle, Stem
from nas_edge.space.references import REFERENCE_NAMES, reference_architecture

LITE = reference_architecture("xception-lite")
XCEPTION = reference_architecture("xception")

widths = st.integers(1, 4096)
kernels = st.sampled_from((1, 3))
squeezes = st.floats(0, 2, exclude_min=True, exclude_max=True)
architectures = st.builds(
    Architecture,
    stem=st.builds(Stem, st.tuples(widths, widths)),
    entry=st.builds(
        Entry, st.tuples(widths, widths, widths), squeezes, st.tuples(kernels, kernels), kernels
    ),
    middle=st.builds(Middle, st.integers(0, 12), squeezes, st.tuples(kernels, kernels, kernels)),
    exit=st.builds(
        Exit,
        st.tuples(widths, widths, widths, widths),
        squeezes,
        st.tuples(kernels, kernels),
        kernels,
    ),
    strides=st.tuples(*[st.sampled_from((1, 2))] * 5),
    style=st.sampled_from(("xception", "lite")),
)


def with_value(path: str, value: Any) -> Dict[str, Any]:
    """Return Xception-Lite's nested data with one value changed."""
    data = LITE.to_dict()
    group, _, key = path.partition(".")
    if key:
        data[group][key] = value
    else:
        data[group] = value
    return data


def message_of(call: Callable[[], Any]) -> str:
    with pytest.raises(SpaceError) as caught:
        call()
    return str(caught.value)


# Round trips


@settings(deadline=None, max_examples=80)
@given(architectures)
def test_every_form_gives_the_same_architecture_back(architecture: Architecture) -> None:
    forms = [
        Architecture.from_parameters(architecture.parameters()),
        Architecture.from_dict(architecture.to_dict()),
        Architecture.from_json(architecture.to_json()),
        Architecture.from_yaml(architecture.to_yaml()),
        pickle.loads(pickle.dumps(architecture)),
    ]
    for form in forms:
        assert form == architecture
        assert hash(form) == hash(architecture)
        assert form.key == architecture.key
        assert repr(form) == repr(architecture)  # and no int has become a float


@settings(deadline=None, max_examples=50)
@given(architectures, st.randoms(use_true_random=False))
def test_order_of_keys_does_not_matter(architecture: Architecture, rng: Any) -> None:
    def shuffled(data: Dict[str, Any]) -> Dict[str, Any]:
        keys = list(data)
        rng.shuffle(keys)
        return {k: shuffled(data[k]) if isinstance(data[k], dict) else data[k] for k in keys}

    assert Architecture.from_dict(shuffled(architecture.to_dict())) == architecture
    assert Architecture.from_parameters(shuffled(architecture.parameters())) == architecture


def test_flat_choices_are_named_as_in_the_search_space_files() -> None:
    assert LITE.parameters() == {
        "stem.width1": 32,
        "stem.width2": 64,
        "entry.width1": 128,
        "entry.width2": 256,
        "entry.width3": 512,
        "entry.squeeze": 1.0,
        "entry.kernels": "1-3",
        "entry.residual_kernel": 1,
        "middle.blocks": 8,
        "middle.squeeze": 0.5,
        "middle.kernels": "1-1-3",
        "exit.width1": 728,
        "exit.width2": 1024,
        "exit.width3": 1536,
        "exit.width4": 2048,
        "exit.squeeze": 1.0,
        "exit.kernels": "1-3",
        "exit.residual_kernel": 3,
        "strides": "2-2-2-2-2",
        "style": "lite",
    }


def test_nested_data_is_plain() -> None:
    data = LITE.to_dict()
    assert data["entry"]["widths"] == [128, 256, 512]
    assert isinstance(data["entry"]["widths"], list)
    data["entry"]["widths"].append(1)  # a copy
    assert LITE.entry.widths == (128, 256, 512)


def test_reading_leaves_its_argument_alone() -> None:
    data, parameters = LITE.to_dict(), LITE.parameters()
    data["entry"]["squeeze"] = 1
    before = copy.deepcopy((data, parameters))
    Architecture.from_dict(data)
    Architecture.from_parameters(parameters)
    assert (data, parameters) == before


def test_json_is_one_line() -> None:
    assert "\n" not in LITE.to_json()


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_file_of_either_kind_can_be_loaded(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"candidate.{suffix}"
    path.write_text(LITE.to_yaml() if suffix == "yaml" else LITE.to_json(), encoding="utf-8")
    assert Architecture.load(path) == LITE


def test_error_in_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "candidate.yaml"
    path.write_text(LITE.to_yaml().replace("blocks: 8", "blocks: -1"), encoding="utf-8")
    message = message_of(lambda: Architecture.load(path))
    assert message == f"{path}: middle.blocks must be a whole number from 0, but got -1"


def test_missing_file_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        Architecture.load(tmp_path / "none.yaml")


def test_whole_squeeze_ratio_is_read_as_a_number() -> None:
    read = Architecture.from_dict(with_value("entry.squeeze", 1))
    assert read == LITE
    assert isinstance(read.entry.squeeze, float)


# Frozen and hashable


def test_architecture_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        LITE.style = "xception"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        LITE.entry.squeeze = 0.5  # type: ignore[misc]


def test_equal_architectures_are_one_entry_of_a_set() -> None:
    again = Architecture.from_json(LITE.to_json())
    assert again is not LITE
    assert len({LITE, again, XCEPTION}) == 2


# The canonical key


def single_changes() -> Iterator[Tuple[str, Architecture]]:
    """Yield Xception-Lite with one choice changed, each another network."""
    parameters = LITE.parameters()
    for name, value in parameters.items():
        if name == "style":
            values: List[Any] = ["xception"]
        elif name == "strides":
            values = ["1-2-2-2-2", "2-1-2-2-2", "2-2-1-2-2", "2-2-2-1-2", "2-2-2-2-1"]
        elif name.endswith("squeeze"):
            values = [0.25, 0.75]
        elif name == "middle.kernels":
            values = ["3-1-3", "1-3-3", "1-1-1"]
        elif name.endswith(".kernels"):
            values = ["3-3", "1-1", "3-1"]
        elif name.endswith("residual_kernel"):
            values = [4 - value]
        else:
            values = [value - 1, value + 1]
        for changed in values:
            yield name, Architecture.from_parameters({**parameters, name: changed})


def test_every_single_change_gives_another_key() -> None:
    changed = [architecture for _, architecture in single_changes()]
    assert {name for name, _ in single_changes()} == set(LITE.parameters())
    keys = {architecture.key for architecture in changed} | {LITE.key}
    assert len(keys) == len(changed) + 1


def changed(base: Architecture, **parameters: Any) -> Architecture:
    flat = {name.replace("__", "."): value for name, value in parameters.items()}
    return Architecture.from_parameters({**base.parameters(), **flat})


@pytest.mark.parametrize(
    ("first", "second"),
    [
        # Ratios that round to the same number of filters: 512 * 0.4999 = 255.9.
        (changed(LITE, middle__squeeze=0.5), changed(LITE, middle__squeeze=0.4999)),
        (changed(LITE, entry__squeeze=0.5), changed(LITE, entry__squeeze=0.4999)),
        (changed(LITE, exit__squeeze=0.5), changed(LITE, exit__squeeze=0.5001)),
        # A squeeze layer that would not squeeze is left out.
        (changed(LITE, entry__squeeze=1.0), changed(LITE, entry__squeeze=1.3)),
        (changed(LITE, exit__squeeze=1.0), changed(LITE, exit__squeeze=0.9999)),
        # Choices of a flow without blocks mean nothing.
        (
            changed(LITE, middle__blocks=0, middle__squeeze=0.5),
            changed(LITE, middle__blocks=0, middle__squeeze=0.7, middle__kernels="3-3-3"),
        ),
    ],
    ids=["middle", "entry", "exit", "no entry squeeze", "no exit squeeze", "no middle blocks"],
)
def test_two_spellings_of_one_network_share_a_key(
    first: Architecture, second: Architecture
) -> None:
    assert first != second
    assert first.key == second.key


def test_middle_squeeze_above_one_is_another_network() -> None:
    # Unlike in the entry flow, the first middle convolution is always there.
    assert changed(LITE, middle__squeeze=1.0).key != changed(LITE, middle__squeeze=1.3).key


def test_key_is_short_and_hexadecimal() -> None:
    assert len(LITE.key) == 12
    int(LITE.key, 16)


def test_key_is_the_same_in_another_process() -> None:
    code = (
        "from nas_edge.space.references import *;"
        "print(*(reference_architecture(name).key for name in REFERENCE_NAMES))"
    )
    root = str(Path(__file__).resolve().parents[2])
    env = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": root}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == [reference_architecture(name).key for name in REFERENCE_NAMES]


# Eq. 3.2


@pytest.mark.parametrize("flow", ["entry", "middle", "exit"])
@pytest.mark.parametrize("ratio", [2, 2.0, 2.5, 1e300, float("inf"), 10**400])
def test_squeeze_that_breaks_eq_3_2_is_refused(flow: str, ratio: Any) -> None:
    message = message_of(lambda: Architecture.from_dict(with_value(f"{flow}.squeeze", ratio)))
    assert message == (
        f"{flow}.squeeze must be greater than 0 and less than 2 "
        f"(eq. 3.2: s1x1 < e1x1 + e3x3), but got {ratio!r}"
    )


@settings(deadline=None, max_examples=100)
@given(architectures)
def test_every_squeeze_layer_obeys_eq_3_2(architecture: Architecture) -> None:
    """Rounding included: filters, not ratios, are what the equation speaks of."""
    for block in architecture.plan.blocks:
        if len(block.convs) == 3:
            squeeze, first, second = (conv.out_channels for conv in block.convs)
            # Both expand layers of a fire module have the first one's width; the exit's second
            # width is another choice.
            assert squeeze < 2 * first
            assert block.flow == "exit" or first == second


# Malformed values: the message names the key, the rule and the value


RATIO = "must be greater than 0 and less than 2"
WHOLE = "must be a whole number from 1"
MALFORMED = [
    ("stem.widths", [32, 0], WHOLE, "0"),
    ("stem.widths", [32, -64], WHOLE, "-64"),
    ("stem.widths", [32, 64.0], WHOLE, "64.0"),
    ("stem.widths", [32, True], WHOLE, "True"),
    ("stem.widths", [32, "64"], WHOLE, "'64'"),
    ("stem.widths", [32, None], WHOLE, "None"),
    ("stem.widths", [32, [64]], WHOLE, "[64]"),
    ("stem.widths", [32], "must have 2 entries", "(32,)"),
    ("stem.widths", [32, 64, 128], "must have 2 entries", "(32, 64, 128)"),
    ("stem.widths", 32, "must be a list of whole numbers", "32"),
    ("stem.widths", "32", "must be a list of whole numbers", "'32'"),
    ("stem.widths", None, "must be a list of whole numbers", "None"),
    ("entry.widths", [128, 256], "must have 3 entries", "(128, 256)"),
    ("entry.widths", [], "must have 3 entries", "()"),
    ("entry.widths", [128, 256, 512.5], WHOLE, "512.5"),
    ("exit.widths", [1, 2, 3], "must have 4 entries", "(1, 2, 3)"),
    ("exit.widths", [1, 2, 3, False], WHOLE, "False"),
    ("entry.kernels", [1, 2], "must be one of 1, 3", "2"),
    ("entry.kernels", [1, 3, 3], "must have 2 entries", "(1, 3, 3)"),
    ("entry.kernels", [1, 3.0], "must be one of 1, 3", "3.0"),
    ("entry.kernels", "1-3", "must be a list of whole numbers", "'1-3'"),
    ("middle.kernels", [1, 3], "must have 3 entries", "(1, 3)"),
    ("middle.kernels", [1, 3, 5], "must be one of 1, 3", "5"),
    ("exit.kernels", [True, 3], "must be one of 1, 3", "True"),
    ("entry.residual_kernel", 2, "must be one of 1, 3", "2"),
    ("entry.residual_kernel", True, "must be one of 1, 3", "True"),
    ("exit.residual_kernel", [3], "must be one of 1, 3", "[3]"),
    ("exit.residual_kernel", 3.0, "must be one of 1, 3", "3.0"),
    ("strides", [2, 2, 2, 2], "must have 5 entries", "(2, 2, 2, 2)"),
    ("strides", [2, 2, 2, 2, 3], "must be one of 1, 2", "3"),
    ("strides", [2, 2, 2, 2, True], "must be one of 1, 2", "True"),
    ("strides", 2, "must be a list of whole numbers", "2"),
    ("strides", {"a": 1}, "must be a list of whole numbers", "{'a': 1}"),
    ("middle.blocks", -1, "must be a whole number from 0", "-1"),
    ("middle.blocks", 8.0, "must be a whole number from 0", "8.0"),
    ("middle.blocks", True, "must be a whole number from 0", "True"),
    ("middle.blocks", "8", "must be a whole number from 0", "'8'"),
    ("entry.squeeze", 0, RATIO, "0"),
    ("entry.squeeze", -0.5, RATIO, "-0.5"),
    ("middle.squeeze", "0.5", RATIO, "'0.5'"),
    ("middle.squeeze", True, RATIO, "True"),
    ("middle.squeeze", None, RATIO, "None"),
    ("middle.squeeze", float("nan"), RATIO, "nan"),
    ("exit.squeeze", [0.5], RATIO, "[0.5]"),
    ("style", "Lite", "must be one of xception, lite", "'Lite'"),
    ("style", None, "must be one of xception, lite", "None"),
    ("style", ["lite"], "must be one of xception, lite", "['lite']"),
    ("stem", "32-64", "must be a group of keys", "'32-64'"),
    ("entry", [128, 256, 512], "must be a group of keys", "[128, 256, 512]"),
    ("middle", None, "must be a group of keys", "None"),
    ("exit", 3, "must be a group of keys", "3"),
]


@pytest.mark.parametrize(("path", "value", "rule", "shown"), MALFORMED)
def test_malformed_value_is_refused_with_key_rule_and_value(
    path: str, value: Any, rule: str, shown: str
) -> None:
    message = message_of(lambda: Architecture.from_dict(with_value(path, value)))
    assert message.startswith(f"{path} {rule}")
    assert message.endswith(f", but got {shown}")


@pytest.mark.parametrize(
    "change",
    [
        {"stem": Stem([32, 64])},  # type: ignore[arg-type]
        {"middle": Middle(2.0, 0.5, (1, 1, 3))},  # type: ignore[arg-type]
        {"strides": "22222"},
        {"style": "VGG"},
    ],
    ids=str,
)
def test_malformed_object_is_refused_too(change: Dict[str, Any]) -> None:
    with pytest.raises(SpaceError):
        replace(LITE, **change)


@pytest.mark.parametrize(
    "path",
    [
        *("stem", "entry", "middle", "exit", "strides", "style"),
        *("stem.widths", "entry.squeeze", "middle.blocks", "exit.residual_kernel"),
    ],
)
def test_missing_key_is_named(path: str) -> None:
    data = LITE.to_dict()
    group, _, key = path.partition(".")
    del (data[group] if key else data)[key or group]
    expected = path if key else f"architecture.{path}"
    assert message_of(lambda: Architecture.from_dict(data)) == f"{expected} is missing"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("tail", "architecture.tail is not a known key; known are stem, entry, middle, exit, "),
        ("stem.width", "stem.width is not a known key; known are widths"),
        ("middle.widths", "middle.widths is not a known key; known are blocks, squeeze, kernels"),
        ("exit.stride", "exit.stride is not a known key; known are widths, squeeze, kernels, "),
        ("entry.1", "entry.1 is not a known key; known are widths, squeeze, kernels, "),
    ],
)
def test_unknown_key_is_named_with_the_known_ones(path: str, message: str) -> None:
    given = with_value(path, 1)
    assert message_of(lambda: Architecture.from_dict(given)).startswith(message)


@pytest.mark.parametrize("data", [[], None, "lite", 3], ids=str)
def test_data_that_is_no_group_is_refused(data: Any) -> None:
    message = message_of(lambda: Architecture.from_dict(data))
    assert message == f"architecture must be a group of keys, but got {data!r}"


@pytest.mark.parametrize("text", ["", "{", "lite", '{"stem": }'])
def test_text_that_is_not_json_is_refused(text: str) -> None:
    assert message_of(lambda: Architecture.from_json(text)).startswith("architecture must be JSON")


def test_text_that_is_not_yaml_is_refused() -> None:
    with pytest.raises(ConfigError, match="architecture: is not valid YAML"):
        Architecture.from_yaml("stem: [")


# Malformed flat choices


@pytest.mark.parametrize("name", LITE.parameters())
def test_missing_choice_is_named(name: str) -> None:
    parameters = LITE.parameters()
    del parameters[name]
    assert message_of(lambda: Architecture.from_parameters(parameters)) == f"{name} is missing"


@pytest.mark.parametrize(
    "name",
    [
        *("entry.width4", "entry.width", "entry.widths", "entry.width10", "middle.width1"),
        *("stem", "strides.x", "style.x", "tail.width1", "depth", "", "entry.", ".width1", 3, None),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_unknown_choice_is_named(name: Any, first: bool) -> None:
    known = LITE.parameters()
    parameters = {name: 1, **known} if first else {**known, name: 1}
    message = message_of(lambda: Architecture.from_parameters(parameters))
    assert message.startswith(f"{name} is not a known choice; known are stem.width1, ")


def test_misnamed_width_does_not_shift_the_others() -> None:
    parameters = LITE.parameters()
    parameters["entry.width7"] = parameters.pop("entry.width1")
    assert "entry.width7 is not a known choice" in message_of(
        lambda: Architecture.from_parameters(parameters)
    )


@pytest.mark.parametrize("name", ["entry.kernels", "middle.kernels", "exit.kernels", "strides"])
@pytest.mark.parametrize(
    "value", ["", "-", "1-", "1--3", "1,3", "a-b", "-1-3", "1-²", " 1-3", "1.0-3", 13, None, (1, 3)]
)
def test_malformed_list_of_digits_is_refused(name: str, value: Any) -> None:
    message = message_of(lambda: Architecture.from_parameters({**LITE.parameters(), name: value}))
    assert message.startswith(f"{name} must be numbers joined by '-'")
    assert message.endswith(f"but got {value!r}")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("entry.kernels", "1-5", "entry.kernels must be one of 1, 3, but got 5"),
        ("strides", "2-2", "strides must have 5 entries, but got (2, 2)"),
        ("exit.width4", 2048.0, "exit.widths must be a whole number from 1, but got 2048.0"),
        ("style", 1, "style must be one of xception, lite, but got 1"),
    ],
)
def test_malformed_choice_is_refused(name: str, value: Any, message: str) -> None:
    parameters = {**LITE.parameters(), name: value}
    assert message_of(lambda: Architecture.from_parameters(parameters)) == message
