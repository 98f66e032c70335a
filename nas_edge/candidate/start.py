"""What every task of a candidate begins with: its recipe and device, a warm process, its network.

The server that children start from imports this module once, torch included.
"""

from __future__ import annotations

from typing import Any, Mapping, Tuple

import torch
import torch._dynamo

from nas_edge.config.study import RecipeConfig
from nas_edge.models.xception import XceptionNet, build_model
from nas_edge.space.architecture import Architecture
from nas_edge.training.recipe import import_bitsandbytes
from nas_edge.training.savers import Saver


def prepare(job: Mapping[str, Any]) -> Tuple[RecipeConfig, torch.device]:
    """Return the job's recipe and device; set the threads."""
    torch.set_num_threads(job["num_threads"])
    recipe = RecipeConfig.model_validate(job["recipe"])
    if recipe.optimizer == "adam8bit":
        import_bitsandbytes()  # its code belongs to the baseline, not to the candidate
    return recipe, torch.device(job["device"])


def build(job: Mapping[str, Any], recipe: RecipeConfig, device: torch.device) -> XceptionNet:
    """Return the untrained network; the job's seed alone decides its weights."""
    torch.manual_seed(job["seed"])
    model = build_model(
        Architecture.from_dict(job["architecture"]),
        job["num_outputs"],
        dropout=recipe.dropout,
        bn_momentum=recipe.bn_momentum,
        init=recipe.init,
    )
    if recipe.memory_format == "channels_last":
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
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
