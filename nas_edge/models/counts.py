"""Parameters, MACs and shapes of a plan, layer by layer, by arithmetic (no torch, no allocation).

Source:
    Eq. 3.1 of the paper for the parameters of a layer. MACs count convolutions and the dense layer,
    one per multiply-add, for one image; batch normalisation and pooling are not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, List, Sequence, Tuple

from nas_edge.errors import SpaceError
from nas_edge.space.plan import Block, Conv, Plan, SepConv

Size = Tuple[int, int]


@dataclass(frozen=True)
class LayerCount:
    """One row of `nas-edge show`: channels first, without the batch axis."""

    name: str
    flow: str
    kind: str
    out_shape: Tuple[int, ...]
    num_params: int
    num_trainable: int
    macs: int


@dataclass(frozen=True)
class ModelCount:
    """Totals over all layers; ``num_params`` counts the moving statistics, as Keras does."""

    num_params: int
    num_trainable: int
    macs: int


def count_layers(plan: Plan, image_size: int, num_outputs: int) -> List[LayerCount]:
    """Return every layer of a network with its output shape and counts.

    Raises:
        SpaceError: If the image is so small that a layer has no output.
    """
    if image_size < 1:
        raise SpaceError(f"image_size must be at least 1, but got {image_size}")
    size: Size = (image_size, image_size)
    rows: List[LayerCount] = []
    for i, conv in enumerate(plan.stem, 1):
        size = _conv_size(size, conv, image_size)
        rows.append(_conv_row(f"stem.conv{i}", "stem", conv, size))
    for block in plan.blocks:
        rows.extend(_block_rows(block, size))
        size = _strided(size, block.stride)
    rows.extend(_sep_rows("exit2", "exit", plan.tail, size))
    dense = plan.out_channels * num_outputs
    rows.append(
        LayerCount(
            "head.dense",
            "head",
            "dense",
            (num_outputs,),
            dense + num_outputs,
            dense + num_outputs,
            dense,
        )
    )
    return rows


def count_model(plan: Plan, image_size: int, num_outputs: int) -> ModelCount:
    """Return the totals of `count_layers`."""
    return total_of(count_layers(plan, image_size, num_outputs))


def total_of(rows: Sequence[LayerCount]) -> ModelCount:
    """Return the sums of rows."""
    return ModelCount(
        sum(row.num_params for row in rows),
        sum(row.num_trainable for row in rows),
        sum(row.macs for row in rows),
    )


def tensor_sizes(plan: Plan, num_outputs: int) -> List[int]:
    """Return the elements of every trainable tensor of a network, in no particular order."""
    residuals = [block.residual for block in plan.blocks if block.residual is not None]
    sizes = [plan.out_channels * num_outputs, num_outputs]
    for conv in (*plan.stem, *residuals):
        sizes.append(conv.in_channels * conv.out_channels * conv.kernel**2)
        sizes += [conv.out_channels] * (conv.bias + 2 * conv.norm)
    for sep in (*(sep for block in plan.blocks for sep in block.convs), *plan.tail):
        sizes += [sep.in_channels * sep.kernel**2, sep.in_channels * sep.out_channels]
        sizes += [sep.out_channels] * (sep.bias + 2)
    return sizes


def _block_rows(block: Block, size: Size) -> Iterator[LayerCount]:
    yield from _sep_rows(block.name, block.flow, block.convs, size)
    out = _strided(size, block.stride)
    if block.stride == 2:
        shape = (block.convs[-1].out_channels, *out)
        yield LayerCount(f"{block.name}.pool", block.flow, "max-pool 3x3 s2", shape, 0, 0, 0)
    if block.residual:
        yield _conv_row(f"{block.name}.residual", block.flow, block.residual, out)


def _sep_rows(name: str, flow: str, convs: Sequence[SepConv], size: Size) -> Iterator[LayerCount]:
    for i, row in enumerate(convs, 1):
        depthwise = row.in_channels * row.kernel**2
        pointwise = row.in_channels * row.out_channels
        weights = depthwise + pointwise + row.out_channels * row.bias
        yield LayerCount(
            f"{name}.sep{i}",
            flow,
            f"separable {row.kernel}x{row.kernel}",
            (row.out_channels, *size),
            weights + 4 * row.out_channels,
            weights + 2 * row.out_channels,
            (depthwise + pointwise) * size[0] * size[1],
        )


def _conv_row(name: str, flow: str, row: Conv, size: Size) -> LayerCount:
    kernel = row.in_channels * row.out_channels * row.kernel**2
    weights = kernel + row.out_channels * row.bias
    stride = f" s{row.stride}" if row.stride > 1 else ""
    return LayerCount(
        name,
        flow,
        f"conv {row.kernel}x{row.kernel}{stride}",
        (row.out_channels, *size),
        weights + 4 * row.out_channels * row.norm,
        weights + 2 * row.out_channels * row.norm,
        kernel * size[0] * size[1],
    )


def _conv_size(size: Size, row: Conv, image_size: int) -> Size:
    if row.padding == "same":
        return _strided(size, row.stride)
    if min(size) < row.kernel:
        raise SpaceError(f"image_size must be larger for this network, but got {image_size}")
    return ((size[0] - row.kernel) // row.stride + 1, (size[1] - row.kernel) // row.stride + 1)


def _strided(size: Size, stride: int) -> Size:
    return (-(-size[0] // stride), -(-size[1] // stride))
