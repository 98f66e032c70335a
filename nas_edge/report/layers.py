"""An architecture's plan as compact data, from which the page draws the three flows.

A layer is ``[filters, kernel, is_squeeze]``; equal blocks that follow each other stand once, with
how often (the middle flow).
"""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

from nas_edge.space.architecture import Architecture
from nas_edge.space.plan import Block, SepConv


def layers_of(architecture: Architecture) -> Dict[str, Any]:
    """Return what a drawing of an architecture needs."""
    plan = architecture.plan
    return {
        "stem": [[conv.out_channels, conv.kernel, conv.stride] for conv in plan.stem],
        "blocks": _without_repeats([_block(block) for block in plan.blocks]),
        "tail": [[conv.out_channels, conv.kernel, False] for conv in plan.tail],
    }


def _block(block: Block) -> Dict[str, Any]:
    return {
        "name": block.name,
        "flow": block.flow,
        "times": 1,
        "convs": [_conv(conv, block.convs) for conv in block.convs],
        "stride": block.stride,
        "residual": None if block.residual is None else block.residual.kernel,
    }


def _conv(conv: SepConv, convs: Sequence[SepConv]) -> List[Any]:
    """A 1x1 layer that leads the block and is narrower than its next one is a squeeze layer."""
    is_squeeze = (
        conv is convs[0]
        and conv.kernel == 1
        and len(convs) > 1
        and conv.out_channels < convs[1].out_channels
    )
    return [conv.out_channels, conv.kernel, is_squeeze]


def _without_repeats(blocks: Sequence[Dict[str, Any]]) -> List[Dict[str, Any]]:
    kept: List[Dict[str, Any]] = []
    for block in blocks:
        last = kept[-1] if kept else None
        if last is not None and _same(last, block):
            last["times"] += 1
        else:
            kept.append(dict(block))
    return kept


def _same(one: Dict[str, Any], other: Dict[str, Any]) -> bool:
    return all(one[key] == other[key] for key in ("flow", "convs", "stride", "residual"))
