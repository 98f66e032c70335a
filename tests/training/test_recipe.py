import math

import pytest
import torch
from torch.nn import functional as F

from nas_edge.config.study import RecipeConfig
from nas_edge.errors import ConfigError
from nas_edge.training.recipe import (
    build_optimizer,
    check_precision,
    learning_rate_at,
    loss_of,
    num_correct,
)

CPU = torch.device("cpu")


def test_cosine_with_warm_up_against_values_by_hand():
    # 4 epochs of 10 steps, 5 of them warm-up: 35 steps of half a cosine.
    recipe = RecipeConfig(epochs=4, learning_rate=0.6, warmup_epochs=0.5, schedule="cosine")
    rates = [learning_rate_at(recipe, step, 10) for step in range(40)]
    assert rates[:5] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert rates[5] == pytest.approx(0.6)
    assert rates[5 + 7] == pytest.approx(0.3 * (1 + math.cos(math.pi / 5)))
    assert rates[39] == pytest.approx(0.3 * (1 + math.cos(math.pi * 34 / 35)))
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert min(rates) > 0


def test_cosine_is_torchs_own():
    recipe = RecipeConfig(epochs=3, learning_rate=0.01, warmup_epochs=0, schedule="cosine")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=21)
    for step in range(21):
        expected = optimizer.param_groups[0]["lr"]
        assert learning_rate_at(recipe, step, 7) == pytest.approx(expected, rel=1e-6, abs=1e-12)
        optimizer.step()
        reference.step()


def test_constant_after_the_warm_up():
    recipe = RecipeConfig(epochs=2, learning_rate=0.5, warmup_epochs=1, schedule="constant")
    rates = [learning_rate_at(recipe, step, 4) for step in range(8)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5, 0.5])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_one_logit_is_two_classes_of_which_one_has_logit_zero(smoothing):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(50, 1, generator=generator)
    labels = torch.randint(2, (50,), generator=generator)
    as_two = torch.cat([torch.zeros_like(logits), logits], dim=1)
    expected = F.cross_entropy(as_two, labels, label_smoothing=smoothing)
    assert float(loss_of(logits, labels, smoothing)) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_many_classes_against_the_definition(smoothing):
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(20, 7, generator=generator)
    labels = torch.randint(7, (20,), generator=generator)
    targets = F.one_hot(labels, 7) * (1 - smoothing) + smoothing / 7
    expected = -(targets * torch.log(logits.exp() / logits.exp().sum(1, keepdim=True))).sum(1)
    assert float(loss_of(logits, labels, smoothing)) == pytest.approx(
        float(expected.mean()), rel=1e-5
    )


def test_half_precision_logits_give_a_full_precision_loss():
    assert loss_of(torch.zeros(2, 3, dtype=torch.bfloat16), torch.tensor([0, 1]), 0.0).dtype == (
        torch.float32
    )


def test_num_correct_by_hand():
    one = torch.tensor([[2.0], [-1.0], [0.5], [-3.0]])
    assert int(num_correct(one, torch.tensor([1, 0, 0, 1]))) == 2
    many = torch.tensor([[0.0, 1.0, 2.0], [3.0, 1.0, 0.0], [0.0, 5.0, 1.0]])
    assert int(num_correct(many, torch.tensor([2, 0, 2]))) == 2


def test_fp16_on_a_cpu_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"recipe\.precision .*got fp16"):
        check_precision(RecipeConfig(precision="fp16"), "cpu")
    check_precision(RecipeConfig(precision="fp16"), "cuda")
    check_precision(RecipeConfig(precision="bf16"), "cpu")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)],
)
def test_each_optimizer_has_the_recipes_settings(name, kind):
    recipe = RecipeConfig(
        optimizer=name, learning_rate=0.25, weight_decay=0.125, momentum=0.5, adam_eps=1e-3
    )
    optimizer = build_optimizer(torch.nn.Linear(2, 2), recipe, CPU)
    group = optimizer.param_groups[0]
    assert type(optimizer) is kind
    assert (group["lr"], group["weight_decay"]) == (0.25, 0.125)
    assert group["momentum" if name == "sgd" else "eps"] == (0.5 if name == "sgd" else 1e-3)


def test_frozen_parameters_are_not_trained():
    layer = torch.nn.Linear(2, 2)
    layer.bias.requires_grad_(False)
    optimizer = build_optimizer(layer, RecipeConfig(), CPU)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 1


def test_double_softmax_is_a_cross_entropy_that_takes_probabilities_for_logits():
    logits, labels = torch.randn(20, 7), torch.randint(7, (20,))
    probabilities = logits.exp() / logits.exp().sum(1, keepdim=True)
    again = probabilities.exp() / probabilities.exp().sum(1, keepdim=True)
    expected = -again[torch.arange(20), labels].log().mean()
    assert float(loss_of(logits, labels, 0.0, "double_softmax")) == pytest.approx(
        float(expected), rel=1e-5
    )
    # Even a perfect answer costs log(e + 6) - 1 with seven classes.
    perfect = torch.full((1, 7), -99.0).index_fill(1, torch.tensor([2]), 99.0)
    least = float(loss_of(perfect, torch.tensor([2]), 0.0, "double_softmax"))
    assert least == pytest.approx(math.log(math.e + 6) - 1, rel=1e-5)


def test_double_softmax_of_one_logit_is_the_plain_loss():
    logits, labels = torch.randn(20, 1), torch.randint(2, (20,))
    assert loss_of(logits, labels, 0.0, "double_softmax") == loss_of(logits, labels, 0.0)
