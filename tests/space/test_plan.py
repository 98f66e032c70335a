"""The layer tables of the reference networks, row by row, and what the choices do to a plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, List, Tuple

import pytest

from nas_edge.space.architecture import Architecture
from nas_edge.space.plan import Plan, build_plan, squeeze_width
from nas_edge.space.references import reference_architecture

XCEPTION = reference_architecture("xception")
LITE = reference_architecture("xception-lite")


def stem_rows(plan: Plan) -> List[str]:
    return [
        f"{c.kernel}x{c.kernel} s{c.stride} {c.in_channels}->{c.out_channels} {c.padding}"
        f" bias={c.bias:d} norm={c.norm:d} relu={c.relu:d}"
        for c in plan.stem
    ]


def block_rows(plan: Plan) -> List[Tuple[Any, ...]]:
    """Return (name, flow, separable convolutions, stride, residual) of each block."""
    rows: List[Tuple[Any, ...]] = []
    for block in plan.blocks:
        convs = " ".join(
            f"{c.in_channels}->{c.out_channels}:{c.kernel}{'r' if c.relu == 'before' else '-'}"
            for c in block.convs
        )
        conv = block.residual
        residual = (
            f"{conv.kernel}x{conv.kernel} s{conv.stride} {conv.in_channels}->{conv.out_channels}"
            f" {conv.padding} bias={conv.bias:d} norm={conv.norm:d} relu={conv.relu:d}"
            if conv
            else "identity"
        )
        rows.append((block.name, block.flow, convs, block.stride, residual))
    return rows


def tail_rows(plan: Plan) -> List[Tuple[Any, ...]]:
    return [(c.in_channels, c.out_channels, c.kernel, c.relu) for c in plan.tail]


def biases(plan: Plan) -> set:
    return {conv.bias for block in plan.blocks for conv in block.convs} | {
        conv.bias for conv in plan.tail
    }


def test_xception_is_the_table_of_its_paper() -> None:
    plan = build_plan(XCEPTION)
    assert stem_rows(plan) == [
        "3x3 s2 3->32 valid bias=0 norm=1 relu=1",
        "3x3 s1 32->64 valid bias=0 norm=1 relu=1",
    ]
    middle = "728->728:3r 728->728:3r 728->728:3r"
    norm = "same bias=0 norm=1 relu=0"
    assert block_rows(plan) == [
        ("entry1", "entry", "64->128:3- 128->128:3r", 2, f"1x1 s2 64->128 {norm}"),
        ("entry2", "entry", "128->256:3r 256->256:3r", 2, f"1x1 s2 128->256 {norm}"),
        ("entry3", "entry", "256->728:3r 728->728:3r", 2, f"1x1 s2 256->728 {norm}"),
        ("middle1", "middle", middle, 1, "identity"),
        ("middle2", "middle", middle, 1, "identity"),
        ("middle3", "middle", middle, 1, "identity"),
        ("middle4", "middle", middle, 1, "identity"),
        ("middle5", "middle", middle, 1, "identity"),
        ("middle6", "middle", middle, 1, "identity"),
        ("middle7", "middle", middle, 1, "identity"),
        ("middle8", "middle", middle, 1, "identity"),
        ("exit1", "exit", "728->728:3r 728->1024:3r", 2, f"1x1 s2 728->1024 {norm}"),
    ]
    assert tail_rows(plan) == [(1024, 1536, 3, "after"), (1536, 2048, 3, "after")]
    assert biases(plan) == {False}
    assert plan.out_channels == 2048


def test_lite_is_the_table_of_the_papers_configuration() -> None:
    plan = build_plan(LITE)
    assert stem_rows(plan) == [
        "3x3 s2 3->32 same bias=1 norm=1 relu=1",
        "3x3 s1 32->64 same bias=1 norm=1 relu=1",
    ]
    middle = "512->256:1r 256->512:1r 512->512:3r"
    bias = "same bias=1 norm=0 relu=0"
    assert block_rows(plan) == [
        ("entry1", "entry", "64->128:1r 128->128:3r", 2, f"1x1 s2 64->128 {bias}"),
        ("entry2", "entry", "128->256:1r 256->256:3r", 2, f"1x1 s2 128->256 {bias}"),
        ("entry3", "entry", "256->512:1r 512->512:3r", 2, f"1x1 s2 256->512 {bias}"),
        ("middle1", "middle", middle, 1, "identity"),
        ("middle2", "middle", middle, 1, "identity"),
        ("middle3", "middle", middle, 1, "identity"),
        ("middle4", "middle", middle, 1, "identity"),
        ("middle5", "middle", middle, 1, "identity"),
        ("middle6", "middle", middle, 1, "identity"),
        ("middle7", "middle", middle, 1, "identity"),
        ("middle8", "middle", middle, 1, "identity"),
        ("exit1", "exit", "512->728:1r 728->1024:3r", 2, f"3x3 s2 512->1024 {bias}"),
    ]
    assert tail_rows(plan) == [(1024, 1536, 3, "after"), (1536, 2048, 3, "after")]
    assert biases(plan) == {True}
    assert plan.out_channels == 2048


def test_lite_of_the_papers_text_has_fire_modules_in_the_entry_flow_only() -> None:
    text = build_plan(reference_architecture("xception-lite-text"))
    assert [row[2] for row in block_rows(text)[:3]] == [
        "64->64:1r 64->128:1r 128->128:3r",
        "128->128:1r 128->256:1r 256->256:3r",
        "256->256:1r 256->512:1r 512->512:3r",
    ]
    lite = build_plan(LITE)
    assert [b.residual for b in text.blocks] == [b.residual for b in lite.blocks]
    assert (text.stem, text.blocks[3:], text.tail) == (lite.stem, lite.blocks[3:], lite.tail)


def test_squeeze_in_xceptions_first_block_takes_the_place_without_a_relu() -> None:
    squeezed = replace(XCEPTION, entry=replace(XCEPTION.entry, squeeze=0.25))
    rows = block_rows(build_plan(squeezed))
    assert rows[0][2] == "64->32:1- 32->128:3r 128->128:3r"
    assert rows[1][2] == "128->64:1r 64->256:3r 256->256:3r"


def test_exit_squeeze_is_of_the_first_exit_width() -> None:
    squeezed = replace(LITE, exit=replace(LITE.exit, squeeze=0.5))
    assert block_rows(build_plan(squeezed))[-1][2] == "512->364:1r 364->728:1r 728->1024:3r"


def test_middle_squeeze_above_one_widens() -> None:
    wide = replace(LITE, middle=replace(LITE.middle, squeeze=1.5, kernels=(3, 1, 1)))
    assert block_rows(build_plan(wide))[3][2] == "512->768:3r 768->512:1r 512->512:1r"


def test_strides_stand_at_stem_entry_blocks_and_exit_block_in_this_order() -> None:
    def strides(architecture: Architecture) -> List[int]:
        plan = build_plan(architecture)
        return [conv.stride for conv in plan.stem] + [block.stride for block in plan.blocks]

    middle = [1] * 8
    assert strides(replace(LITE, strides=(1, 2, 2, 2, 2))) == [1, 1, 2, 2, 2, *middle, 2]
    assert strides(replace(LITE, strides=(2, 1, 2, 2, 2))) == [2, 1, 1, 2, 2, *middle, 2]
    assert strides(replace(LITE, strides=(2, 2, 1, 2, 2))) == [2, 1, 2, 1, 2, *middle, 2]
    assert strides(replace(LITE, strides=(2, 2, 2, 1, 2))) == [2, 1, 2, 2, 1, *middle, 2]
    assert strides(replace(LITE, strides=(2, 2, 2, 2, 1))) == [2, 1, 2, 2, 2, *middle, 1]


def test_residual_keeps_the_stride_of_its_block() -> None:
    plan = build_plan(replace(XCEPTION, strides=(2, 1, 2, 1, 1)))
    for block in plan.blocks:
        if block.residual:
            assert block.residual.stride == block.stride


def test_no_middle_blocks_leave_entry_and_exit() -> None:
    plan = build_plan(replace(LITE, middle=replace(LITE.middle, blocks=0)))
    assert [block.name for block in plan.blocks] == ["entry1", "entry2", "entry3", "exit1"]


def test_channels_of_neighbouring_layers_fit() -> None:
    plan = build_plan(replace(LITE, middle=replace(LITE.middle, blocks=2, squeeze=0.3)))
    channels = 3
    for conv in plan.stem:
        assert conv.in_channels == channels
        channels = conv.out_channels
    for block in plan.blocks:
        assert (block.residual.in_channels if block.residual else channels) == channels
        shortcut = block.residual.out_channels if block.residual else channels
        for conv in block.convs:
            assert conv.in_channels == channels
            channels = conv.out_channels
        assert channels == shortcut
    for conv in plan.tail:
        assert conv.in_channels == channels
        channels = conv.out_channels


@pytest.mark.parametrize(
    ("width", "ratio", "expected"),
    [
        (512, 0.5, 256),
        (512, 0.4999, 256),  # 255.9
        (100, 0.333, 33),
        (100, 1.25, 125),
        (1, 0.01, 1),  # never no filter at all
        (8, 0.01, 1),
        (4, 1.9, 7),  # 7.6: 8 would be e1x1 + e3x3, which eq. 3.2 forbids
        (1, 1.99, 1),
    ],
)
def test_squeeze_width(width: int, ratio: float, expected: int) -> None:
    assert squeeze_width(width, ratio) == expected
