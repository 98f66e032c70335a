"""What it costs the training that its memory is sampled by the process and system meters.

Two ways take turns in one process: a real training step of a small network with the sampler beside
it, and the same without. Prints steps a second of both with their spread, what the first lost
against the second (each turn against its neighbour), and the CPU time that the reading threads
themselves took; the aim is that reading takes less than 1% of the training's time. ``--children``
forks so many idle children, as data loaders are, which makes each look at memory dear. ::

    python benchmarks/sampling_cost.py
    python benchmarks/sampling_cost.py --children 2 --repeats 20
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Dict, List

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout too
os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as a candidate's process has it

import torch

from nas_edge.candidate.start import build
from nas_edge.config.study import RecipeConfig
from nas_edge.device.laps import Lap
from nas_edge.device.machine import find_device
from nas_edge.device.process_meter import open_process_meter
from nas_edge.device.sampling import Sampler, close_all, sources_of
from nas_edge.device.system_meter import open_system_meter
from nas_edge.space.references import parse_reference
from nas_edge.training.recipe import build_optimizer, loss_of

AIM = 0.01
WAYS = ("plain", "sampled")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="xception-lite x0.25")
    parser.add_argument("--size", type=int, default=48)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--turn-s", type=float, default=6.0)
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0: one a core")
    parser.add_argument("--children", type=int, default=0)
    args = parser.parse_args()
    device = find_device("cpu")
    print(f"{device.name}, {device.num_cores} cores, torch {torch.__version__}")
    print(f"{args.network}, {args.size} px, batch {args.batch}, {args.children} children")
    torch.set_num_threads(args.threads or device.num_cores)
    ends = [fork_idle_child() for _ in range(args.children)]
    training = Training(args)
    training.turn()
    rates: Dict[str, List[float]] = {way: [] for way in WAYS}
    laps: List[Lap] = []
    for repeat in range(args.repeats):
        for way in WAYS if repeat % 2 else reversed(WAYS):
            if way == "plain":
                rates[way].append(training.turn())
            else:
                rates[way].append(sampled_turn(training, laps))
    for end in ends:
        os.close(end)
    sys.exit(report(rates, laps) > AIM)


def fork_idle_child() -> int:
    """Return the descriptor whose end ends the child."""
    waits, end = os.pipe()
    if os.fork() == 0:
        os.close(end)
        os.read(waits, 1)
        os._exit(0)
    os.close(waits)
    return end


class Training:
    """A small network that really trains on random images."""

    def __init__(self, args: argparse.Namespace) -> None:
        recipe = RecipeConfig(batch_size=args.batch, image_size=args.size)
        job = {
            "architecture": parse_reference(args.network).to_dict(),
            "num_outputs": 2,
            "seed": 0,
            "saver": "none",
        }
        device = torch.device("cpu")
        self.turn_s = args.turn_s
        self.model = build(job, recipe, device).train()
        self.optimizer = build_optimizer(self.model, recipe, device)
        self.images = torch.randn(args.batch, 3, args.size, args.size)
        self.labels = torch.arange(args.batch) % 2

    def turn(self) -> float:
        """Train for a turn and return its steps a second."""
        began = now = time.perf_counter()
        steps = 0
        while now - began < self.turn_s:
            self.optimizer.zero_grad(set_to_none=True)
            loss_of(self.model(self.images), self.labels, 0.0).backward()
            self.optimizer.step()
            steps += 1
            now = time.perf_counter()
        return steps / (now - began)


def sampled_turn(training: Training, laps: List[Lap]) -> float:
    """Train for a turn beside the sampler; its lap is added to those there are."""
    meters = [open_process_meter(), open_system_meter()]
    sampler = Sampler(meters)
    sampler.start()
    rate = training.turn()
    laps.append(sampler.stop())
    if len(laps) == 1:
        print("; ".join(sources_of(meters).values()))
    close_all(meters)
    return rate


def report(rates: Dict[str, List[float]], laps: List[Lap]) -> float:
    """Print the figures and return the share of a core's time that reading took."""
    for way in WAYS:
        spread = f"{min(rates[way]):.2f} to {max(rates[way]):.2f}"
        print(f"{way:<10}{statistics.median(rates[way]):>8.2f} steps/s   {spread}")
    losses = [1 - ours / plain for ours, plain in zip(rates["sampled"], rates["plain"])]
    quarters = statistics.quantiles(losses, n=4)
    print(
        f"lost, each turn against its neighbour: median {quarters[1]:.2%}, "
        f"middle half {quarters[0]:.2%} to {quarters[2]:.2%}"
    )
    seconds = sum(lap.seconds for lap in laps)
    share = sum(lap.cost_share * lap.seconds for lap in laps) / seconds
    print(
        f"CPU time of the reading threads: {share:.2%} of the time, "
        f"{min(lap.cost_share for lap in laps):.2%} to {max(lap.cost_share for lap in laps):.2%} "
        f"a turn, aim {AIM:.0%}"
    )
    for meter in laps[0].num_samples:
        rate = sum(lap.num_samples[meter] for lap in laps) / seconds
        gap_ms = 1e3 * max(lap.longest_gap_s[meter] for lap in laps)
        print(f"{meter:<10}{rate:>8.1f} readings/s   longest gap {gap_ms:.0f} ms")
    print(f"turns in which a meter was starved: {sum(bool(lap.starved) for lap in laps)}")
    return share


if __name__ == "__main__":
    main()
