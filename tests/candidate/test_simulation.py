"""The exact tier against arithmetic, the quick tier, and what torch really holds."""

import random

import pytest
import torch

from nas_edge.candidate.estimate import estimate_cost
from nas_edge.candidate.simulation import estimate_exactly
from nas_edge.config.study import RecipeConfig
from nas_edge.models.xception import build_model
from nas_edge.space.references import reference_architecture
from nas_edge.space.search_space import SearchSpace
from nas_edge.training.savers import SAVERS, Saver

LITE = reference_architecture("xception-lite", 0.25)
SMALL = SearchSpace.load("xception_cnd_small")
RNG = random.Random(5)
NETWORKS = {**SMALL.references, **{f"random {i}": SMALL.sample(RNG) for i in range(3)}}
RECIPE = RecipeConfig(image_size=48, batch_size=16)


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_two_tiers_agree_about_the_plain_step(name, precision):
    recipe = RecipeConfig(image_size=48, batch_size=16, precision=precision)
    quick = estimate_cost(NETWORKS[name], recipe, 7)
    exact = estimate_exactly(NETWORKS[name], recipe, 7)
    margin = 0.03 if precision == "fp32" else 0.15  # autocast's copies of the weights
    assert exact.peak_bytes == pytest.approx(quick.peak_bytes, rel=margin)
    assert (exact.num_params, exact.macs) == (quick.num_params, quick.macs)


def test_parameters_and_state_are_what_a_real_model_and_optimizer_hold():
    model = build_model(LITE, 7)
    tensors = [*model.parameters(), *model.buffers()]
    held = sum(t.untyped_storage().nbytes() for t in tensors)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    for param in model.parameters():
        param.grad = torch.zeros_like(param)
    optimizer.step()
    state = sum(
        value.untyped_storage().nbytes()
        for one in optimizer.state.values()
        for value in one.values()
        if isinstance(value, torch.Tensor)
    )
    recipe = RecipeConfig(image_size=48, batch_size=16, optimizer="sgd")
    parts = estimate_exactly(LITE, recipe, 7).parts
    assert parts["parameters"] == held
    assert parts["optimizer"] == state


@pytest.mark.slow
def test_every_saver_needs_less_than_the_plain_step_and_the_first_keeps_its_activations():
    costs = {saver: estimate_exactly(LITE, RECIPE, 7, saver=saver) for saver in SAVERS}
    plain = costs.pop(Saver())
    assert all(cost.peak_bytes < plain.peak_bytes for cost in costs.values())
    unit, block = (
        sum(size for part, size in costs[Saver(scheme)].parts.items() if "activations" in part)
        for scheme in ("unit", "block")
    )
    kept = sum(size for part, size in plain.parts.items() if "activations" in part)
    assert unit < 0.6 * kept
    assert block < 0.8 * kept
    in_backward = costs[Saver("block", True)].parts["gradients"]
    assert in_backward < costs[Saver("block")].parts["gradients"]


def test_nothing_is_left_over_and_a_second_run_says_the_same():
    first, second = (estimate_exactly(LITE, RECIPE, 1).parts for _ in range(2))
    assert first == second


def test_the_peak_comes_with_the_optimizers_state_from_the_steps_before():
    adam, sgd = (
        estimate_exactly(LITE, RecipeConfig(image_size=48, batch_size=16, optimizer=name), 1)
        for name in ("adam", "sgd")
    )
    more = adam.parts["optimizer"] - sgd.parts["optimizer"]
    assert more == pytest.approx(4 * adam.num_trainable, rel=0.01)
    assert adam.peak_bytes - sgd.peak_bytes == pytest.approx(more, rel=0.01)
