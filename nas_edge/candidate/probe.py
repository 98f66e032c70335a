"""The memory probe: a job in, the peak memory of three training steps out. Nothing is trained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, Dict, Mapping, Tuple

import torch
from torch import nn

from nas_edge.candidate.limit import enforce
from nas_edge.candidate.probe_meters import probe_of
from nas_edge.candidate.start import build, prepare, warm_up
from nas_edge.config.study import RecipeConfig
from nas_edge.device.latency import measure_latency
from nas_edge.device.process_memory import keep_freed_blocks
from nas_edge.device.torch_gpu import current_gpu
from nas_edge.space.references import reference_architecture
from nas_edge.training.frozen import set_training
from nas_edge.training.in_backward import build_saving_optimizer
from nas_edge.training.recipe import build_scaler
from nas_edge.training.savers import Saver
from nas_edge.training.step import train_step

Send = Callable[[Dict[str, Any]], None]
PROBE_STEPS = 3


def probe(job: Mapping[str, Any], send: Send) -> Dict[str, Any]:
    """Measure the peak memory of three training steps in a process that did nothing else.

    On the CPU the figure is the high-water mark of resident memory over a warmed-up baseline, with
    an allocator that keeps nothing back; on a GPU what torch's allocator reserved; on a board whose
    GPU shares the memory the process's and the GPU's together.
    """
    # What weights hold changes no memory, but reading them from a file would take some.
    job = {**job, "start_from": None}
    recipe, device = prepare(job)
    warm_up(device)
    _run_small_network(job, recipe, device)
    measure = probe_of(device.type, device.type == "cuda" and current_gpu().is_integrated)
    model = []

    def work() -> None:
        enforce(job, device, send)
        model.append(build(job, recipe, device))
        _take_steps(model[0], job, recipe, device, PROBE_STEPS, send)

    measured = measure(work)
    measured["source"] += f", {PROBE_STEPS}-step probe"
    if job.get("time_forward"):
        measured["latency_ms"] = _latency_ms(model[0], recipe, device)
    return measured


def _take_steps(
    model: nn.Module,
    job: Mapping[str, Any],
    recipe: RecipeConfig,
    device: torch.device,
    num_steps: int,
    send: Send,
) -> None:
    """Train on random images, as the training loop does."""
    set_training(model)
    optimizer = build_saving_optimizer(model, recipe, device, Saver.of(job["saver"]))
    scaler = build_scaler(recipe)
    for step in range(num_steps):
        images, labels = _random_batch(job, recipe, device)
        train_step(model, images, labels, recipe, optimizer, scaler, device)
        send({"event": "probe", "step": step + 1})


def _latency_ms(model: nn.Module, recipe: RecipeConfig, device: torch.device) -> float:
    """Time a forward pass of one image, with the allocator as it is in a training."""
    keep_freed_blocks()
    channels_last = recipe.memory_format == "channels_last"
    return measure_latency(
        model, recipe.image_size, 1, device, channels_last=channels_last
    ).median_ms


def _run_small_network(job: Mapping[str, Any], recipe: RecipeConfig, device: torch.device) -> None:
    """Take one step with the smallest relative of a candidate.

    It touches the parts of torch that training uses, some 15 MiB of program code and tables, which
    would otherwise be counted as the candidate's.
    """
    # An eighth: below 8 channels oneDNN's 1x1 stride-2 weight gradient writes out of bounds
    # (uxlfoundation/oneDNN#6035).
    relative = reference_architecture("xception-lite", 1 / 8)
    relative = replace(relative, middle=replace(relative.middle, blocks=1))
    small_job = {**job, "architecture": relative.to_dict()}
    small_recipe = recipe.model_copy(update={"batch_size": 2, "image_size": 40})
    model = build(small_job, small_recipe, device)
    _take_steps(model, small_job, small_recipe, device, 1, lambda _: None)


def _random_batch(
    job: Mapping[str, Any], recipe: RecipeConfig, device: torch.device
) -> Tuple[torch.Tensor, torch.Tensor]:
    size = recipe.image_size
    images = torch.rand(recipe.batch_size, size, size, 3).to(device)
    images = images.permute(0, 3, 1, 2).mul_(2).sub_(1)
    if recipe.memory_format != "channels_last":
        images = images.contiguous()
    return images, torch.randint(max(job["num_outputs"], 2), (recipe.batch_size,), device=device)
