"""Inference latency: warm up, synchronise, time each call, take the median."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any, List


@dataclass(frozen=True)
class Latency:
    """Milliseconds a forward pass of ``batch_size`` images, over ``num_runs`` timed calls."""

    median_ms: float
    p95_ms: float
    batch_size: int
    num_runs: int


def measure_latency(
    model: Any,
    image_size: int,
    batch_size: int,
    device: Any,
    *,
    channels_last: bool = True,
    num_runs: int = 20,
    num_warmups: int = 5,
) -> Latency:
    """Return the latency of a model in evaluation mode on zero images.

    Args:
        model: Maps (b, 3, h, w) to logits; it is put back into its mode afterwards.
        image_size: Side in pixels.
        batch_size: Images a call.
        device: A torch.device.
        channels_last: Memory format of the images: the model's.
        num_runs: Timed calls.
        num_warmups: Calls before them.
    """
    import torch

    images = torch.zeros(batch_size, 3, image_size, image_size, device=device)
    if channels_last:
        images = images.to(memory_format=torch.channels_last)
    was_training = model.training
    model.eval()
    times: List[float] = []
    with torch.inference_mode():
        for run in range(num_warmups + num_runs):
            _synchronise(device)
            start = time.perf_counter()
            model(images)
            _synchronise(device)
            if run >= num_warmups:
                times.append((time.perf_counter() - start) * 1e3)
    model.train(was_training)
    times.sort()
    p95 = times[min(len(times) - 1, round(0.95 * (len(times) - 1)))]
    return Latency(statistics.median(times), p95, batch_size, num_runs)


def _synchronise(device: Any) -> None:
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)
