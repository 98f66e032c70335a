"""One training step: a batch in, one step of the optimizer; loop and memory probe share it.

A batch may be worked through in micro-batches, whose gradients add up to the whole batch's: only
one micro-batch's activations are in memory at a time. Batch normalisation sees the micro-batch.
"""

from __future__ import annotations

from typing import Tuple

import torch
from torch import Tensor, nn

from nas_edge.config.study import RecipeConfig
from nas_edge.training.in_backward import AnyOptimizer
from nas_edge.training.recipe import autocast, loss_of, num_correct


def train_step(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    recipe: RecipeConfig,
    optimizer: AnyOptimizer,
    scaler: torch.cuda.amp.GradScaler,
    device: torch.device,
) -> Tuple[Tensor, Tensor]:
    """Take one step of the optimizer on a batch.

    Args:
        model: In training mode.
        images: Shape (b, 3, h, w), on the device.
        labels: Shape (b,), int64.
        recipe: Says the precision, the loss and the micro-batch.
        optimizer: Its gradients are cleared first.
        scaler: Of `build_scaler`.
        device: Where all of them are.
    Returns:
        The batch's mean loss and how many predictions were right, as tensors on the device (no
        synchronisation).
    """
    optimizer.zero_grad(set_to_none=True)
    loss = torch.zeros((), device=device)
    correct = torch.zeros((), dtype=torch.int64, device=device)
    num_parts = recipe.num_micro_batches(len(labels))
    for part, truth in zip(images.tensor_split(num_parts), labels.tensor_split(num_parts)):
        share = len(truth) / len(labels)
        part_loss, part_correct = _add_gradients(model, part, truth, share, recipe, scaler, device)
        loss += part_loss
        correct += part_correct
    scaler.step(optimizer)  # type: ignore[arg-type]  # its step alone is called
    scaler.update()
    return loss, correct


def _add_gradients(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    share: float,
    recipe: RecipeConfig,
    scaler: torch.cuda.amp.GradScaler,
    device: torch.device,
) -> Tuple[Tensor, Tensor]:
    """Run forward and backward over a share of a batch; return its part of the loss, and the hits.

    What the forward pass made is gone with this function's end, before the next share's begins.
    """
    with autocast(recipe, device):
        logits = model(images)
        loss = loss_of(logits, labels, recipe.label_smoothing, recipe.loss) * share
    scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
    return loss.detach(), num_correct(logits.detach(), labels)
