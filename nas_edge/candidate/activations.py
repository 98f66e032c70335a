"""What a training step holds beside the weights, operation by operation, by arithmetic.

A forward pass keeps tensors for the backward pass, which frees them from the last to the first
while the parameters' gradients grow. `backward_moments` gives what is alive at each operation.

Source:
    The formulas of torch's derivatives.yaml: a convolution keeps its input, batch normalisation its
    input, ReLU its output (in place: the tensor that the next layer keeps anyway), max-pooling its
    input and int64 positions, an addition nothing. tests/candidate/test_estimate.py compares the
    sum with what autograd really keeps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, List, Mapping, Set, Tuple

from nas_edge.space.plan import Block, Conv, Plan, SepConv

INDEX_BYTES = 8  # of a max-pooling position


@dataclass(frozen=True)
class Moment:
    """What is alive while the backward pass is at one operation, in bytes.

    ``kept`` is what the forward pass kept up to here, by flow, ``param_gradients`` the gradients
    that are there already, ``flowing`` the gradients of activations on their way.
    """

    kept: Mapping[str, int]
    param_gradients: int
    flowing: int

    @property
    def saved(self) -> int:
        """What the forward pass kept, over all flows."""
        return sum(self.kept.values())

    @property
    def total(self) -> int:
        """All of it."""
        return self.saved + self.param_gradients + self.flowing


@dataclass
class _Tensor:
    """A batch of square feature maps with a storage of its own."""

    channels: int
    side: int
    num_bytes: int
    is_saved: bool = False


@dataclass(frozen=True)
class _Op:
    """One operation of the forward pass: what it kept first, its parameters, its gradients."""

    flow: str
    saves: int
    num_params: int
    flowing: int


class _Tape:
    """The forward pass, written down."""

    def __init__(self, batch_size: int, element_bytes: int) -> None:
        self.ops: List[_Op] = []
        self.convolutions: Set[Tuple[int, ...]] = set()  # those larger than 1x1
        self.flow = "stem"
        self._batch_size = batch_size
        self._element_bytes = element_bytes

    def new(self, channels: int, side: int) -> _Tensor:
        """Return a fresh tensor."""
        count = self._batch_size * channels * side * side
        return _Tensor(channels, side, count * self._element_bytes)

    def op(
        self, source: _Tensor, out: _Tensor, keeps: _Tensor, *, num_params: int = 0, extra: int = 0
    ) -> _Tensor:
        """Write an operation down; a tensor that is kept twice is counted once."""
        saves = 0 if keeps.is_saved else keeps.num_bytes
        keeps.is_saved = True
        flowing = source.num_bytes + out.num_bytes
        self.ops.append(_Op(self.flow, saves + extra, num_params, flowing))
        return out

    def convolve(
        self, x: _Tensor, out: _Tensor, kernel: int, num_params: int, groups: int = 1
    ) -> _Tensor:
        """Write a convolution down."""
        if kernel > 1:
            self.convolutions.add((x.channels, x.side, out.channels, out.side, kernel, groups))
        return self.op(x, out, x, num_params=num_params)

    def hold(self, first: int, num_bytes: int) -> None:
        """Note a gradient that waits while the operations from ``first`` have their turn."""
        for i in range(first, len(self.ops)):
            self.ops[i] = replace(self.ops[i], flowing=self.ops[i].flowing + num_bytes)


def backward_moments(
    plan: Plan, image_size: int, batch_size: int, element_bytes: int = 4
) -> List[Moment]:
    """Return what is alive at each operation, in the order of the forward pass.

    Args:
        plan: The network without its head.
        image_size: Side in pixels.
        batch_size: Images a step.
        element_bytes: Size of an activation.
    """
    return _moments(_written_down(plan, image_size, batch_size, element_bytes).ops)


def while_accumulating(moments: List[Moment], waiting_bytes: int) -> List[Moment]:
    """Return the moments of a micro-batch that is not the first.

    Every gradient is there from the one before, that of the operation at hand a second time until
    it is added; ``waiting_bytes`` are the batch's other images.
    """
    everything = moments[0].param_gradients
    afterwards = [moment.param_gradients for moment in moments[1:]] + [0]
    return [
        Moment(
            {**moment.kept, "stem": moment.kept.get("stem", 0) + waiting_bytes},
            everything + moment.param_gradients - after,
            moment.flowing,
        )
        for moment, after in zip(moments, afterwards)
    ]


def large_convolutions(plan: Plan, image_size: int) -> Tuple[int, int]:
    """Return how many shapes of convolutions larger than 1x1 there are, and dense ones' weights.

    The library compiles code for each shape, and copies the weights of the dense ones.
    """
    shapes = _written_down(plan, image_size, 1, 4).convolutions
    dense = [(c, out, kernel) for c, _, out, _, kernel, groups in shapes if groups == 1]
    return len(shapes), sum(channels * out * kernel**2 for channels, out, kernel in dense)


def _written_down(plan: Plan, image_size: int, batch_size: int, element_bytes: int) -> _Tape:
    tape = _Tape(batch_size, element_bytes)
    x = tape.new(3, image_size)
    for row in plan.stem:
        x = _conv_unit(tape, x, row)
    for block in plan.blocks:
        tape.flow = block.flow
        x = _residual_block(tape, x, block)
    for sep in plan.tail:
        x = _sep_unit(tape, x, sep, in_place=False)
    return tape


def _moments(ops: List[_Op]) -> List[Moment]:
    """Go through the backward pass: what the forward pass kept goes as gradients come."""
    kept: Dict[str, int] = {}
    gradients = 4 * sum(op.num_params for op in ops)
    moments: List[Moment] = []
    for op in ops:
        kept = {**kept, op.flow: kept.get(op.flow, 0) + op.saves}
        moments.append(Moment(kept, gradients, op.flowing))
        gradients -= 4 * op.num_params
    return moments


def _conv_unit(tape: _Tape, x: _Tensor, row: Conv) -> _Tensor:
    side, padding = _conv_sides(x.side, row)
    if padding % 2:  # padded on one side only: torch needs a padded copy, and keeps that
        x = tape.new(x.channels, x.side + padding)
    weights = row.in_channels * row.out_channels * row.kernel**2 + row.out_channels * row.bias
    out = tape.convolve(x, tape.new(row.out_channels, side), row.kernel, weights)
    if row.norm:
        out = _norm(tape, out)
    return tape.op(out, out, out) if row.relu else out


def _conv_sides(side: int, row: Conv) -> Tuple[int, int]:
    """Return the output's side, and the pixels that the input is padded by."""
    if row.padding == "valid":
        return (side - row.kernel) // row.stride + 1, 0
    out = -(-side // row.stride)
    return out, max((out - 1) * row.stride + row.kernel - side, 0)


def _sep_unit(tape: _Tape, x: _Tensor, row: SepConv, in_place: bool) -> _Tensor:
    if row.relu == "before":
        relu = x if in_place else tape.new(x.channels, x.side)
        x = tape.op(x, relu, relu)
    depthwise = tape.new(row.in_channels, x.side)
    tape.convolve(x, depthwise, row.kernel, row.in_channels * row.kernel**2, row.in_channels)
    out = tape.new(row.out_channels, x.side)
    weights = row.in_channels * row.out_channels + row.out_channels * row.bias
    tape.convolve(depthwise, out, 1, weights)
    out = _norm(tape, out)
    return tape.op(out, out, out) if row.relu == "after" else out


def _norm(tape: _Tape, x: _Tensor) -> _Tensor:
    out = tape.new(x.channels, x.side)
    statistics = 2 * 4 * x.channels  # the batch's mean and deviation
    return tape.op(x, out, x, num_params=2 * x.channels, extra=statistics)


def _residual_block(tape: _Tape, x: _Tensor, block: Block) -> _Tensor:
    first = len(tape.ops)
    out = x
    for i, row in enumerate(block.convs):
        out = _sep_unit(tape, out, row, in_place=i > 0)
    if block.stride == 2:
        pooled = tape.new(out.channels, -(-out.side // 2))
        positions = pooled.num_bytes // tape._element_bytes * INDEX_BYTES
        out = tape.op(out, pooled, out, extra=positions)
    # The residual's backward pass comes first; its gradient waits for that of the convolutions.
    tape.hold(first, x.num_bytes)
    if block.residual is not None:
        before = len(tape.ops)
        _conv_unit(tape, x, block.residual)
        tape.hold(before, out.num_bytes)
    return tape.new(out.channels, out.side)
