"""What trains in a candidate's process: a job in, plain figures and the history out."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Mapping, Tuple

import torch

from nas_edge.candidate.start import build, prepare, warm_up
from nas_edge.config.study import RecipeConfig
from nas_edge.data.batches import Batches
from nas_edge.data.image_set import open_image_set
from nas_edge.device import cuda_memory
from nas_edge.device.latency import measure_latency
from nas_edge.device.process_memory import SAMPLED_SOURCE, MemorySampler
from nas_edge.errors import DataError
from nas_edge.models.xception import XceptionNet
from nas_edge.training.checkpoint import save_checkpoint
from nas_edge.training.loop import (
    CheckpointPlan,
    EpochRecord,
    Hooks,
    TrainingResult,
    evaluate,
    train,
)

Send = Callable[[Dict[str, Any]], None]
SIGN_EVERY_S = 0.5  # a sign of life, seldom enough to cost nothing


def train_candidate(job: Mapping[str, Any], send: Send) -> Dict[str, Any]:
    """Train and evaluate one candidate; return plain figures and the history."""
    recipe, device = prepare(job)
    splits = _open_splits(job, recipe, device)
    warm_up(device)
    with _meter(device) as (lap, source):
        model = build(job, recipe, device)
        hooks = Hooks(on_step=_step_reporter(send), on_epoch=_epoch_reporter(send), lap=lap)
        result = train(
            model,
            splits["train"],
            splits["val"],
            recipe,
            job["seed"],
            device,
            hooks,
            _checkpoint_plan(job),
        )
    figures = {"memory_source": source, **_figures(model, result, splits, recipe, device)}
    if job["weights"]:
        state = {"architecture": job["architecture"], "model": model.state_dict()}
        save_checkpoint(Path(job["weights"]), state)
    return figures


def _open_splits(
    job: Mapping[str, Any], recipe: RecipeConfig, device: torch.device
) -> Dict[str, Batches]:
    images = open_image_set(Path(job["image_set"]))
    if images is None:
        raise DataError(f"{job['image_set']}: the decoded images are gone")
    return {
        split: Batches(
            *images.arrays(split),
            recipe.batch_size,
            device,
            channels_last=recipe.memory_format == "channels_last",
            augmentation=recipe.augmentation if split == "train" else None,
        )
        for split in images.splits
    }


def _checkpoint_plan(job: Mapping[str, Any]) -> CheckpointPlan:
    owner = {key: job[key] for key in ("architecture", "recipe", "seed", "num_outputs")}
    return CheckpointPlan(Path(job["checkpoint"]), json.dumps(owner, sort_keys=True))


def _figures(
    model: XceptionNet,
    result: TrainingResult,
    splits: Mapping[str, Batches],
    recipe: RecipeConfig,
    device: torch.device,
) -> Dict[str, Any]:
    chosen = result.history[result.weights_epoch - 1]
    test_accuracy = None
    if "test" in splits:
        test_accuracy = evaluate(model, splits["test"], recipe, device)[1]
    channels_last = recipe.memory_format == "channels_last"
    latency = measure_latency(model, recipe.image_size, 1, device, channels_last=channels_last)
    return {
        "history": [asdict(record) for record in result.history],
        "weights_epoch": result.weights_epoch,
        "resumed_from_epoch": result.resumed_from_epoch,
        "val_accuracy": chosen.val_accuracy,
        "train_accuracy": chosen.train_accuracy,
        "test_accuracy": test_accuracy,
        "latency": asdict(latency),
    }


@contextlib.contextmanager
def _meter(device: torch.device) -> Iterator[Tuple[Callable[[], Tuple[int, int]], str]]:
    """Give what returns peak and mean bytes since its last call, and its source."""
    if device.type == "cuda":
        cuda_memory.reset_peaks()
        yield _cuda_lap, f"{cuda_memory.RESERVED_SOURCE}; mean of allocated at epoch ends"
        return
    sampler = MemorySampler()
    sampler.start()

    def lap() -> Tuple[int, int]:
        seen = sampler.lap()
        return seen.peak_bytes, seen.mean_bytes

    try:
        yield lap, SAMPLED_SOURCE
    finally:
        sampler.stop()  # it would disturb the latency


def _cuda_lap() -> Tuple[int, int]:
    return cuda_memory.lap().peak_reserved_bytes, cuda_memory.allocated_bytes()


def _step_reporter(send: Send) -> Callable[[int, int, int], None]:
    last = time.monotonic()

    def on_step(epoch: int, step: int, steps: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= SIGN_EVERY_S:
            last = now
            send({"event": "step", "epoch": epoch, "step": step, "steps": steps})

    return on_step


def _epoch_reporter(send: Send) -> Callable[[EpochRecord], None]:
    return lambda record: send({"event": "epoch", **asdict(record)})
