"""The points of a space that need the least memory, found by arithmetic."""

from __future__ import annotations

from itertools import product
from typing import Any, Dict, Iterator, List, Sequence, Tuple

from nas_edge.space.architecture import Architecture
from nas_edge.space.plan import Plan, SepConv
from nas_edge.space.search_space import SearchSpace


def smallest_points(
    space: SearchSpace, image_size: int, count: int = 3, batch_size: int = 32
) -> List[Architecture]:
    """Return the points whose training holds the fewest numbers.

    Counted are the outputs of all layers for a batch and four numbers a parameter (itself, its
    gradient, two of the optimizer). Only the values of a choice that may be best are compared:
    widths, blocks and kernels only add, strides only take away; a squeeze layer does both.
    """

    def size(point: Architecture) -> int:
        outputs = num_outputs(point.plan, image_size)
        return batch_size * outputs + 4 * num_parameters(point.plan)

    return sorted(_candidates(space), key=size)[:count]


def _candidates(space: SearchSpace) -> Iterator[Architecture]:
    choices: Dict[str, Sequence[Any]] = {}
    for name, values in space.choices.items():
        part = name.partition(".")[2]
        if part.startswith("width") or part in ("blocks", "residual_kernel"):
            choices[name] = [min(values)]
        elif part == "kernels":
            choices[name] = _least(values)
        elif name == "strides":
            choices[name] = _least(values, sign=-1)
        else:
            choices[name] = values
    for combination in product(*choices.values()):
        yield space.architecture(dict(zip(choices, combination)))


def _least(values: Sequence[str], sign: int = 1) -> List[str]:
    """Return the values, e.g. ``1-3``, beside which no other is at most as large in every part."""

    def parts(value: str) -> Tuple[int, ...]:
        return tuple(sign * int(part) for part in value.split("-"))

    def is_beaten(value: str) -> bool:
        return any(
            other != value and all(a <= b for a, b in zip(parts(other), parts(value)))
            for other in values
        )

    return [value for value in values if not is_beaten(value)]


def num_outputs(plan: Plan, image_size: int) -> int:
    """Return the elements that all convolutions give for one image."""
    side, total = image_size, 0
    for conv in plan.stem:
        lost = conv.kernel - 1 if conv.padding == "valid" else 0
        side = -(-(side - lost) // conv.stride)
        total += conv.out_channels * side**2
    for block in plan.blocks:
        total += sum(sep.in_channels + sep.out_channels for sep in block.convs) * side**2
        side = -(-side // block.stride)
        if block.residual is not None:
            total += block.residual.out_channels * side**2
    return total + sum(sep.in_channels + sep.out_channels for sep in plan.tail) * side**2


def num_parameters(plan: Plan) -> int:
    """Return the weights of all convolutions, without biases and normalisation."""
    residuals = [block.residual for block in plan.blocks if block.residual is not None]
    dense = sum(c.in_channels * c.out_channels * c.kernel**2 for c in (*plan.stem, *residuals))
    blocks = sum(_weights(sep) for block in plan.blocks for sep in block.convs)
    return dense + blocks + sum(_weights(sep) for sep in plan.tail)


def _weights(sep: SepConv) -> int:
    return sep.in_channels * (sep.kernel**2 + sep.out_channels)
