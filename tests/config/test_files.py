"""YAML files: what is read, and the one line that says what is wrong with a file."""

from __future__ import annotations

import math
from typing import Any, Optional, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field
from typing_extensions import Annotated

from nas_edge.config.files import (
    FrozenModel,
    dump_yaml,
    find_file,
    load_yaml,
    parse_yaml,
    shipped_files,
    validated,
)
from nas_edge.errors import ConfigError


class Inner(FrozenModel):
    rate: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] = 0.5
    sizes: Tuple[int, ...] = (1,)


class Outer(FrozenModel):
    name: str
    count: Annotated[int, Field(ge=1, le=9)] = 1
    flag: bool = False
    inner: Inner = Inner()
    maybe: Optional[Inner] = None


def refusal(call, *args) -> str:
    """Return the error's text, which must be one line."""
    with pytest.raises(ConfigError) as caught:
        call(*args)
    text = str(caught.value)
    assert "\n" not in text
    return text


def check(text: str) -> Any:
    return validated(Outer, parse_yaml(text, "a.yaml"), "a.yaml")


def test_file_is_read_as_frozen_typed_values():
    outer = check("name: x\ncount: 3\ninner: {rate: 0.25, sizes: [3, 5]}\n")

    assert outer == Outer(name="x", count=3, inner=Inner(rate=0.25, sizes=(3, 5)))
    with pytest.raises(ValueError, match="frozen"):
        outer.count = 4


@pytest.mark.parametrize(
    ("text", "number"), [("1e-3", 1e-3), ("1E3", 1e3), ("-2.5e+1", -25.0), ("5.e-1", 0.5)]
)
def test_a_number_with_an_exponent_is_a_number(text, number):
    assert parse_yaml(f"x: {text}", "a.yaml") == {"x": number}


def test_a_date_stays_a_text():
    assert parse_yaml("x: 2024-01-31", "a.yaml") == {"x": "2024-01-31"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\nname: y\n", "a.yaml: key 'name' must be given once, but stands again in line 2"),
        (
            "name: x\ninner:\n  rate: 0.1\n  rate: 0.2\n",
            "a.yaml: key 'rate' must be given once, but stands again in line 4",
        ),
        ("", "a.yaml: must hold keys and values, but is empty"),
        ("# only a comment\n", "a.yaml: must hold keys and values, but is empty"),
        ("- a\n- b\n", 'a.yaml: must hold keys and values, but holds ["a", "b"]'),
        ("just words", 'a.yaml: must hold keys and values, but holds "just words"'),
        ("42", "a.yaml: must hold keys and values, but holds 42"),
    ],
)
def test_text_that_is_no_mapping_of_keys_is_refused(text, message):
    assert refusal(parse_yaml, text, "a.yaml") == message


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name: x\ninner: {rate: 1\nflag: true\n", 3),
        ("name: x\n  count: 3\n", 2),
        ("name: x\n\tcount: 3\n", 2),
        ("name: 'x\n", 2),
        ("name: *nobody\n", 1),
        ("name: x\n---\nname: y\n", 2),
        ("name: !!python/object/apply:os.system [echo]\n", 1),
        ("name: x\n? [a, b]\n: c\n", 2),
    ],
)
def test_what_is_not_yaml_is_refused_with_its_line(text, line):
    assert refusal(parse_yaml, text, "a.yaml").startswith(
        f"a.yaml: is not valid YAML in line {line}: "
    )


def test_a_nesting_without_end_is_refused():
    assert refusal(parse_yaml, "a: " + "[" * 20000, "a.yaml").startswith("a.yaml: is not valid")


def test_aliases_of_aliases_are_refused_before_they_fill_the_memory():
    lines = ["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for last, this in zip("abcdefgh", "bcdefghi"):
        lines.append(f"{this}: &{this} [{', '.join(['*' + last] * 9)}]")
    assert "at most 100,000 values" in refusal(parse_yaml, "\n".join(lines), "a.yaml")


@pytest.mark.parametrize("number", ["1:30", "1:30.5"])
def test_a_number_to_base_60_is_refused(number):
    assert "base 60" in refusal(parse_yaml, f"trials: {number}", "a.yaml")


def test_a_control_character_is_refused():
    assert "a.yaml: is not valid YAML" in refusal(parse_yaml, "name: a\x00b", "a.yaml")


def test_a_merged_group_may_be_overridden():
    text = "a: &base {x: 1, y: 2}\nb: {<<: *base, y: 3}\n"

    assert parse_yaml(text, "a.yaml") == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("count: 1", "name is missing"),
        ("nmae: x", "name is missing (also wrong: nmae)"),
        ("name: x\ncoutn: 1", "coutn is not a known key; did you mean 'count'?"),
        (
            "name: x\nzzz: 1",
            "zzz is not a known key; known are count, flag, inner, maybe, name",
        ),
        ("name: x\ninner: {rat: 1}", "inner.rat is not a known key; did you mean 'rate'?"),
        ("name: x\nmaybe: {rat: 1}", "maybe.rat is not a known key; did you mean 'rate'?"),
        ("name: x\n3: 1", "3 is not a known key; known are count, flag, inner, maybe, name"),
        ("name: 1.5", "name must be a text, but got 1.5"),
        ("name: no", "name must be a text, but got false"),
        ("name:", "name must be a text, but got null"),
        ("name: x\ncount: '3'", 'count must be a whole number, but got "3"'),
        ("name: x\ncount: 3.5", "count must be a whole number, but got 3.5"),
        ("name: x\ncount: true", "count must be a whole number, but got true"),
        ("name: x\ncount: 0", "count must be at least 1, but got 0"),
        ("name: x\ncount: 10", "count must be at most 9, but got 10"),
        ("name: x\nflag: 1", "flag must be true or false, but got 1"),
        ("name: x\ninner: 3", "inner must be a group of keys, but got 3"),
        ("name: x\ninner:", "inner must be a group of keys, but got null"),
        ("name: x\ninner: {rate: 1}", "inner.rate must be less than 1.0, but got 1"),
        ("name: x\ninner: {rate: 0}", "inner.rate must be greater than 0.0, but got 0"),
        ("name: x\ninner: {rate: x}", 'inner.rate must be a number, but got "x"'),
        ("name: x\ninner: {rate: .nan}", "inner.rate must be a finite number, but got NaN"),
        ("name: x\ninner: {rate: .inf}", "inner.rate must be a finite number, but got Infinity"),
        ("name: x\ninner: {sizes: 3}", "inner.sizes must be a list, but got 3"),
        ("name: x\ninner: {sizes: [1, a]}", 'inner.sizes.1 must be a whole number, but got "a"'),
    ],
)
def test_a_broken_rule_is_named_with_file_key_and_value(text, message):
    assert refusal(check, text) == f"a.yaml: {message}"


def test_a_huge_whole_number_is_refused_in_a_short_line():
    message = refusal(check, f"name: x\ncount: {'9' * 300}")

    assert message.startswith("a.yaml: count must be at most 9, but got 9999")
    assert len(message) < 200


def test_a_whole_number_beyond_pythons_own_limit_is_refused():
    assert refusal(check, f"name: x\ncount: {'9' * 5000}").startswith("a.yaml: ")


def test_several_problems_are_named_the_first_with_its_rule():
    message = refusal(check, "name: 1\ncount: 0\nflag: 3\nzzz: 1")

    assert message == "a.yaml: name must be a text, but got 1 (also wrong: count, flag, zzz)"


def test_what_is_no_plain_data_is_refused():
    assert refusal(check, "name: !!set {a, b}").startswith("a.yaml: must hold numbers, texts")


def test_a_text_that_is_no_unicode_is_refused_in_one_line():
    assert refusal(validated, Outer, {"name": "\udcff"}, "a.yaml").startswith("a.yaml: ")


def test_file_problems_are_named(tmp_path):
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("name: café".encode("latin-1"))

    missing = tmp_path / "missing.yaml"
    assert refusal(load_yaml, missing) == f"{missing}: there is no such file"
    assert refusal(load_yaml, tmp_path) == f"{tmp_path}: must be a file, but is a folder"
    assert refusal(load_yaml, latin) == f"{latin}: must be UTF-8 text, but byte 9 is not"


def test_json_is_read_too(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"name": "x", "inner": {"sizes": [1, 2]}}', encoding="utf-8")

    assert validated(Outer, load_yaml(path), str(path)).inner.sizes == (1, 2)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), plain, min_size=1, max_size=4))
def test_written_yaml_is_read_back_as_it_was(data):
    again = parse_yaml(dump_yaml(data), "a.yaml")

    assert again == data


@pytest.mark.parametrize("text", ["1e3", "2024-01-31", "no", "0x10", "1:30", "~", "1e-3 ", "\x85"])
def test_a_text_that_looks_like_something_else_is_written_as_a_text(text):
    assert parse_yaml(dump_yaml({"x": text}), "a.yaml") == {"x": text}


def test_floats_are_written_exactly():
    values = [0.1, 1e-7, 1 / 3, 2.0, 1e22, math.pi]

    assert parse_yaml(dump_yaml({"x": values}), "a.yaml") == {"x": values}


def test_every_file_beside_the_package_is_shipped(repository):
    for kind in ("search_spaces", "studies"):
        there = sorted(path.stem for path in (repository / kind).glob("*.yaml"))

        assert list(shipped_files(kind)) == there != []


def test_shipped_name_is_found_with_and_without_its_ending(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()  # a folder of that name is not meant

    assert find_file("studies", "demo") == shipped_files("studies")["demo"]
    assert find_file("studies", "demo.yaml") == shipped_files("studies")["demo"]


def test_a_path_wins_over_a_shipped_name_and_beside_wins_over_here(tmp_path, monkeypatch):
    here, beside = tmp_path / "here", tmp_path / "beside"
    for folder in (here, beside):
        folder.mkdir()
        (folder / "demo.yaml").write_text("name: mine", encoding="utf-8")
    monkeypatch.chdir(here)

    assert find_file("studies", "demo.yaml").resolve() == here / "demo.yaml"
    assert find_file("studies", "demo.yaml", beside=beside) == beside / "demo.yaml"


@pytest.mark.parametrize("name", ["nowhere", "dir/demo.yaml", "", ".", "a\0b", "x" * 5000])
def test_a_name_of_nothing_is_refused_and_the_shipped_names_listed(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)

    message = refusal(find_file, "search_spaces", name)

    assert "is neither a file nor one of the shipped search spaces: xception_cnd, " in message
