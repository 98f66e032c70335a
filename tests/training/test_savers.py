"""Savers against the plain training step: the same bits, in less memory."""

from dataclasses import replace
from typing import get_args

import pytest
import torch

from nas_edge.cli.main import SAVER_NAMES
from nas_edge.config.study import RecipeConfig, StudyConfig
from nas_edge.models.xception import build_model
from nas_edge.space.references import reference_architecture
from nas_edge.training.in_backward import InBackwardOptimizer, build_saving_optimizer
from nas_edge.training.recipe import build_scaler
from nas_edge.training.savers import SAVERS, Saver, usable_savers
from nas_edge.training.step import train_step

CPU = torch.device("cpu")
LITE = reference_architecture("xception-lite", 1 / 8)
XCEPTION = reference_architecture("xception", 1 / 8)
LATE = replace(LITE, strides=(2, 2, 2, 1, 2))  # a block without pooling, with a residual
XCEPTION, LITE, LATE = (
    replace(network, middle=replace(network.middle, blocks=2)) for network in (XCEPTION, LITE, LATE)
)
NETWORKS = {"xception": XCEPTION, "xception-lite": LITE, "late stride": LATE}


def trained(network, saver, steps=3, **settings):
    """Return the losses and every tensor of the model after some steps from one start."""
    recipe = RecipeConfig(image_size=40, batch_size=6, learning_rate=0.01, **settings)
    torch.manual_seed(0)
    model = build_model(network, 3, dropout=0.3)
    if recipe.memory_format == "channels_last":
        model = model.to(memory_format=torch.channels_last)
    model.set_checkpointing(saver.checkpointing)
    model.train()
    optimizer = build_saving_optimizer(model, recipe, CPU, saver)
    scaler = build_scaler(recipe)
    losses, gradients = [], []
    for step in range(steps):
        torch.manual_seed(step)
        images = torch.rand(6, 40, 40, 3).permute(0, 3, 1, 2)
        if recipe.memory_format != "channels_last":
            images = images.contiguous()
        labels = torch.randint(3, (6,))
        losses.append(train_step(model, images, labels, recipe, optimizer, scaler, CPU)[0])
        gradients.append([p.grad for p in model.parameters()])
    return losses, gradients, model.state_dict()


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(first, second))


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=pytest.mark.slow)])
@pytest.mark.parametrize("scheme", ["unit", "block"])
@pytest.mark.parametrize("name", NETWORKS)
def test_checkpointing_changes_no_bit_of_losses_gradients_weights_and_statistics(
    name, scheme, precision
):
    plain = trained(NETWORKS[name], Saver(), precision=precision)
    saved = trained(NETWORKS[name], Saver(scheme), precision=precision)
    assert same(plain[0], saved[0])
    assert all(same(a, b) for a, b in zip(plain[1], saved[1]))
    assert list(plain[2]) == list(saved[2])
    assert same(plain[2].values(), saved[2].values())
    counts = [v for k, v in saved[2].items() if k.endswith("num_batches_tracked")]
    assert all(int(count) == 3 for count in counts)


@pytest.mark.parametrize(
    "memory_format", ["channels_last", pytest.param("contiguous", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("scheme", ["none", "unit", "block"])
def test_the_optimizer_in_the_backward_pass_comes_to_the_same_weights(
    scheme, optimizer, memory_format
):
    settings = {"optimizer": optimizer, "memory_format": memory_format}
    plain = trained(LITE, Saver(), **settings)
    saved = trained(LITE, Saver(scheme, True), **settings)
    assert same(plain[0], saved[0])
    assert same(plain[2].values(), saved[2].values())
    assert all(grad is None for grad in saved[1][-1])  # none was left standing


def test_a_cut_off_backward_pass_leaves_no_gradient_behind():
    model = build_model(LITE, 1)
    recipe = RecipeConfig(image_size=40, batch_size=4, optimizer="sgd")
    optimizer = build_saving_optimizer(model, recipe, CPU, Saver("none", True))
    images = torch.rand(4, 3, 40, 40)
    model.tail(model.blocks(model.stem(images))).sum().backward()  # the head has no gradient
    assert any(p.grad is not None for p in model.tail.parameters())
    optimizer.zero_grad()
    assert all(p.grad is None for p in model.parameters())
    weight = model.head.weight.detach().clone()
    model(images).sum().backward()
    assert not torch.equal(weight, model.head.weight)


def test_the_state_of_an_optimizer_in_the_backward_pass_is_kept_and_taken_up():
    def one():
        torch.manual_seed(0)
        model = build_model(LITE, 1, dropout=0.0)
        recipe = RecipeConfig(image_size=40, batch_size=4)
        return model, build_saving_optimizer(model, recipe, CPU, Saver("unit", True))

    def step(model):
        torch.manual_seed(1)
        model(torch.rand(4, 3, 40, 40)).square().sum().backward()

    straight, _ = one()
    for _ in range(2):
        step(straight)
    first, first_optimizer = one()
    step(first)
    second, second_optimizer = one()
    second.load_state_dict(first.state_dict())
    second_optimizer.load_state_dict(first_optimizer.state_dict())
    step(second)
    assert same(straight.state_dict().values(), second.state_dict().values())


def test_a_learning_rate_reaches_every_group():
    model = build_model(LITE, 1)
    optimizer = build_saving_optimizer(model, RecipeConfig(), CPU, Saver("none", True))
    assert isinstance(optimizer, InBackwardOptimizer)
    params = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(params) == sorted(id(p) for p in model.parameters())
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    before = [p.detach().clone() for p in model.parameters()]
    model(torch.rand(2, 3, 40, 40)).sum().backward()
    assert same(before, model.parameters())


def test_evaluation_recomputes_nothing_and_is_the_plain_networks():
    torch.manual_seed(0)
    model = build_model(LITE, 1).eval()
    images = torch.rand(2, 3, 40, 40)
    plain = model(images)
    for scheme in ("unit", "block"):
        model.set_checkpointing(scheme)
        assert torch.equal(model(images), plain)
    with pytest.raises(ValueError, match="scheme must be one of none, unit, block, but got 'all'"):
        model.set_checkpointing("all")


def test_names_and_savers_are_one_to_one():
    names = [saver.name for saver in SAVERS]
    assert names == ["none", "optimizer", "unit", "unit+optimizer", "block", "block+optimizer"]
    assert [Saver.of(name) for name in names] == list(SAVERS)
    assert names == list(SAVER_NAMES)  # the command line's
    field = StudyConfig.model_fields["memory_saver"]
    assert get_args(field.annotation) == ("auto", *names)  # the study file's
    with pytest.raises(ValueError, match=r"memory_saver must be auto or one of none, .* got 'all'"):
        Saver.of("all")


def test_loss_scaling_needs_every_gradient_before_the_step():
    usable = usable_savers(RecipeConfig(precision="fp16"))
    assert usable == [Saver(), Saver("unit"), Saver("block")]
    assert usable_savers(RecipeConfig()) == list(SAVERS)
