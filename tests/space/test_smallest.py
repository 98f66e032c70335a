"""The least points of a space, against every point of it and against layers that really run."""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import pytest
import torch
from torch import nn

from nas_edge.models.xception import XceptionNet
from nas_edge.space.references import REFERENCE_NAMES, reference_architecture
from nas_edge.space.search_space import SearchSpace
from nas_edge.space.smallest import num_outputs, num_parameters, smallest_points

FIXED = {
    **{name: [value] for name, value in reference_architecture("xception").parameters().items()},
    **{f"stem.width{i}": [4] for i in (1, 2)},
    **{f"entry.width{i}": [16] for i in (1, 2, 3)},
    **{f"exit.width{i}": [16] for i in (1, 2, 3, 4)},
    "middle.blocks": [1],
}


@lru_cache(maxsize=None)
def network(architecture):
    with torch.device("meta"):
        return XceptionNet(architecture.plan, 1, 0.0, 0.1).eval()


@lru_cache(maxsize=None)
def counted(architecture, image_size):
    """Return outputs and weights of the network's convolutions, from its own modules."""
    model = network(architecture)
    outputs = []
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    hooks = [
        module.register_forward_hook(lambda m, i, out: outputs.append(out.numel()))
        for module in convolutions
    ]
    with torch.no_grad():
        model(torch.empty(1, 3, image_size, image_size, device="meta"))
    for hook in hooks:
        hook.remove()
    return sum(outputs), sum(module.weight.numel() for module in convolutions)


def measured_size(architecture, image_size, batch_size):
    outputs, weights = counted(architecture, image_size)
    return batch_size * outputs + 4 * weights


@pytest.mark.parametrize("image_size", [32, 47])
@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_counts_are_those_of_the_networks_own_convolutions(name, image_size):
    point = reference_architecture(name, 0.1)

    counts = num_outputs(point.plan, image_size), num_parameters(point.plan)

    assert counts == counted(point, image_size)


@pytest.mark.parametrize(
    "searched",
    [
        {
            "stem.width1": [8, 4],
            "entry.squeeze": [1.0, 0.25],
            "strides": ["2-2-2-2-2", "1-2-2-2-2", "2-2-2-1-2"],
            "style": ["xception", "lite"],
        },
        {
            "middle.blocks": [2, 1, 3],
            "middle.squeeze": [1.0, 0.125, 0.5],
            "middle.kernels": ["3-3-3", "1-3-3"],
        },
        {
            "entry.kernels": ["3-3", "1-3", "3-1"],
            "exit.residual_kernel": [3, 1],
            "exit.squeeze": [0.5, 1.0],
            "strides": ["1-2-2-2-2", "2-2-2-1-2"],
        },
    ],
)
@pytest.mark.parametrize(("image_size", "batch_size"), [(16, 2), (40, 32)])
def test_the_least_point_is_the_least_of_all(searched, image_size, batch_size):
    space = SearchSpace("tiny", {**FIXED, **searched})
    every = [
        space.architecture(dict(zip(space.searched, values)))
        for values in product(*space.searched.values())
    ]

    first = smallest_points(space, image_size, 1, batch_size)[0]

    least = min(measured_size(point, image_size, batch_size) for point in every)
    assert space.contains(first)
    assert measured_size(first, image_size, batch_size) == least


def test_points_come_in_the_order_of_their_size_and_no_more_than_asked_for():
    space = SearchSpace.load("xception_cnd_small")

    points = smallest_points(space, 48, 5)

    sizes = [measured_size(point, 48, 32) for point in points]
    assert len(points) == len(set(points)) == 5
    assert sizes == sorted(sizes)


def test_a_space_of_one_point_has_that_one():
    space = SearchSpace("one", FIXED)

    assert smallest_points(space, 32) == [space.architecture({})]


def test_a_squeeze_is_worth_its_outputs_where_parameters_weigh_more():
    """At a tiny batch the parameters decide, at a large one the outputs of the squeeze layers."""
    wide = {f"entry.width{i}": [512] for i in (1, 2, 3)}
    space = SearchSpace("s", {**FIXED, **wide, "entry.squeeze": [1.0, 0.25]})

    assert smallest_points(space, 16, 1, batch_size=2)[0].entry.squeeze == 0.25
    assert smallest_points(space, 64, 1, batch_size=256)[0].entry.squeeze == 1.0
