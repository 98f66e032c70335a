"""Every key of both kinds of file is documented with its real default, its words and its bounds.

The pages are held against the models that read the files.
"""

import re

import pytest
from markdown_pages import code_of
from typing_extensions import Literal, get_args, get_origin

from nas_edge.candidate.measurement import METRICS
from nas_edge.config.files import FrozenModel, parse_yaml, shipped_files, validated
from nas_edge.config.space import SpaceConfig
from nas_edge.config.study import (
    BASE_RECIPES,
    PAPER_RECIPE,
    ObjectiveName,
    StudyConfig,
    expand_shorthands,
)
from nas_edge.space.references import REFERENCE_NAMES, reference_architecture

STEM = {"width1": 8, "width2": 8}
EXIT = {**STEM, "width3": 8, "width4": 8}
ENTRY = {**STEM, "width3": 8}
# The keys that have no default, wherever they stand.
GIVEN = {"name": "x", "space": "xception_cnd", "stem": STEM, "entry": ENTRY, "middle": {}}
GIVEN.update(exit=EXIT, **EXIT)


def is_group(annotation):
    return isinstance(annotation, type) and issubclass(annotation, FrozenModel)


def groups_of(model, prefix=""):
    """Yield each group of keys with its dotted name, "" for the top."""
    yield prefix, model
    for name, field in model.model_fields.items():
        if is_group(field.annotation):
            yield from groups_of(field.annotation, f"{prefix}.{name}" if prefix else name)


GROUPS = [
    (page, name, model)
    for page, top in (("docs/spaces.md", SpaceConfig), ("docs/studies.md", StudyConfig))
    for name, model in groups_of(top)
]
FIELDS = [(page, name, key, model) for page, name, model in GROUPS for key in model.model_fields]


def rows_of(pages, page, group):
    rows = pages[page].tables()[f"`{group}`" if group else "Top level"]
    return {code_of(row["key"]): row for row in rows}


def literals_of(annotation):
    """Yield the words that a type admits, also as an entry of a list or a group's key."""
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    elif is_group(annotation):
        for field in annotation.model_fields.values():
            yield from literals_of(field.annotation)
    else:
        for inner in get_args(annotation):
            yield from literals_of(inner)


def bounds_of(annotation, metadata):
    """Yield a set for each bound of a type: the numbers by which it may be told."""
    for rule in metadata:
        yield from bounds_of(None, getattr(rule, "metadata", ()))
        for kind in ("ge", "gt", "le", "lt"):
            bound = getattr(rule, kind, None)
            if bound is not None:  # below 2**31 is at most 2**31 - 1
                yield {bound, bound - 1} if kind == "lt" else {bound}
    for inner in get_args(annotation):
        yield from bounds_of(inner, () if get_args(inner) else (inner,))


def numbers_in(text):
    return {float(one.replace(",", "")) for one in re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", text)}


@pytest.mark.parametrize(("page", "group", "model"), GROUPS)
def test_the_table_has_exactly_the_keys_of_the_group(pages, page, group, model):
    assert list(rows_of(pages, page, group)) == list(model.model_fields)


@pytest.mark.parametrize(("page", "group", "key", "model"), FIELDS)
def test_the_documented_default_is_the_real_one(pages, page, group, key, model):
    field = model.model_fields[key]
    default = rows_of(pages, page, group)[key]["default"]

    if field.is_required():
        assert default == "must be given"
    elif default == "group":
        assert field.default == field.annotation()
    else:
        given = {name: GIVEN[name] for name, one in model.model_fields.items() if one.is_required()}
        told = parse_yaml(f"{key}: {code_of(default)}", page)
        assert getattr(validated(model, {**given, **told}, page), key) == field.default


@pytest.mark.parametrize(("page", "group", "key", "model"), FIELDS)
def test_every_word_and_every_bound_of_a_key_is_told(pages, page, group, key, model):
    field = model.model_fields[key]
    rule = rows_of(pages, page, group)[key]["rule"]
    if is_group(field.annotation):
        return

    for word in literals_of(field.annotation):
        assert f"`{word}`" in rule
    for bound in bounds_of(field.annotation, field.metadata):
        assert numbers_in(rule) & bound


def test_words_and_bounds_are_really_found():
    fields = StudyConfig.model_fields["recipe"].annotation.model_fields
    assert set(literals_of(fields["optimizer"].annotation)) == {"adam", "adamw", "sgd", "adam8bit"}
    assert list(bounds_of(fields["epochs"].annotation, fields["epochs"].metadata)) == [{1}, {10**5}]
    micro_batch = fields["micro_batch"]
    assert list(bounds_of(micro_batch.annotation, micro_batch.metadata)) == [{2}, {65536}]


def test_every_objective_is_told_with_its_direction(pages):
    rows = pages["docs/studies.md"].tables()["Objectives"]
    told = {code_of(row["objective"]): row["direction"] for row in rows}

    up = {name: METRICS[name].direction == "maximize" for name in get_args(ObjectiveName)}
    assert told == {name: "up" if is_up else "down" for name, is_up in up.items()}


def test_the_paper_recipe_is_told_as_it_is(pages):
    blocks = [parse_yaml(block.text, "") for block in pages["docs/studies.md"].code_blocks("yaml")]

    assert {"recipe": PAPER_RECIPE} in blocks
    for name in BASE_RECIPES:
        assert name in pages["docs/studies.md"].text


def test_every_yaml_example_is_valid(pages):
    num_examples = 0
    for name, page in pages.items():
        for block in page.code_blocks("yaml"):
            data = parse_yaml(block.text, f"{name}:{block.line}")
            if "stem" in data:
                validated(SpaceConfig, data, f"{name}:{block.line}")
            else:
                study = expand_shorthands({"name": "x", "space": "xception_cnd", **data})
                validated(StudyConfig, study, f"{name}:{block.line}")
            num_examples += 1
    assert num_examples >= 4


def test_the_handcrafted_networks_are_told_with_all_that_differs(pages):
    networks = {name: reference_architecture(name).parameters() for name in REFERENCE_NAMES}
    rows = pages["docs/spaces.md"].tables()["The handcrafted networks"]
    told = {
        code_of(row["choice"]): {name: row[f"`{name}`"] for name in REFERENCE_NAMES} for row in rows
    }

    differing = {
        choice: {name: str(network[choice]) for name, network in networks.items()}
        for choice in networks["xception"]
        if len({network[choice] for network in networks.values()}) > 1
    }
    assert told == differing


@pytest.mark.parametrize(
    ("kind", "page", "column"),
    [
        ("search_spaces", "docs/spaces.md", "shipped space"),
        ("studies", "docs/studies.md", "shipped study"),
    ],
)
def test_every_shipped_file_is_told(pages, kind, page, column):
    rows = [row for rows in pages[page].tables().values() for row in rows if column in row]

    assert {code_of(row[column]) for row in rows} == set(shipped_files(kind))
