"""Inference latency: warm up, synchronise, time each call, take the median."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass
from typing import Any, List

MIN_RUNS = 5


@dataclass(frozen=True)
class Latency:
    """Milliseconds a forward pass of ``batch_size`` images, over ``num_runs`` timed calls.

    ``spread_ms`` is the distance between the quartiles; ``num_calls`` counts the warm-up too.
    """

    median_ms: float
    p95_ms: float
    spread_ms: float
    batch_size: int
    num_runs: int
    num_calls: int


def measure_latency(
    model: Any,
    image_size: int,
    batch_size: int,
    device: Any,
    *,
    channels_last: bool = True,
    num_runs: int = 20,
    num_warmups: int = 5,
    max_s: float = math.inf,
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
        max_s: After so many seconds no further call is made, once there are `MIN_RUNS`.
    """
    import torch

    images = torch.zeros(batch_size, 3, image_size, image_size, device=device)
    if channels_last:
        images = images.to(memory_format=torch.channels_last)
    was_training = model.training
    model.eval()
    times: List[float] = []
    began = time.perf_counter()
    with torch.inference_mode():
        for run in range(num_warmups + num_runs):
            _synchronise(device)
            start = time.perf_counter()
            model(images)
            _synchronise(device)
            if run >= num_warmups:
                times.append((time.perf_counter() - start) * 1e3)
            if len(times) >= MIN_RUNS and time.perf_counter() - began > max_s:
                break
    model.train(was_training)
    times.sort()
    low, high = _rank(times, 0.25), _rank(times, 0.75)
    return Latency(
        median_ms=statistics.median(times),
        p95_ms=_rank(times, 0.95),
        spread_ms=high - low,
        batch_size=batch_size,
        num_runs=len(times),
        num_calls=num_warmups + len(times),
    )


def _rank(ordered: List[float], share: float) -> float:
    return ordered[round(share * (len(ordered) - 1))]


def _synchronise(device: Any) -> None:
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)
