"""What trains in a candidate's process: a job in, plain figures and the history out."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

import numpy as np
import torch
from torch import nn

from nas_edge.candidate.limit import enforce, keeper, use_allocator
from nas_edge.candidate.metering import Metering, metering
from nas_edge.candidate.start import build, prepare, warm_up
from nas_edge.config.study import RecipeConfig
from nas_edge.data.batches import Batches
from nas_edge.data.image_set import open_image_set
from nas_edge.device.latency import Latency, measure_latency
from nas_edge.errors import EnvironmentProblem
from nas_edge.training.loop import (
    CheckpointPlan,
    EpochRecord,
    Hooks,
    TrainingResult,
    evaluate,
    train,
)
from nas_edge.training.savers import Saver
from nas_edge.training.weights import save_weights

Send = Callable[[Dict[str, Any]], None]
ENERGY_S = 3.0  # several readings of a board's power, which come once a second
LATENCY_S = 1.0  # for one median, where the network is slow
SIGN_EVERY_S = 0.5  # a sign of life, seldom enough to cost nothing


def train_candidate(job: Mapping[str, Any], send: Send) -> Dict[str, Any]:
    """Train and evaluate one candidate; return plain figures and the history."""
    recipe, device = prepare(job)
    splits = _open_splits(job, recipe, device)
    warm_up(device)
    allocator = use_allocator(job, device)
    with metering(device.type) as meters:
        bound = enforce(job, device, send, Path(job["checkpoint"]), allocator)
        model = build(job, recipe, device)
        if job.get("start_from"):
            meters.lap()  # reading the weights is no part of the first epoch
        alive = _alive_reporter(send, bound.follow)
        on_step = _step_reporter(send, bound.follow)
        hooks = Hooks(
            on_step,
            _epoch_reporter(send),
            meters.lap,
            alive,
            keeper(job, bound),
            lambda records: send({"event": "resumed", "rows": [r.to_row() for r in records]}),
        )
        result = train(
            model,
            splits["train"],
            splits["val"],
            recipe,
            job["seed"],
            device,
            hooks,
            _checkpoint_plan(job),
            Saver.of(job["saver"]),
        )
        energy_j = _energy_of_inference(model, recipe, device, meters, alive)
    figures = _figures(model, result, splits, recipe, device, alive)
    figures.update(
        memory_source=meters.memory_source(),
        meters=meters.details(),
        energy_per_inference_j=energy_j,
    )
    if job["weights"]:
        save_weights(Path(job["weights"]), job["architecture"], model.state_dict())
    return figures


def _open_splits(
    job: Mapping[str, Any], recipe: RecipeConfig, device: torch.device
) -> Dict[str, Batches]:
    arrays = _open_arrays(Path(job["image_set"]))
    return {
        split: Batches(
            *found,
            recipe.batch_size,
            device,
            channels_last=recipe.memory_format == "channels_last",
            augmentation=recipe.augmentation if split == "train" else None,
        )
        for split, found in arrays.items()
    }


def _open_arrays(folder: Path) -> Dict[str, Tuple[np.ndarray, np.ndarray]]:
    images = open_image_set(folder)
    try:
        if images is not None:
            return {split: images.arrays(split) for split in images.splits}
        why = "gone"
    except (OSError, ValueError, EOFError) as err:
        why = f"damaged ({err})"
    raise EnvironmentProblem(
        f"{folder}: the decoded images are {why}; remove the folder and run the same command "
        "again, which decodes them anew"
    )


def _checkpoint_plan(job: Mapping[str, Any]) -> CheckpointPlan:
    owner = {
        key: job[key] for key in ("architecture", "recipe", "seed", "images", "device", "saver")
    }
    if job.get("start_digest"):
        owner["start"] = job["start_digest"]
    return CheckpointPlan(Path(job["checkpoint"]), json.dumps(owner, sort_keys=True))


def _figures(
    model: nn.Module,
    result: TrainingResult,
    splits: Mapping[str, Batches],
    recipe: RecipeConfig,
    device: torch.device,
    alive: Callable[[], None],
) -> Dict[str, Any]:
    chosen = result.history[result.weights_epoch - 1]
    test_accuracy = None
    if "test" in splits:
        test_accuracy = evaluate(model, splits["test"], recipe, device, alive)[1]
    return {
        "history": [record.to_row() for record in result.history],
        "weights_epoch": result.weights_epoch,
        "resumed_from_epoch": result.resumed_from_epoch,
        "val_accuracy": chosen.val_accuracy,
        "train_accuracy": chosen.train_accuracy,
        "test_accuracy": test_accuracy,
        "latency": asdict(_latency(model, recipe, 1, device)),
        "batch_latency": asdict(_latency(model, recipe, recipe.batch_size, device)),
    }


def _latency(
    model: nn.Module, recipe: RecipeConfig, batch_size: int, device: torch.device
) -> Latency:
    channels_last = recipe.memory_format == "channels_last"
    return measure_latency(
        model,
        recipe.image_size,
        batch_size,
        device,
        channels_last=channels_last,
        max_s=LATENCY_S,
    )


def _energy_of_inference(
    model: nn.Module,
    recipe: RecipeConfig,
    device: torch.device,
    meters: Metering,
    alive: Callable[[], None],
) -> Optional[float]:
    """Return joules for one image at batch 1, idle power included; None where power is unknown."""
    if not meters.knows_power():
        return None
    started = time.monotonic()
    num_images = 0
    meters.energy_j()
    while time.monotonic() - started < ENERGY_S:
        num_images += _latency(model, recipe, 1, device).num_calls
        alive()
    energy_j = meters.energy_j()
    return None if energy_j is None else energy_j / num_images


def _step_reporter(send: Send, follow: Callable[[], None]) -> Callable[[int, int, int], None]:
    last = time.monotonic()

    def on_step(epoch: int, step: int, steps: int) -> None:
        nonlocal last
        follow()
        now = time.monotonic()
        if now - last >= SIGN_EVERY_S:
            last = now
            send({"event": "step", "epoch": epoch, "step": step, "steps": steps})

    return on_step


def _alive_reporter(send: Send, follow: Callable[[], None]) -> Callable[[], None]:
    last = time.monotonic()

    def alive() -> None:
        nonlocal last
        follow()
        now = time.monotonic()
        if now - last >= SIGN_EVERY_S:
            last = now
            send({"event": "alive"})

    return alive


def _epoch_reporter(send: Send) -> Callable[[EpochRecord], None]:
    return lambda record: send({"event": "epoch", **record.to_row()})
