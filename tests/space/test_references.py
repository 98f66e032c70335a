"""The handcrafted networks: what they hold, their multiplied widths, and the names of both."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nas_edge.errors import SpaceError
from nas_edge.space.architecture import Architecture, Entry, Exit, Middle, Stem
from nas_edge.space.references import (
    PAPER_REFERENCE,
    REFERENCE_NAMES,
    parse_reference,
    reference_architecture,
    reference_name,
)


def test_names_are_those_of_the_three_networks() -> None:
    assert REFERENCE_NAMES == ("xception", "xception-lite", "xception-lite-text")
    assert PAPER_REFERENCE == "xception-lite"


def test_references_are_three_different_networks() -> None:
    assert len({reference_architecture(name).key for name in REFERENCE_NAMES}) == 3


def test_lite_is_the_papers_configuration() -> None:
    assert reference_architecture("xception-lite") == Architecture(
        stem=Stem((32, 64)),
        entry=Entry((128, 256, 512), 1.0, (1, 3), 1),
        middle=Middle(8, 0.5, (1, 1, 3)),
        exit=Exit((728, 1024, 1536, 2048), 1.0, (1, 3), 3),
        strides=(2, 2, 2, 2, 2),
        style="lite",
    )


def test_multiplier_scales_every_width_and_nothing_else() -> None:
    base = reference_architecture("xception")
    quarter = reference_architecture("xception", 0.25)
    assert quarter.stem.widths == (8, 16)
    assert quarter.entry.widths == (32, 64, 182)
    assert quarter.exit.widths == (182, 256, 384, 512)
    restored = replace(
        quarter,
        stem=base.stem,
        entry=replace(quarter.entry, widths=base.entry.widths),
        exit=replace(quarter.exit, widths=base.exit.widths),
    )
    assert restored == base


def test_widths_are_rounded_and_never_vanish() -> None:
    tiny = reference_architecture("xception", 0.01)
    assert tiny.stem.widths == (1, 1)  # 0.32, 0.64
    assert tiny.entry.widths == (1, 3, 7)  # 1.28, 2.56, 7.28
    assert tiny.plan.blocks


@pytest.mark.parametrize("name", REFERENCE_NAMES)
@pytest.mark.parametrize("multiplier", [1.0, 0.25, 0.5, 1 / 3, 1.5, 2.0, 16.0])
def test_parsing_a_name_gives_the_network_it_was_written_for(name: str, multiplier: float) -> None:
    text = reference_name(name, multiplier)
    assert parse_reference(text).key == reference_architecture(name, multiplier).key


def test_name_says_the_multiplier_where_there_is_one() -> None:
    assert reference_name("xception-lite") == "xception-lite"
    assert reference_name("xception-lite", 0.25) == "xception-lite x0.25"


@pytest.mark.parametrize("text", ["resnet", "", "Xception", "xception-lite-", "resnet x0.5"])
def test_unknown_network_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(SpaceError) as caught:
        parse_reference(text)
    message = str(caught.value)
    assert message.startswith("reference must be one of xception, xception-lite, ")
    assert message.endswith(f"but got {text.partition(' ')[0]!r}")


@pytest.mark.parametrize(
    "factor", ["0", "-1", "nan", "inf", "16.5", "1e99", "half", "", "0.5 x2", "-0.0"]
)
def test_malformed_multiplier_is_refused(factor: str) -> None:
    text = f"xception x{factor}"
    with pytest.raises(SpaceError) as caught:
        parse_reference(text)
    message = str(caught.value)
    assert message.startswith("the width multiplier must be a number above 0, up to 16")
    assert message.endswith(f"but got {text!r}")
