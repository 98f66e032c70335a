"""Frozen bodies: statistics and weights stay, dropout and the head train."""

import pytest
import torch
from torch import nn

from nas_edge.config.study import RecipeConfig
from nas_edge.models.network import build_network, freeze_body
from nas_edge.space.baselines import network_of_name
from nas_edge.training.frozen import set_training
from nas_edge.training.savers import PLAIN, usable_savers

NETWORK = network_of_name("xception-lite x0.125")


def train_a_step(model):
    set_training(model)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.5)
    model(torch.randn(4, 3, 32, 32)).square().mean().backward()
    optimizer.step()


def test_only_the_head_changes_when_the_body_is_frozen():
    model = build_network(NETWORK, 3)
    freeze_body(model, "head")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    train_a_step(model)
    changed = {n for n, value in model.state_dict().items() if not torch.equal(value, before[n])}
    assert changed == {"head.weight", "head.bias"}
    assert model.dropout.training


def test_everything_trains_where_nothing_is_frozen():
    model = build_network(NETWORK, 3)
    train_a_step(model)
    assert all(m.training for m in model.modules() if isinstance(m, nn.BatchNorm2d))
    assert float(model.stem[0].norm.running_mean.abs().sum()) > 0


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_frozen_body_needs_no_memory_saver(precision):
    assert usable_savers(RecipeConfig(trainable="head", precision=precision)) == [PLAIN]
