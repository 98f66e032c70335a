"""Train one model: batches in, a history and the evaluated weights out.

Meters and progress come from outside. A checkpoint, where asked for, holds all that the next epoch
needs, so that a training that was cut off goes on with the same order of images.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

import torch
from torch import nn

from nas_edge.config.study import RecipeConfig
from nas_edge.data.batches import Batches
from nas_edge.errors import NasEdgeError
from nas_edge.training.checkpoint import load_checkpoint, save_checkpoint
from nas_edge.training.frozen import set_training
from nas_edge.training.in_backward import AnyOptimizer, build_saving_optimizer
from nas_edge.training.recipe import (
    autocast,
    build_scaler,
    learning_rate_at,
    loss_of,
    num_correct,
    set_learning_rate,
)
from nas_edge.training.savers import PLAIN, Saver
from nas_edge.training.step import train_step

CHECK_EVERY_STEPS = 25


class Diverged(NasEdgeError, ArithmeticError):
    """The loss is no longer a finite number."""


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch gave. Accuracies are shares; memory is over the baseline, in bytes.

    ``readings`` are further columns by name, with their unit in it, e.g. ``energy_j``.
    """

    epoch: int
    loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float
    peak_memory_bytes: int
    mean_memory_bytes: int
    readings: Mapping[str, float] = field(default_factory=dict)

    def to_row(self) -> Dict[str, Any]:
        """Return one flat row of a history; ``readings`` are columns of their own."""
        row = asdict(self)
        readings = row.pop("readings")
        return {**row, **readings}


@dataclass(frozen=True)
class TrainingResult:
    """The history, and which epoch's weights the model now holds."""

    history: Tuple[EpochRecord, ...]
    weights_epoch: int
    resumed_from_epoch: int


@dataclass(frozen=True)
class Hooks:
    """What the loop tells the outside.

    ``on_step`` gets (epoch, step, steps), ``on_epoch`` the record; ``lap`` returns peak and mean
    memory in bytes since it was last called, and further readings; ``alive`` is called at every
    batch of an evaluation; ``keep`` copies the best epoch's weights and may overwrite its last
    copy; ``on_resume`` gets the records that a checkpoint held.
    """

    on_step: Callable[[int, int, int], None]
    on_epoch: Callable[[EpochRecord], None]
    lap: Callable[[], Tuple[int, int, Mapping[str, float]]]
    alive: Callable[[], None] = lambda: None
    keep: Callable[[Dict[str, Any]], Dict[str, Any]] = copy.deepcopy
    on_resume: Callable[[List[EpochRecord]], None] = lambda _: None


@dataclass(frozen=True)
class CheckpointPlan:
    """Where the state is kept, the least time between two writes, and whose state it is.

    A file of another owner is not gone on with, e.g. what an older study left in the folder.
    """

    path: Path
    owner: str = ""
    every_s: float = 20.0


def train(
    model: nn.Module,
    train_set: Batches,
    val_set: Batches,
    recipe: RecipeConfig,
    seed: int,
    device: torch.device,
    hooks: Hooks,
    checkpoint: Optional[CheckpointPlan] = None,
    saver: Saver = PLAIN,
) -> TrainingResult:
    """Train by the recipe and leave the chosen epoch's weights in the model.

    ``saver`` says where the optimizer steps; what is recomputed is the model's own setting.

    Raises:
        Diverged: If the loss becomes infinite or NaN.
    """
    optimizer = build_saving_optimizer(model, recipe, device, saver)
    scaler = build_scaler(recipe)
    history: List[EpochRecord] = []
    best: Optional[Dict[str, Any]] = None
    state = load_checkpoint(checkpoint.path) if checkpoint else None
    if state is not None and checkpoint is not None and state.get("owner") == checkpoint.owner:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        scaler.load_state_dict(state["scaler"])
        history = [EpochRecord(**record) for record in state["history"]]
        best = state["best"] and hooks.keep(state["best"])
        hooks.on_resume(history)
    state = None  # what was read would stay beside the network otherwise
    resumed_from = len(history)
    written = time.monotonic()
    for epoch in range(len(history) + 1, recipe.epochs + 1):
        started = time.perf_counter()
        torch.manual_seed(epoch_seed(seed, epoch))  # dropout's draws, on every device
        loss, accuracy = _train_epoch(
            model, train_set, recipe, optimizer, scaler, seed, epoch, device, hooks
        )
        val_loss, val_accuracy = evaluate(model, val_set, recipe, device, hooks.alive)
        _check_finite("validation", val_loss, f"in epoch {epoch}")
        peak, mean, readings = hooks.lap()
        last_step = epoch * train_set.steps_per_epoch - 1
        record = EpochRecord(
            epoch=epoch,
            loss=loss,
            train_accuracy=accuracy,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            learning_rate=learning_rate_at(recipe, last_step, train_set.steps_per_epoch),
            seconds=time.perf_counter() - started,
            peak_memory_bytes=peak,
            mean_memory_bytes=mean,
            readings=readings,
        )
        if recipe.weights == "best" and all(val_accuracy > past.val_accuracy for past in history):
            best = hooks.keep(model.state_dict())
        history.append(record)
        hooks.on_epoch(record)
        if (
            checkpoint
            and epoch < recipe.epochs
            and time.monotonic() - written >= checkpoint.every_s
        ):
            now = _state(model, optimizer, scaler, history, best)
            save_checkpoint(checkpoint.path, {**now, "owner": checkpoint.owner})
            del now  # it holds the best weights, which the next best ones replace
            written = time.monotonic()
    if best is not None:
        model.load_state_dict(best)
    return TrainingResult(tuple(history), _weights_epoch(history, recipe), resumed_from)


def evaluate(
    model: nn.Module,
    images: Batches,
    recipe: RecipeConfig,
    device: torch.device,
    alive: Callable[[], None] = lambda: None,
) -> Tuple[float, float]:
    """Return mean loss and accuracy over a split, in evaluation mode."""
    was_training = model.training
    model.eval()
    loss = torch.zeros((), device=device)
    correct = torch.zeros((), device=device)
    with torch.inference_mode(), autocast(recipe, device):
        for batch, labels in images.in_order():
            logits = model(batch)
            loss += loss_of(logits, labels, 0.0, recipe.loss) * len(labels)
            correct += num_correct(logits, labels)
            alive()
    if was_training:
        set_training(model)
    return float(loss) / len(images), float(correct) / len(images)


def _train_epoch(
    model: nn.Module,
    images: Batches,
    recipe: RecipeConfig,
    optimizer: AnyOptimizer,
    scaler: torch.cuda.amp.GradScaler,
    seed: int,
    epoch: int,
    device: torch.device,
    hooks: Hooks,
) -> Tuple[float, float]:
    """Run one epoch; return mean loss and training accuracy, as seen while training."""
    set_training(model)
    steps = images.steps_per_epoch
    total = torch.zeros((), device=device)
    correct = torch.zeros((), device=device)
    seen = 0
    for step, (batch, labels) in enumerate(images.shuffled(seed, epoch)):
        set_learning_rate(optimizer, learning_rate_at(recipe, (epoch - 1) * steps + step, steps))
        loss, right = train_step(model, batch, labels, recipe, optimizer, scaler, device)
        total += loss * len(labels)
        correct += right
        seen += len(labels)
        if step % CHECK_EVERY_STEPS == CHECK_EVERY_STEPS - 1 or step == steps - 1:
            _check_finite("training", float(total), f"by epoch {epoch}, step {step + 1}")
        hooks.on_step(epoch, step + 1, steps)
    return float(total) / seen, float(correct) / seen


def epoch_seed(seed: int, epoch: int) -> int:
    """Return an epoch's own seed, so that a training goes on as if it had never stopped."""
    return (seed * 1_000_003 + epoch) % 2**63


def _check_finite(which: str, loss: float, when: str) -> None:
    if not math.isfinite(loss):
        raise Diverged(f"the {which} loss became {loss} {when}")


def _weights_epoch(history: List[EpochRecord], recipe: RecipeConfig) -> int:
    if recipe.weights == "best":
        return max(history, key=lambda record: (record.val_accuracy, -record.epoch)).epoch
    return history[-1].epoch


def _state(
    model: nn.Module,
    optimizer: AnyOptimizer,
    scaler: torch.cuda.amp.GradScaler,
    history: List[EpochRecord],
    best: Optional[Dict[str, Any]],
) -> Dict[str, Any]:
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scaler": scaler.state_dict(),
        "history": [asdict(record) for record in history],
        "best": best,
    }
