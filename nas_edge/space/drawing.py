"""An architecture in words, and as a drawing that any font of fixed pitch shows."""

from __future__ import annotations

from typing import List, Sequence, Tuple

from nas_edge.space.architecture import Architecture
from nas_edge.space.plan import Block, Conv, SepConv

BAR = 24  # characters of the widest layer's bar
_PLACES = ("the stem", "entry 1", "entry 2", "entry 3", "the exit")


def describe_architecture(architecture: Architecture) -> List[str]:
    """Return a sentence for each flow."""
    entry, middle, last = architecture.entry, architecture.middle, architecture.exit
    blocks = "no block" if not middle.blocks else f"{middle.blocks} block"
    if middle.blocks > 1:
        blocks += "s"
    places = [place for place, stride in zip(_PLACES, architecture.strides) if stride == 2]
    return [
        f"Stem: two 3×3 convolutions, {_listed(architecture.stem.widths)} channels.",
        f"Entry flow: {_listed(entry.widths)} channels, {_kernels(entry.kernels)}, "
        f"{_squeeze(entry.squeeze)}, residual {_kernel(entry.residual_kernel)}.",
        f"Middle flow: {blocks}"
        + (f", {_kernels(middle.kernels)}, {_squeeze(middle.squeeze)}." if middle.blocks else "."),
        f"Exit flow: {_listed(last.widths)} channels, {_kernels(last.kernels)}, "
        f"{_squeeze(last.squeeze)}, residual {_kernel(last.residual_kernel)}.",
        f"Halves the picture's sides in {', '.join(places) or 'no place'}; "
        f"details in the {architecture.style} style.",
    ]


def draw_architecture(architecture: Architecture) -> str:
    """Return the network's blocks from the image down: bar and number of the channels, layers."""
    plan = architecture.plan
    rows: List[Tuple[str, int, str]] = [
        ("stem", plan.stem[-1].out_channels, " · ".join(map(_conv, plan.stem)))
    ]
    for name, block in _merged(plan.blocks):
        rows.append((name, block.convs[-1].out_channels, _layers(block)))
    rows.append(("tail", plan.out_channels, " · ".join(map(_sep, plan.tail))))
    widest = max(width for _, width, _ in rows)
    first = max(len(name) for name, _, _ in rows)
    lines = [
        f"{name:<{first}}  {'█' * max(1, round(BAR * width / widest)):<{BAR}} {width:>5}  {layers}"
        for name, width, layers in rows
    ]
    return "\n".join([*lines, f"{'head':<{first}}  {'':<{BAR}} {'':>5}  average pool · dense"])


def _merged(blocks: Sequence[Block]) -> List[Tuple[str, Block]]:
    """Return the blocks by name, alike ones in a row as one: ``middle1-8``."""
    found: List[Tuple[str, Block]] = []
    for block in blocks:
        if found and _alike(found[-1][1], block):
            start = found[-1][0].partition("-")[0]
            number = block.name[len(block.flow) :]
            found[-1] = (f"{start}-{number}", found[-1][1])
        else:
            found.append((block.name, block))
    return found


def _alike(one: Block, other: Block) -> bool:
    return (one.flow, one.convs, one.stride, one.residual) == (
        other.flow,
        other.convs,
        other.stride,
        other.residual,
    )


def _layers(block: Block) -> str:
    parts = [_sep(conv) for conv in block.convs]
    first, second = block.convs[0], block.convs[1]
    if len(block.convs) == 3 and first.out_channels < second.out_channels:
        parts[0] += " squeeze"
    if block.stride == 2:
        parts.append("pool /2")
    residual = "identity" if block.residual is None else _conv(block.residual)
    return " · ".join(parts) + f"  + {residual}"


def _conv(conv: Conv) -> str:
    return f"{_kernel(conv.kernel)} {conv.out_channels}" + (" /2" if conv.stride == 2 else "")


def _sep(conv: SepConv) -> str:
    return f"{_kernel(conv.kernel)} {conv.out_channels}"


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values[:-1])) + f" and {values[-1]}"


def _kernel(size: int) -> str:
    return f"{size}×{size}"


def _kernels(sizes: Sequence[int]) -> str:
    return "kernels " + ", ".join(map(_kernel, sizes))


def _squeeze(ratio: float) -> str:
    return "no squeeze" if ratio == 1 else f"squeeze to {ratio:g} of the channels"
