"""An architecture as a readable table of layers, without torch.

The plan is the single source of what a network is: the model is built from it, parameters and MACs
are counted from it, and the canonical key is its hash.

Source:
    Chollet 2017 (Xception); Iandola et al. 2016 (squeeze and expand); the paper's section 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, List, Optional, Sequence, Tuple

if TYPE_CHECKING:
    from nas_edge.space.architecture import Architecture


@dataclass(frozen=True)
class Conv:
    """A k x k convolution, with batch normalisation where ``norm`` and ReLU where ``relu``."""

    in_channels: int
    out_channels: int
    kernel: int
    stride: int
    padding: str  # "same" as TensorFlow has it, or "valid"
    bias: bool
    norm: bool
    relu: bool


@dataclass(frozen=True)
class SepConv:
    """Depthwise k x k (no bias), pointwise 1x1, batch normalisation; ReLU before, after or none."""

    in_channels: int
    out_channels: int
    kernel: int
    bias: bool
    relu: str  # "before", "after" or "none"


@dataclass(frozen=True)
class Block:
    """Separable convolutions, max-pooling 3x3 where ``stride`` is 2, plus a residual.

    ``residual`` is a convolution, or None for the identity.
    """

    name: str
    flow: str
    convs: Tuple[SepConv, ...]
    stride: int
    residual: Optional[Conv]


@dataclass(frozen=True)
class Plan:
    """All layers but the head (global average pool, dropout, dense), which the task decides."""

    stem: Tuple[Conv, ...]
    blocks: Tuple[Block, ...]
    tail: Tuple[SepConv, ...]

    @property
    def out_channels(self) -> int:
        """Channels that reach the head."""
        return self.tail[-1].out_channels


def build_plan(architecture: Architecture) -> Plan:
    """Return the layers that an architecture means."""
    lite = architecture.style == "lite"
    channels = 3
    stem: List[Conv] = []
    for width, stride in zip(architecture.stem.widths, (architecture.strides[0], 1)):
        padding = "same" if lite else "valid"
        stem.append(Conv(channels, width, 3, stride, padding, bias=lite, norm=True, relu=True))
        channels = width
    blocks: List[Block] = []
    entry = architecture.entry
    for i, width in enumerate(entry.widths):
        convs = _down_convs(
            channels, (width, width), entry.squeeze, entry.kernels, lite, lead=lite or i > 0
        )
        stride = architecture.strides[i + 1]
        residual = _residual(channels, width, entry.residual_kernel, stride, lite)
        blocks.append(Block(f"entry{i + 1}", "entry", convs, stride, residual))
        channels = width
    middle = architecture.middle
    for i in range(middle.blocks):
        widths = (squeeze_width(channels, middle.squeeze), channels, channels)
        convs = _sep_convs(channels, widths, middle.kernels, lite)
        blocks.append(Block(f"middle{i + 1}", "middle", convs, 1, None))
    last = architecture.exit
    convs = _down_convs(channels, last.widths[:2], last.squeeze, last.kernels, lite, lead=True)
    residual = _residual(
        channels, last.widths[1], last.residual_kernel, architecture.strides[4], lite
    )
    blocks.append(Block("exit1", "exit", convs, architecture.strides[4], residual))
    tail = _sep_convs(last.widths[1], last.widths[2:], (3, 3), lite, relu="after")
    return Plan(tuple(stem), tuple(blocks), tail)


def squeeze_width(width: int, ratio: float) -> int:
    """Return s1x1, the filters of a squeeze layer; rounding up must not break eq. 3.2 either."""
    return min(max(1, round(width * ratio)), 2 * width - 1)


def _down_convs(
    channels: int,
    widths: Sequence[int],
    squeeze: float,
    kernels: Sequence[int],
    lite: bool,
    lead: bool,
) -> Tuple[SepConv, ...]:
    """Two convolutions, behind a squeeze layer where the ratio asks for one."""
    squeezed = squeeze_width(widths[0], squeeze)
    if squeezed < widths[0]:
        widths, kernels = (squeezed, *widths), (1, *kernels)
    convs = _sep_convs(channels, widths, kernels, lite)
    if not lead:
        first = convs[0]
        convs = (
            SepConv(first.in_channels, first.out_channels, first.kernel, first.bias, "none"),
            *convs[1:],
        )
    return convs


def _sep_convs(
    channels: int, widths: Sequence[int], kernels: Sequence[int], lite: bool, relu: str = "before"
) -> Tuple[SepConv, ...]:
    ins = (channels, *widths[:-1])
    return tuple(SepConv(i, o, k, lite, relu) for i, o, k in zip(ins, widths, kernels))


def _residual(channels: int, width: int, kernel: int, stride: int, lite: bool) -> Conv:
    return Conv(channels, width, kernel, stride, "same", bias=lite, norm=not lite, relu=False)
