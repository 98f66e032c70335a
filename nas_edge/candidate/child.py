"""What runs in a candidate's process: the memory probe, and the training.

This module is imported once by the server that children start from, torch included.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Tuple

import torch

from nas_edge.config.study import RecipeConfig
from nas_edge.data.batches import Batches
from nas_edge.data.image_set import open_image_set
from nas_edge.device import cuda_memory
from nas_edge.device.latency import measure_latency
from nas_edge.device.process_memory import (
    HIGH_WATER_SOURCE,
    SAMPLED_SOURCE,
    HighWater,
    MemorySampler,
    fix_allocator_thresholds,
)
from nas_edge.errors import DataError
from nas_edge.models.xception import XceptionNet, build_model
from nas_edge.space.architecture import Architecture
from nas_edge.training.checkpoint import save_checkpoint
from nas_edge.training.loop import CheckpointPlan, EpochRecord, Hooks, evaluate, train
from nas_edge.training.recipe import autocast, build_optimizer, build_scaler, loss_of

Send = Callable[[Dict[str, Any]], None]
PROBE_STEPS = 3


def probe(job: Mapping[str, Any], send: Send) -> Dict[str, Any]:
    """Measure the peak memory of three training steps in a process that did nothing else.

    On the CPU the figure is the high-water mark of resident memory over a warmed-up baseline, with
    an allocator that keeps nothing back; on CUDA what the allocator reserved.
    """
    recipe, device = _prepare(job)
    if device.type == "cpu":
        fix_allocator_thresholds()
    _warm_up(device)
    high_water = HighWater()
    if device.type == "cuda":
        cuda_memory.reset_peaks()
    else:
        high_water.reset()
    model = _build(job, recipe, device)
    optimizer = build_optimizer(model, recipe, device)
    scaler = build_scaler(recipe)
    for step in range(PROBE_STEPS):
        images, labels = _random_batch(job, recipe, device)
        optimizer.zero_grad(set_to_none=True)
        with autocast(recipe, device):
            loss = loss_of(model(images), labels, recipe.label_smoothing)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        send({"event": "probe", "step": step + 1})
    if device.type == "cuda":
        peaks = cuda_memory.read_peaks()
        return {
            "peak_bytes": peaks.peak_reserved_bytes,
            "source": f"{cuda_memory.RESERVED_SOURCE}, {PROBE_STEPS}-step probe",
            "peak_allocated_bytes": peaks.peak_allocated_bytes,
        }
    return {
        "peak_bytes": high_water.read_bytes(),
        "source": f"{HIGH_WATER_SOURCE}, {PROBE_STEPS}-step probe",
    }


def train_candidate(job: Mapping[str, Any], send: Send) -> Dict[str, Any]:
    """Train and evaluate one candidate; return plain figures and the history."""
    recipe, device = _prepare(job)
    images = open_image_set(Path(job["image_set"]))
    if images is None:
        raise DataError(f"{job['image_set']}: the decoded images are gone")
    splits = {
        split: Batches(
            *images.arrays(split),
            recipe.batch_size,
            device,
            channels_last=recipe.memory_format == "channels_last",
            augmentation=recipe.augmentation if split == "train" else None,
        )
        for split in images.splits
    }
    _warm_up(device)
    lap, source = _start_meter(device)
    model = _build(job, recipe, device)
    hooks = Hooks(on_step=_step_reporter(send), on_epoch=_epoch_reporter(send), lap=lap)
    checkpoint = CheckpointPlan(Path(job["checkpoint"])) if job["checkpoint"] else None
    result = train(model, splits["train"], splits["val"], recipe, job["seed"], device, hooks, checkpoint)
    chosen = result.history[result.weights_epoch - 1]
    figures: Dict[str, Any] = {
        "history": [asdict(record) for record in result.history],
        "weights_epoch": result.weights_epoch,
        "resumed_from_epoch": result.resumed_from_epoch,
        "memory_source": source,
        "val_accuracy": chosen.val_accuracy,
        "train_accuracy": chosen.train_accuracy,
        "test_accuracy": evaluate(model, splits["test"], recipe, device)[1] if "test" in splits else None,
        "latency": asdict(measure_latency(model, recipe.image_size, 1, device)),
    }
    if job["weights"]:
        save_checkpoint(Path(job["weights"]), {"architecture": job["architecture"], "model": model.state_dict()})
    return figures


def _prepare(job: Mapping[str, Any]) -> Tuple[RecipeConfig, torch.device]:
    recipe = RecipeConfig.model_validate(job["recipe"])
    torch.set_num_threads(job["num_threads"])
    torch.manual_seed(job["seed"])
    return recipe, torch.device(job["device"])


def _build(job: Mapping[str, Any], recipe: RecipeConfig, device: torch.device) -> XceptionNet:
    torch.manual_seed(job["seed"])  # the weights depend on the seed alone, not on the warm-up
    model = build_model(
        Architecture.from_dict(job["architecture"]),
        job["num_outputs"],
        dropout=recipe.dropout,
        bn_momentum=recipe.bn_momentum,
        init=recipe.init,
    )
    if recipe.memory_format == "channels_last":
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model.to(device)


def _warm_up(device: torch.device) -> None:
    """Start thread pools, autograd and the convolution library, so that a baseline has them."""
    layer = torch.nn.Conv2d(3, 8, 3).to(device)
    optimizer = torch.optim.AdamW(layer.parameters())
    for _ in range(2):
        layer(torch.randn(4, 3, 16, 16, device=device)).square().mean().backward()
        optimizer.step()


def _random_batch(
    job: Mapping[str, Any], recipe: RecipeConfig, device: torch.device
) -> Tuple[torch.Tensor, torch.Tensor]:
    size = recipe.image_size
    images = torch.rand(recipe.batch_size, size, size, 3).to(device).permute(0, 3, 1, 2).mul_(2).sub_(1)
    if recipe.memory_format != "channels_last":
        images = images.contiguous()
    return images, torch.randint(max(job["num_outputs"], 2), (recipe.batch_size,), device=device)


def _start_meter(device: torch.device) -> Tuple[Callable[[], Tuple[int, int]], str]:
    """Return what gives peak and mean bytes since its last call, and its source."""
    if device.type == "cuda":
        return _cuda_lap, f"{cuda_memory.RESERVED_SOURCE}; mean of allocated at epoch ends"
    sampler = MemorySampler()
    sampler.start()

    def lap() -> Tuple[int, int]:
        seen = sampler.lap()
        return seen.peak_bytes, seen.mean_bytes

    return lap, SAMPLED_SOURCE


def _cuda_lap() -> Tuple[int, int]:
    peaks = cuda_memory.read_peaks()
    return peaks.peak_reserved_bytes, cuda_memory.allocated_bytes()


def _step_reporter(send: Send) -> Callable[[int, int, int], None]:
    last = time.monotonic()

    def on_step(epoch: int, step: int, steps: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= 0.5:  # a sign of life, seldom enough to cost nothing
            last = now
            send({"event": "step", "epoch": epoch, "step": step, "steps": steps})

    return on_step


def _epoch_reporter(send: Send) -> Callable[[EpochRecord], None]:
    return lambda record: send({"event": "epoch", **asdict(record)})
