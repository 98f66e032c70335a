"""The points of a space that need the least memory, found by arithmetic."""

from __future__ import annotations

from itertools import product
from typing import Any, Dict, Iterator, List

from nas_edge.space.architecture import Architecture
from nas_edge.space.plan import Plan
from nas_edge.space.search_space import SearchSpace


def smallest_points(space: SearchSpace, image_size: int, count: int = 3) -> List[Architecture]:
    """Return the points whose layers have the fewest outputs, at the least value of every width.

    Widths only add to every layer, so the least is best; of the other choices all combinations are
    compared, because a squeeze layer adds activations and takes parameters away.
    """
    points = sorted(_narrowest(space), key=lambda point: _num_outputs(point.plan, image_size))
    return points[:count]


def _narrowest(space: SearchSpace) -> Iterator[Architecture]:
    widths: Dict[str, Any] = {}
    others: Dict[str, Any] = {}
    for name, values in space.choices.items():
        is_width = name.partition(".")[2].startswith("width") or name == "middle.blocks"
        if is_width:
            widths[name] = min(values)
        else:
            others[name] = values
    for combination in product(*others.values()):
        yield space.architecture({**widths, **dict(zip(others, combination))})


def _num_outputs(plan: Plan, image_size: int) -> int:
    """Return the elements of all layers' outputs for one image, parameters weighing in for ties."""
    side, total = image_size, 0
    for conv in plan.stem:
        side = -(-side // conv.stride)
        total += conv.out_channels * side**2
    for block in plan.blocks:
        total += sum(sep.out_channels for sep in block.convs) * side**2
        side = -(-side // block.stride)
        total += block.convs[-1].out_channels * side**2
    return total + sum(sep.out_channels for sep in plan.tail) * side**2
