"""Recompute activations in the backward pass instead of keeping them.

Two schemes for the Xception template, which change nothing but memory and time:

* "unit": each stretch from a batch normalisation to the next pointwise convolution keeps its input
  alone. What is recomputed is cheap; the pointwise convolution itself is not repeated.
* "block": each residual block, the stem and the two last convolutions keep their input alone.

Source:
    Chen et al. 2016, "Training deep nets with sublinear memory cost"; the unit scheme recomputes
    what Bulo et al. 2018 (in-place activated batch normalisation) avoid keeping.
"""

from __future__ import annotations

import contextlib
from typing import Any, ContextManager, Iterator, List, Sequence, Tuple

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

SCHEMES = ("none", "unit", "block")


class Segment(nn.ModuleList):
    """Modules that are run one after the other, and recomputed together."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the last module's output."""
        for module in self:
            x = module(x)
        return x


def recomputed(module: nn.Module, x: Tensor) -> Tensor:
    """Return ``module(x)``, of which only ``x`` is kept for the backward pass.

    The recomputation leaves the running statistics of batch normalisation alone: they have been
    updated. There is no randomness in what is recomputed (dropout is in the head).
    """
    if not module.training:
        return module(x)  # type: ignore[no-any-return]

    def contexts() -> Tuple[ContextManager[Any], ContextManager[Any]]:
        return contextlib.nullcontext(), _scratch_statistics(module)

    return checkpoint(  # type: ignore[no-any-return]
        module, x, use_reentrant=False, preserve_rng_state=False, context_fn=contexts
    )


def unit_segments(modules: Sequence[nn.Module]) -> List[Segment]:
    """Split a chain before each batch normalisation."""
    segments: List[List[nn.Module]] = [[]]
    for module in modules:
        if isinstance(module, nn.BatchNorm2d) and segments[-1]:
            segments.append([])
        segments[-1].append(module)
    return [Segment(part) for part in segments]


@contextlib.contextmanager
def _scratch_statistics(module: nn.Module) -> Iterator[None]:
    """Give batch normalisations copies of their statistics to update, and take them away again.

    The same number of tensors is saved as in the first pass, which torch checks.
    """
    kept = []
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            kept.append((norm, dict(norm._buffers)))
            for name, buffer in norm._buffers.items():
                norm._buffers[name] = None if buffer is None else buffer.clone()
    try:
        yield
    finally:
        for norm, buffers in kept:
            norm._buffers.update(buffers)
