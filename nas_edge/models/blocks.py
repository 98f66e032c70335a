"""The blocks of the Xception template, as PyTorch modules built from plan rows.

Paddings are TensorFlow's "same": at stride 2 an even image is padded on its right and lower side
only. A symmetric padding has the same parameter counts but is another network.

Shapes: every module maps (n, in_channels, h, w) to (n, out_channels, ceil(h / stride), ...), except
a "valid" convolution, which loses kernel - 1 pixels first.
"""

from __future__ import annotations

from typing import List

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas_edge.models.checkpointing import recomputed, unit_segments
from nas_edge.space.plan import Block, Conv, SepConv

BATCH_NORM_EPS = 1e-3  # Keras's default; PyTorch's 1e-5 gives other outputs


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding at any stride and image size."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolved images."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        if kernel == 1 and stride > 1:
            # The same network, without oneDNN's strided 1x1: with fewer than 8 channels in
            # channels_last its weight gradient is wrong or the process dies (oneDNN issue 6035).
            return F.conv2d(_every(stride, x), self.weight, self.bias)
        pads = [same_padding(size, kernel, stride) for size in x.shape[-2:]]
        if all(total % 2 == 0 for total in pads):
            return self._convolve(x, (pads[0] // 2, pads[1] // 2))
        (top, left) = (total // 2 for total in pads)
        return self._convolve(F.pad(x, (left, pads[1] - left, top, pads[0] - top)), (0, 0))

    def _convolve(self, x: Tensor, padding: tuple[int, int]) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


def _every(stride: int, x: Tensor) -> Tensor:
    """Return every n-th row and column, with a gradient in the memory format of ``x``.

    A slice's gradient is contiguous in the order of the axes that were sliced. Added to others in
    channels_last it would turn them all, and max-pooling before would work on copies.
    """
    if x.is_contiguous(memory_format=torch.channels_last):
        return x.permute(0, 2, 3, 1)[:, ::stride, ::stride].permute(0, 3, 1, 2)
    return x[:, :, ::stride, ::stride]


class PointwiseConv2d(nn.Conv2d):
    """A 1x1 convolution at stride 1, over all channels, or depthwise without a bias.

    While it trains on a CPU in channels_last it is written as the product that it is: oneDNN spends
    more on setting up its many small convolutions than on their sums. The network is the same, and
    what is exported or evaluated is a convolution.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolved images."""
        is_nhwc = x.is_contiguous(memory_format=torch.channels_last)
        if not (self.training and x.device.type == "cpu" and is_nhwc):
            return super().forward(x)
        if self.groups > 1:
            assert self.bias is None  # no depthwise convolution of the template has one
            return x * self.weight.reshape(1, -1, 1, 1).to(x.dtype)
        out = F.linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias)
        return out.permute(0, 3, 1, 2)


def same_padding(size: int, kernel: int, stride: int) -> int:
    """Return the pixels that TensorFlow's "same" adds along one axis, both sides together."""
    return max((-(-size // stride) - 1) * stride + kernel - size, 0)


class SameMaxPool(nn.Module):
    """Max-pooling 3x3 at stride 2 with TensorFlow's "same" padding (minus infinity outside)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the pooled images."""
        odd_h, odd_w = x.shape[-2] % 2, x.shape[-1] % 2
        # ceil_mode lets the last window of an even side hang over its right edge: the (0, 1)
        # padding of "same", without a padded copy of the input being kept for the backward pass.
        return F.max_pool2d(x, 3, 2, padding=(odd_h, odd_w), ceil_mode=True)


def conv_unit(row: Conv, bn_momentum: float) -> nn.Sequential:
    """Return convolution, batch normalisation and ReLU, as far as the row has them."""
    kind = SameConv2d if row.padding == "same" else nn.Conv2d
    unit = nn.Sequential()
    unit.add_module(
        "conv", kind(row.in_channels, row.out_channels, row.kernel, row.stride, bias=row.bias)
    )
    if row.norm:
        unit.add_module("norm", _norm(row.out_channels, bn_momentum))
    if row.relu:
        unit.add_module("relu", nn.ReLU(inplace=True))
    return unit


def sep_unit(row: SepConv, bn_momentum: float, input_is_used_again: bool = True) -> nn.Sequential:
    """Return ReLU?, depthwise, pointwise, batch normalisation, ReLU?."""
    unit = nn.Sequential()
    if row.relu == "before":
        unit.add_module("relu", nn.ReLU(inplace=not input_is_used_again))
    channels = row.in_channels
    kind = PointwiseConv2d if row.kernel == 1 else nn.Conv2d
    unit.add_module(
        "depthwise",
        kind(channels, channels, row.kernel, padding=row.kernel // 2, groups=channels, bias=False),
    )
    unit.add_module("pointwise", PointwiseConv2d(channels, row.out_channels, 1, bias=row.bias))
    unit.add_module("norm", _norm(row.out_channels, bn_momentum))
    if row.relu == "after":
        unit.add_module("relu", nn.ReLU(inplace=True))
    return unit


class ResidualBlock(nn.Module):
    """Separable convolutions, max-pooling at stride 2, plus the residual."""

    def __init__(self, block: Block, bn_momentum: float) -> None:
        super().__init__()
        units: List[nn.Module] = []
        for i, row in enumerate(block.convs):
            # Only the first ReLU's input is used again, by the residual.
            units.append(sep_unit(row, bn_momentum, input_is_used_again=i == 0))
        self.units = nn.ModuleList(units)
        self.pool = SameMaxPool() if block.stride == 2 else nn.Identity()
        self.residual = conv_unit(block.residual, bn_momentum) if block.residual else nn.Identity()
        self.recomputes_units = False

    def forward(self, x: Tensor) -> Tensor:
        """Return ``pool(units(x)) + residual(x)``."""
        out = self._recomputed_units(x) if self.recomputes_units else self._plain_units(x)
        return torch.add(out, self.residual(x))

    def _plain_units(self, x: Tensor) -> Tensor:
        for unit in self.units:
            x = unit(x)
        return self.pool(x)  # type: ignore[no-any-return]

    def _recomputed_units(self, x: Tensor) -> Tensor:
        """Keep the inputs of the normalisations alone.

        The last one is kept as it is where no pooling follows: the sum does not need its output.
        """
        modules = [module for unit in self.units for module in unit.children()]
        *segments, last = unit_segments([*modules, self.pool])
        for segment in segments:
            x = recomputed(segment, x)
        return last(x) if isinstance(self.pool, nn.Identity) else recomputed(last, x)


def _norm(channels: int, momentum: float) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS, momentum=momentum)
