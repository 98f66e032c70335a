"""The shipped search spaces: what the README and the paper promise of them."""

from __future__ import annotations

import pytest

from nas_edge.config.space import load_space_config
from nas_edge.models.counts import count_model
from nas_edge.space.references import reference_architecture
from nas_edge.space.search_space import SearchSpace

SPACES = ["xception_cnd", "xception_cnd_small"]


@pytest.mark.parametrize(
    ("name", "suffix"), [("xception_cnd", ""), ("xception_cnd_small", " x0.25")]
)
def test_the_references_are_points_of_the_space_and_say_their_multiplier(name, suffix):
    space = SearchSpace.load(name)

    assert list(space.references) == [
        f"xception{suffix}",
        f"xception-lite{suffix}",
        f"xception-lite-text{suffix}",
    ]
    for reference in space.references.values():
        assert space.why_not(reference) is None
        assert space.architecture(space.parameters(reference)) == reference
    assert len({space.key(reference) for reference in space.references.values()}) == 3


def test_the_full_space_holds_the_papers_networks_by_their_parameter_counts():
    references = SearchSpace.load("xception_cnd").references

    counts = {
        name: count_model(point.plan, 224, 101).num_params for name, point in references.items()
    }

    assert counts["xception"] == 21_068_429
    assert counts["xception-lite"] == 15_834_933
    assert references["xception-lite-text"].entry.squeeze == 0.5


def test_the_small_spaces_references_are_the_papers_at_a_quarter_of_the_widths():
    references = SearchSpace.load("xception_cnd_small").references

    lite = references["xception-lite x0.25"]
    assert lite.stem.widths == (8, 16)
    assert lite.entry.widths == (32, 64, 128)
    assert lite.exit.widths == (182, 256, 384, 512)
    assert references["xception x0.25"].entry.widths == (32, 64, 182)
    whole = reference_architecture("xception-lite")
    assert (lite.middle, lite.strides, lite.style) == (whole.middle, whole.strides, whole.style)


@pytest.mark.parametrize("name", SPACES)
def test_the_choices_are_those_of_a_horizontal_study(name):
    space = SearchSpace.load(name)

    assert space.choices["middle.blocks"] == (8,)
    assert space.choices["style"] == ("xception", "lite")
    for flow in ("entry", "middle"):
        assert 1.0 in space.choices[f"{flow}.squeeze"]  # no squeeze is a value, not a branch
        assert 0.5 in space.choices[f"{flow}.squeeze"]
    for names in (["entry.width1", "entry.width2", "entry.width3"], ["exit.width1", "exit.width4"]):
        assert all(len(space.choices[width]) > 1 for width in names)  # per block
    assert {"3-3", "1-3"} <= set(space.choices["entry.kernels"])  # strategy 1
    assert {1, 3} == set(space.choices["exit.residual_kernel"])
    strides = space.choices["strides"]  # strategy 3: the same or later down-sampling
    assert strides[0] == "2-2-2-2-2"
    assert len(strides) > 1
    assert all(values.count("2") < 5 for values in strides[1:])


@pytest.mark.parametrize("name", SPACES)
def test_equation_3_2_holds_for_every_value(name):
    space = SearchSpace.load(name)

    for flow in ("entry", "middle", "exit"):
        # s1x1 < e1x1 + e3x3 with both expand layers as wide as the block.
        assert all(0 < ratio < 2 for ratio in space.choices[f"{flow}.squeeze"])


@pytest.mark.parametrize("name", SPACES)
def test_the_file_says_what_it_is(name):
    config, path = load_space_config(name)

    assert config.name == name == path.stem
    assert config.description
