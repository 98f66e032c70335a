"""What every task of a candidate begins with: its recipe and device, a warm process, its network.

The server that children start from imports this module once, torch included.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping, Tuple

import torch
import torch._dynamo
from torch import nn

from nas_edge.config.study import RecipeConfig
from nas_edge.models.network import (
    build_network,
    freeze_body,
    head_of,
    prepare_network,
    take_body,
)
from nas_edge.models.xception import XceptionNet
from nas_edge.space.baselines import network_from_dict
from nas_edge.training.recipe import import_bitsandbytes
from nas_edge.training.savers import Saver
from nas_edge.training.weights import load_weights


def prepare(job: Mapping[str, Any]) -> Tuple[RecipeConfig, torch.device]:
    """Return the job's recipe and device; set the threads, import what the network needs."""
    torch.set_num_threads(job["num_threads"])
    if "architecture" in job:
        prepare_network(network_from_dict(job["architecture"]))
    recipe = RecipeConfig.model_validate(job["recipe"])
    if recipe.optimizer == "adam8bit":
        import_bitsandbytes()  # its code belongs to the baseline, not to the candidate
    return recipe, torch.device(job["device"])


def build(job: Mapping[str, Any], recipe: RecipeConfig, device: torch.device) -> nn.Module:
    """Return the network; the job's seed decides its weights, as far as none are taken over."""
    torch.manual_seed(job["seed"])
    network = network_from_dict(job["architecture"])
    model = build_network(
        network,
        job["num_outputs"],
        dropout=recipe.dropout,
        bn_momentum=recipe.bn_momentum,
        init=recipe.init,
    )
    if job.get("start_from"):
        source = Path(job["start_from"])
        take_body(model, load_weights(source).state, head_of(network), str(source))
    if recipe.trainable == "head":
        freeze_body(model, head_of(network))
    if recipe.memory_format == "channels_last":
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if isinstance(model, XceptionNet):
        model.set_checkpointing(Saver.of(job["saver"]).checkpointing)
    return model.to(device)


def warm_up(device: torch.device) -> None:
    """Start thread pools, autograd and the convolution library, so that a baseline has them."""
    layer = torch.nn.Conv2d(3, 8, 3).to(device)
    optimizer = torch.optim.AdamW(layer.parameters())
    for _ in range(2):
        loss = layer(torch.randn(4, 3, 16, 16, device=device)).square().mean()
        loss.backward()
        optimizer.step()
