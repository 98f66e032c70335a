"""A narrower network's first weights, from a wider one that was trained, channel by channel.

Of every layer the channels of the greatest normalisation scale are kept. The template's parts are
followed in order: what a layer keeps of its outputs is what the next one keeps of its inputs, and
all that is added together keeps the same. The two styles pass weights on to each other.

Source:
    Liu et al. 2017 (Network Slimming), section 3: a channel weighs what its normalisation's scale
    does.
"""

from __future__ import annotations

from itertools import takewhile
from typing import List, Optional, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas_edge.models.blocks import ResidualBlock
from nas_edge.models.xception import XceptionNet


@torch.no_grad()
def inherit_weights(model: XceptionNet, wider: XceptionNet) -> None:
    """Fill a network with weights and statistics of a trained one.

    Args:
        model: The narrower one (`nas_edge.space.widths.is_as_wide`), of the same outputs.
        wider: The trained one, which stays as it is.
    """
    kept = torch.arange(3)
    for own, other in zip(model.stem, wider.stem):
        kept = _take_unit(own, other, kept)
    blocks = list(wider.blocks)
    for i, own in enumerate(model.blocks):
        kept = _take_block(own, blocks[i:], kept)
    for own, other in zip(model.tail, wider.tail):
        kept = _take_unit(own, other, kept)
    model.head.weight.copy_(wider.head.weight[:, kept])
    model.head.bias.copy_(wider.head.bias)


def _take_block(own: nn.Module, others: Sequence[nn.Module], kept: Tensor) -> Tensor:
    """Fill a block from the first of the others; return which channels leave it."""
    other = others[0]
    assert isinstance(own, ResidualBlock)
    assert isinstance(other, ResidualBlock)
    if isinstance(own.residual, nn.Identity):
        out = kept
    else:
        conv = own.residual.get_submodule("conv")
        assert isinstance(conv, nn.Conv2d)
        out = _greatest(_scale_of_sum(others), conv.out_channels)
        _take_unit(own.residual, other.residual, kept, out)
    inner, units = kept, list(own.units)
    if len(units) > len(other.units):
        inner = _pass_on(units.pop(0), other.units[0], kept)
    for mine, theirs in zip(units[:-1], other.units):
        inner = _take_unit(mine, theirs, inner)
    _take_unit(units[-1], other.units[-1], inner, out)
    return out


def _scale_of_sum(blocks: Sequence[nn.Module]) -> Tensor:
    """Return the scale of each channel of a block's output, to which identity blocks add."""
    first, *rest = [block for block in blocks if isinstance(block, ResidualBlock)]
    adding = takewhile(lambda block: isinstance(block.residual, nn.Identity), rest)
    ends = [first.residual, *(block.units[len(block.units) - 1] for block in (first, *adding))]
    return torch.stack([_scale(end) for end in ends if _norm(end) is not None]).sum(dim=0)


def _take_unit(
    own: nn.Module, other: nn.Module, kept: Tensor, out: Optional[Tensor] = None
) -> Tensor:
    """Fill a convolution, separable or not, and its normalisation; return its channels."""
    mine, theirs = _last_conv(own), _last_conv(other)
    if out is None:
        out = _greatest(_scale(other), mine.out_channels)
    if hasattr(own, "depthwise"):
        kernels = other.get_parameter("depthwise.weight")[kept]
        _fill(own.get_parameter("depthwise.weight"), kernels)
    weight, shift = theirs.weight[out][:, kept], _bias(theirs)[out]
    norm, known = _norm(own), _norm(other)
    if norm is None and known is not None:
        # What normalises in inference is one factor and one sum a channel.
        factor = (known.weight / (_statistic(known, "running_var") + known.eps).sqrt())[out]
        shift = (shift - _statistic(known, "running_mean")[out]) * factor + known.bias[out]
        weight = weight * factor[:, None, None, None]
    _fill(mine.weight, weight)
    if mine.bias is not None:
        mine.bias.copy_(shift)
    if norm is not None and known is not None:
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(norm, name).copy_(getattr(known, name)[out])
        if mine.bias is None:
            _statistic(norm, "running_mean").sub_(shift)
    return out


def _pass_on(own: nn.Module, following: nn.Module, kept: Tensor) -> Tensor:
    """Have a new squeeze layer begin by passing on the inputs that weigh most in what follows.

    One that is wider than its input passes some on twice; a tenth of its first weights stays, so
    that two of a kind can become different.
    """
    conv = _last_conv(own)
    weights = _last_conv(following).weight[:, kept].abs().sum(dim=(0, 2, 3))
    kernels = following.get_parameter("depthwise.weight")[kept].abs().sum(dim=(1, 2, 3))
    order = (weights * kernels).argsort(descending=True)
    rows = torch.arange(conv.out_channels)
    places = order[rows % len(order)].sort().values
    own.get_parameter("depthwise.weight").fill_(1.0)
    conv.weight.mul_(0.1)
    conv.weight[rows, places] += 1.0
    return kept[places]


def _fill(own: Tensor, theirs: Tensor) -> None:
    """Write kernels into those of another size: the middle of larger ones, zeros around smaller."""
    margin = (own.shape[-1] - theirs.shape[-1]) // 2
    own.copy_(F.pad(theirs, [margin] * 4))


def _greatest(scale: Tensor, count: int) -> Tensor:
    """Return the channels of the greatest scale, in their order."""
    return scale.topk(count).indices.sort().values


def _scale(unit: nn.Module) -> Tensor:
    norm = _norm(unit)
    return torch.ones(_last_conv(unit).out_channels) if norm is None else norm.weight.abs()


def _last_conv(unit: nn.Module) -> nn.Conv2d:
    found: List[nn.Conv2d] = [m for m in unit.children() if isinstance(m, nn.Conv2d)]
    return found[-1]


def _norm(unit: nn.Module) -> Optional[nn.BatchNorm2d]:
    return next((m for m in unit.children() if isinstance(m, nn.BatchNorm2d)), None)


def _bias(conv: nn.Conv2d) -> Tensor:
    return torch.zeros(conv.out_channels) if conv.bias is None else conv.bias


def _statistic(norm: nn.BatchNorm2d, name: str) -> Tensor:
    return norm.get_buffer(name)
