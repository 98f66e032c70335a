"""One training step: a batch in, one step of the optimizer; loop and memory probe share it."""

from __future__ import annotations

from typing import Any, Tuple

import torch
from torch import Tensor, nn

from nas_edge.config.study import RecipeConfig
from nas_edge.training.recipe import autocast, loss_of, num_correct


def train_step(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    recipe: RecipeConfig,
    optimizer: Any,
    scaler: torch.cuda.amp.GradScaler,
    device: torch.device,
) -> Tuple[Tensor, Tensor]:
    """Take one step; return the batch's mean loss and how many predictions were right."""
    optimizer.zero_grad(set_to_none=True)
    with autocast(recipe, device):
        logits = model(images)
        loss = loss_of(logits, labels, recipe.label_smoothing)
    scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
    scaler.step(optimizer)
    scaler.update()
    return loss.detach(), num_correct(logits.detach(), labels)
