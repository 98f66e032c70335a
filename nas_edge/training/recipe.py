"""The study's recipe as torch objects: optimizer, learning rate, loss, precision."""

from __future__ import annotations

import contextlib
import math
import warnings
from typing import Any, ContextManager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas_edge.config.study import RecipeConfig
from nas_edge.errors import ConfigError


def build_optimizer(
    model: nn.Module, recipe: RecipeConfig, device: torch.device
) -> torch.optim.Optimizer:
    """Return the optimizer; its fused form where this torch has it for the device."""
    params = [p for p in model.parameters() if p.requires_grad]
    if recipe.optimizer == "adam8bit":
        # Its Adam and AdamW are one rule with decoupled decay; this name says so.
        return import_bitsandbytes().optim.AdamW8bit(  # type: ignore[no-any-return]
            params, recipe.learning_rate, eps=recipe.adam_eps, weight_decay=recipe.weight_decay
        )
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            params, recipe.learning_rate, recipe.momentum, weight_decay=recipe.weight_decay
        )
    kind: Any = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return kind(  # type: ignore[no-any-return]
        params,
        recipe.learning_rate,
        eps=recipe.adam_eps,
        weight_decay=recipe.weight_decay,
        fused=True if has_fused_adam(device) else None,
    )


def import_bitsandbytes() -> Any:
    """Return the library of "adam8bit".

    Raises:
        ConfigError: If it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of what the library does at its import
            import bitsandbytes
    except ImportError as err:
        raise ConfigError(
            f"recipe.optimizer adam8bit needs bitsandbytes ({err}); "
            "pip install bitsandbytes, or choose adam, adamw or sgd"
        ) from err
    return bitsandbytes


def has_fused_adam(device: torch.device) -> bool:
    """Return whether Adam has a fused form here: on CUDA from torch 2.0, on the CPU from 2.4.

    Unfused, Adam over the template's 300 small tensors costs a tenth of a training step on a CPU.
    """
    major, minor = (int(part) for part in torch.__version__.split(".")[:2])
    return device.type == "cuda" or (major, minor) >= (2, 4)


def learning_rate_at(recipe: RecipeConfig, step: int, steps_per_epoch: int) -> float:
    """Return the learning rate of a step: linear warm-up, then constant or half a cosine to zero.

    Args:
        recipe: The study's recipe.
        step: From 0, over all epochs.
        steps_per_epoch: Training batches an epoch.
    Source:
        Loshchilov & Hutter 2017 (SGDR), eq. 5, with one period.
    """
    warmup = recipe.warmup_epochs * steps_per_epoch
    if step < warmup:
        return recipe.learning_rate * (step + 1) / (warmup + 1)
    if recipe.schedule == "constant":
        return recipe.learning_rate
    total = max(recipe.epochs * steps_per_epoch - warmup, 1)
    return recipe.learning_rate * 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / total))


def set_learning_rate(optimizer: Any, learning_rate: float) -> None:
    """Give every parameter group a learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate


def loss_of(
    logits: Tensor, labels: Tensor, label_smoothing: float, kind: str = "cross_entropy"
) -> Tensor:
    """Return the mean cross-entropy; binary where there is one logit.

    Args:
        logits: Shape (b, k), k = 1 for two classes.
        labels: Shape (b,), int64.
        label_smoothing: Share of the target spread over all classes.
        kind: "double_softmax" takes the softmax of the logits for logits, where there are several,
            as the authors' code does.
    """
    logits = logits.float()
    if logits.shape[1] == 1:
        targets = labels.to(logits.dtype) * (1.0 - label_smoothing) + 0.5 * label_smoothing
        return F.binary_cross_entropy_with_logits(logits[:, 0], targets)
    if kind == "double_softmax":
        logits = logits.softmax(dim=1)
    return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)


def num_correct(logits: Tensor, labels: Tensor) -> Tensor:
    """Return how many predictions are right, as a tensor on the device (no synchronisation)."""
    predicted = (logits[:, 0] > 0).long() if logits.shape[1] == 1 else logits.argmax(dim=1)
    return (predicted == labels).sum()


def check_precision(recipe: RecipeConfig, device_kind: str, key: str = "recipe.precision") -> None:
    """Refuse a precision that the device does not train in; ``key`` is where it was asked for.

    Raises:
        ConfigError: For fp16 without CUDA.
    """
    if recipe.precision == "fp16" and device_kind != "cuda":
        raise ConfigError(f"{key} must be fp32 or bf16 on a CPU, but got fp16")


def autocast(recipe: RecipeConfig, device: torch.device) -> ContextManager[Any]:
    """Return the context in which the forward pass runs."""
    if recipe.precision == "fp32":
        return contextlib.nullcontext()
    dtype = torch.bfloat16 if recipe.precision == "bf16" else torch.float16
    return torch.autocast(device.type, dtype=dtype)


def build_scaler(recipe: RecipeConfig) -> torch.cuda.amp.GradScaler:
    """Return the loss scaler that fp16 needs; for other precisions it does nothing."""
    enabled = recipe.precision == "fp16"
    if hasattr(torch.amp, "GradScaler"):
        return torch.amp.GradScaler("cuda", enabled=enabled)  # type: ignore[return-value]
    return torch.cuda.amp.GradScaler(enabled=enabled)
