"""The network that an architecture's plan describes, with a head for the task.

Enters: a plan, the number of outputs. Leaves: an untrained `XceptionNet`. Outputs are logits.

Source:
    Chollet 2017; checked against Keras 3 with copied weights in
    tests/models/test_keras_equality.py.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Callable, List

import torch
from torch import Tensor, nn

from nas_edge.models.blocks import ResidualBlock, conv_unit, sep_unit
from nas_edge.models.checkpointing import SCHEMES, recomputed, unit_segments
from nas_edge.space.architecture import Architecture
from nas_edge.space.plan import Plan


class XceptionNet(nn.Module):
    """Stem, residual blocks, two last separable convolutions, pooling, dropout, dense.

    Shapes: images (n, 3, h, w) in [-1, 1] to logits (n, num_outputs).
    """

    def __init__(self, plan: Plan, num_outputs: int, dropout: float, bn_momentum: float) -> None:
        super().__init__()
        self.stem = nn.Sequential(*(conv_unit(row, bn_momentum) for row in plan.stem))
        self.blocks = nn.Sequential()
        for block in plan.blocks:
            self.blocks.add_module(block.name, ResidualBlock(block, bn_momentum))
        self.tail = nn.Sequential(*(sep_unit(row, bn_momentum) for row in plan.tail))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(plan.out_channels, num_outputs)
        self.checkpointing = "none"

    def set_checkpointing(self, scheme: str) -> None:
        """Choose what is recomputed in the backward pass: `SCHEMES` of checkpointing.py.

        Raises:
            ValueError: If there is no such scheme.
        """
        if scheme not in SCHEMES:
            raise ValueError(f"scheme must be one of {', '.join(SCHEMES)}, but got {scheme!r}")
        self.checkpointing = scheme
        for block in self.blocks:
            assert isinstance(block, ResidualBlock)
            block.recomputes_units = scheme == "unit"

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        features = images
        for part in self._parts():
            features = part(features)
        return self.head(self.dropout(features.mean(dim=(2, 3))))  # type: ignore[no-any-return]

    def _parts(self) -> List[Callable[[Tensor], Tensor]]:
        if self.checkpointing == "block":
            return [partial(recomputed, part) for part in (self.stem, *self.blocks, self.tail)]
        if self.checkpointing == "unit":
            return [*_recomputed_units(self.stem), *self.blocks, *_recomputed_units(self.tail)]
        return [self.stem, self.blocks, self.tail]


def _recomputed_units(part: nn.Sequential) -> List[Callable[[Tensor], Tensor]]:
    """The last normalisation and ReLU are kept: what follows keeps their output anyway."""
    *segments, last = unit_segments([module for unit in part for module in unit.children()])
    return [*(partial(recomputed, segment) for segment in segments), last]


def build_model(
    architecture: Architecture,
    num_outputs: int,
    *,
    dropout: float = 0.2,
    bn_momentum: float = 0.1,
    init: str = "he",
) -> XceptionNet:
    """Return the untrained network of an architecture.

    Args:
        architecture: The point of the template.
        num_outputs: Logits: the number of classes, or 1 for two classes as the paper has it.
        dropout: Probability before the dense layer (the paper uses 0.2).
        bn_momentum: In PyTorch's sense; Keras's default 0.99 is 0.01 here.
        init: "he" (normal, fan-out; middle blocks begin as identities) or "keras" (Glorot uniform,
            as the authors' code).
    Raises:
        ValueError: If ``init`` is neither.
    """
    model = XceptionNet(architecture.plan, num_outputs, dropout, bn_momentum)
    initialise(model, init)
    return model


def initialise(model: nn.Module, scheme: str) -> None:
    """Draw the weights of all convolutions and dense layers anew; biases become zero.

    Source:
        "he": He et al. 2015, section 2.2, fan-out; a depthwise kernel's fan-out is its area,
        because each input channel reaches one output channel (0.01 for the dense layer). Goyal et
        al. 2017, section 5.1: a block that adds to its input begins by adding nothing.
        "keras": Glorot & Bengio 2010, eq. 16, with the fans as Keras counts them, where a
        depthwise kernel has fan-in 9 * channels and fan-out 9.
    """
    if scheme not in ("he", "keras"):
        raise ValueError(f"init must be 'he' or 'keras', but got {scheme!r}")
    for module in model.modules():
        if not isinstance(module, (nn.Conv2d, nn.Linear)):
            continue
        if scheme == "keras":
            _glorot(module)
        elif isinstance(module, nn.Conv2d):
            fan_out = module.weight[0, 0].numel() * module.out_channels // module.groups
            nn.init.normal_(module.weight, std=math.sqrt(2.0 / fan_out))
        else:
            nn.init.normal_(module.weight, std=0.01)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    if scheme == "he":
        for block in model.modules():
            if isinstance(block, ResidualBlock) and isinstance(block.residual, nn.Identity):
                nn.init.zeros_(block.units[-1].get_parameter("norm.weight"))


def _glorot(module: nn.Module) -> None:
    weight = module.weight
    assert isinstance(weight, Tensor)
    area = weight[0, 0].numel() if weight.dim() == 4 else 1
    depthwise = isinstance(module, nn.Conv2d) and module.groups > 1
    fan_in, fan_out = (weight.shape[0], 1) if depthwise else (weight.shape[1], weight.shape[0])
    limit = (6.0 / (area * (fan_in + fan_out))) ** 0.5
    with torch.no_grad():
        weight.uniform_(-limit, limit)
