"""The estimate against what autograd really keeps, and its parts against arithmetic."""

import random
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch

from nas_edge.candidate.activations import (
    Moment,
    backward_moments,
    large_convolutions,
    while_accumulating,
)
from nas_edge.candidate.estimate import estimate_cost
from nas_edge.config.study import RecipeConfig
from nas_edge.errors import SpaceError
from nas_edge.models.xception import build_model
from nas_edge.space.architecture import Architecture
from nas_edge.space.references import reference_architecture
from nas_edge.space.search_space import SearchSpace

SMALL = SearchSpace.load("xception_cnd_small")
RNG = random.Random(3)
NETWORKS = {**SMALL.references, **{f"random {i}": SMALL.sample(RNG) for i in range(2)}}


def kept_by_autograd(model, images):
    """Return the bytes of every storage that autograd keeps and that is no parameter's."""
    own = {t.untyped_storage().data_ptr() for t in [*model.parameters(), *model.buffers()]}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage  # held, so that no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(images)
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize("size", [33, 48])
@pytest.mark.parametrize("name", NETWORKS)
def test_what_the_forward_pass_keeps_is_what_autograd_keeps(name, size):
    network = NETWORKS[name]
    model = build_model(network, 1, dropout=0.0).to(memory_format=torch.channels_last)
    images = torch.rand(4, 3, size, size).contiguous(memory_format=torch.channels_last)
    moments = backward_moments(network.plan, size, 4)
    # The head's part is left out: a vector an image.
    head = 4 * 4 * (network.plan.out_channels + 1)
    kept = kept_by_autograd(model, images)
    assert kept - 2 * head <= moments[-1].saved <= kept


def test_gradients_grow_from_the_last_operation_to_the_first():
    network = reference_architecture("xception-lite", 0.25)
    moments = backward_moments(network.plan, 48, 8)
    gradients = [moment.param_gradients for moment in moments]
    saved = [moment.saved for moment in moments]
    trainable = estimate_cost(network, RecipeConfig(image_size=48), 1).num_trainable
    head = network.plan.out_channels + 1
    assert gradients == sorted(gradients, reverse=True)
    assert saved == sorted(saved)
    assert gradients[0] == 4 * (trainable - head)
    assert gradients[-1] == 0


def test_activations_grow_with_the_batch_and_weights_do_not():
    network = reference_architecture("xception", 0.25)
    one, two = (estimate_cost(network, RecipeConfig(batch_size=size), 1) for size in (64, 128))
    assert two.parts["parameters"] == one.parts["parameters"] == 4 * one.num_params
    # All but the batch normalisations' statistics.
    for flow in ("stem", "entry", "middle", "exit"):
        part = f"activations {flow}"
        assert two.parts[part] == pytest.approx(2 * one.parts[part], rel=0.05)
    assert two.parts["kernels"] == one.parts["kernels"]


@pytest.mark.parametrize(
    ("optimizer", "momentum", "states"),
    [("adam", 0.9, 2), ("adamw", 0.9, 2), ("sgd", 0.9, 1), ("sgd", 0.0, 0)],
)
def test_an_optimizer_has_its_states(optimizer, momentum, states):
    recipe = RecipeConfig(optimizer=optimizer, momentum=momentum)
    cost = estimate_cost(reference_architecture("xception", 0.25), recipe, 1)
    assert cost.parts["optimizer"] == 4 * states * cost.num_trainable


def test_the_peak_is_the_sum_of_its_parts_and_the_bound_is_below():
    cost = estimate_cost(reference_architecture("xception", 0.25), RecipeConfig(), 7)
    assert cost.peak_bytes == sum(cost.parts.values())
    assert 0 < cost.lower_bound_bytes < cost.peak_bytes


def test_bf16_needs_less():
    network = reference_architecture("xception", 0.25)
    full, half = (
        estimate_cost(network, RecipeConfig(precision=precision), 1).peak_bytes
        for precision in ("fp32", "bf16")
    )
    assert 0.5 * full < half < 0.85 * full


def test_a_micro_batch_needs_its_own_activations_and_every_gradient():
    network = reference_architecture("xception", 0.25)
    whole, part, small = (
        estimate_cost(network, RecipeConfig(image_size=48, **sizes), 1)
        for sizes in (
            {"batch_size": 32},
            {"batch_size": 32, "micro_batch": 8},
            {"batch_size": 8},
        )
    )
    waiting = 24 * 3 * 48 * 48 * 4  # the images of the other three parts
    assert part.parts["gradients"] >= 4 * part.num_trainable
    more = part.peak_bytes - small.peak_bytes
    assert waiting < more <= waiting + 4 * part.num_trainable
    assert part.peak_bytes < 0.6 * whole.peak_bytes


def test_gradients_wait_while_a_micro_batch_adds_to_them():
    # The second operation's 40 bytes are there first; the first one's are the other 60.
    moments = [Moment({"stem": 10}, 100, 3), Moment({"stem": 10, "exit": 15}, 40, 2)]
    assert while_accumulating(moments, 7) == [
        Moment({"stem": 17}, 160, 3),
        Moment({"stem": 17, "exit": 15}, 140, 2),
    ]


def test_a_micro_batch_of_the_whole_batch_costs_the_same():
    network = reference_architecture("xception", 0.25)
    recipes = [RecipeConfig(batch_size=16, micro_batch=size) for size in (None, 16)]
    whole, part = (estimate_cost(network, recipe, 1) for recipe in recipes)
    assert whole == part


def test_an_image_that_is_too_small_is_refused():
    valid = replace(reference_architecture("xception"), strides=(2, 2, 2, 2, 2))
    recipe = RecipeConfig.model_construct(**{**RecipeConfig().model_dump(), "image_size": 2})
    with pytest.raises(SpaceError, match="image_size"):
        estimate_cost(valid, recipe, 1)


def test_convolutions_of_one_shape_count_once():
    base = reference_architecture("xception", 0.25)
    counts = [large_convolutions(with_blocks(base, blocks).plan, 64) for blocks in (1, 2, 8)]
    assert counts[0] == counts[1] == counts[2]
    # The stem's two are dense: 3 to 8 and 8 to 16 channels.
    assert counts[0][1] == 9 * (3 * 8 + 8 * 16)


def with_blocks(network: Architecture, blocks: int) -> Architecture:
    return replace(network, middle=replace(network.middle, blocks=blocks))


def test_a_call_takes_milliseconds_and_no_torch():
    code = (
        "import sys, time\n"
        "from nas_edge.candidate.estimate import estimate_cost\n"
        "from nas_edge.config.study import RecipeConfig\n"
        "from nas_edge.space.references import reference_architecture\n"
        "network = reference_architecture('xception')\n"
        "estimate_cost(network, RecipeConfig(), 1)\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    times = []
    for _ in range(3):
        started = time.perf_counter()
        estimate_cost(reference_architecture("xception"), RecipeConfig(), 1)
        times.append(time.perf_counter() - started)
    assert min(times) < 0.15
