"""Images a second of the training loop, beside a bare PyTorch loop and beside NCHW.

Three ways take turns over the same images with the same model, in a process of the kind that a
candidate has (GOMP_SPINCOUNT as nas_edge.candidate.process sets it): nas_edge's loop, a bare loop
over the same batches, and nas_edge's loop with contiguous (NCHW) tensors. The two loops differ in
the learning-rate schedule, the accuracy counted while training, divergence checks, the memory
sampler and hooks. Prints medians and spread; the aims are 0.97 of the bare loop and 1.2 times NCHW.

::

    python benchmarks/training_throughput.py
    python benchmarks/training_throughput.py --multipliers 0.25 --sizes 64 96 --repeats 9
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout too

import numpy as np
import torch

from nas_edge.candidate.process import ChildLimits, run_in_child
from nas_edge.candidate.start import build, prepare, warm_up
from nas_edge.config.study import RecipeConfig
from nas_edge.data.batches import Batches
from nas_edge.device.machine import find_device
from nas_edge.device.process_memory import MemorySampler, trim_heap
from nas_edge.space.references import parse_reference
from nas_edge.training.loop import Hooks, epoch_seed, train
from nas_edge.training.recipe import build_optimizer, loss_of

LEAST_OF_BARE, LEAST_OF_NCHW = 0.97, 1.2
WAYS = ("nas_edge", "bare", "nchw")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--multipliers", type=float, nargs="+", default=[0.25, 0.5])
    parser.add_argument("--sizes", type=int, nargs="+", default=[64])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=8, help="a turn")
    parser.add_argument("--repeats", type=int, default=15)
    args = parser.parse_args()
    device = find_device("cpu")
    print(f"{device.name}, {device.num_cores} cores, torch {torch.__version__}, batch {args.batch}")
    missed = False
    for multiplier in args.multipliers:
        for size in args.sizes:
            network = f"xception-lite x{multiplier:g}"
            rates = measure(network, size, args, device.num_cores)
            missed |= report(network, size, rates)
    sys.exit(missed)


def measure(network: str, size: int, args: argparse.Namespace, cores: int) -> Mapping[str, Any]:
    recipe = RecipeConfig(epochs=1, batch_size=args.batch, image_size=size)
    job = {
        "architecture": parse_reference(network).to_dict(),
        "recipe": recipe.model_dump(),
        "num_outputs": 1,
        "seed": 0,
        "device": "cpu",
        "saver": "none",
        "num_threads": cores,
        "steps": args.steps,
        "repeats": args.repeats,
    }
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.txt"
        task = "training_throughput:take_turns"
        end = run_in_child(task, job, log, ChildLimits(), lambda _: None)
        if end.result is None:
            raise SystemExit(f"{end.kind}: {end.reason}\n{log.read_text()}")
    return end.result


def report(network: str, size: int, rates: Mapping[str, List[float]]) -> bool:
    """Print one network's figures; return whether an aim was missed."""
    print(f"{network}, {size} px")
    for way in WAYS:
        spread = f"{min(rates[way]):.0f} to {max(rates[way]):.0f}"
        print(f"  {way:<10}{statistics.median(rates[way]):>8.1f} images/s   {spread}")
    shares = {}
    for other, least in (("bare", LEAST_OF_BARE), ("nchw", LEAST_OF_NCHW)):
        pairs = [ours / theirs for ours, theirs in zip(rates["nas_edge"], rates[other])]
        shares[other] = statistics.median(pairs)
        print(
            f"  of {other:<7}{shares[other]:>8.3f}   {min(pairs):.3f} to {max(pairs):.3f}, "
            f"aim {least}"
        )
    return shares["bare"] < LEAST_OF_BARE or shares["nchw"] < LEAST_OF_NCHW


def take_turns(job: Mapping[str, Any], send: Callable[[Dict[str, Any]], None]) -> Any:
    """The task in the child: time every way once a repeat, after one turn to warm up."""
    recipe, device = prepare(job)
    warm_up(device)
    ways = {
        "nas_edge": Way(job, recipe, device, turn_of_nas_edge),
        "bare": Way(job, recipe, device, turn_of_a_bare_loop),
        "nchw": Way(
            job,
            recipe.model_copy(update={"memory_format": "contiguous"}),
            device,
            turn_of_nas_edge,
        ),
    }
    rates: Dict[str, List[float]] = {name: [] for name in ways}
    num_images = job["steps"] * recipe.batch_size
    order = list(ways)
    for repeat in range(job["repeats"] + 1):
        for name in order:
            seconds = ways[name].turn(repeat + 1)
            if repeat > 0:
                rates[name].append(num_images / seconds)
            send({"event": "step"})
        order = [*order[1:], order[0]]
    return rates


class Way:
    """A model with its batches, and how it is trained for one turn."""

    def __init__(self, job, recipe, device, how) -> None:
        self.recipe, self.device, self.how = recipe, device, how
        self.model = build(job, recipe, device)
        count = job["steps"] * recipe.batch_size
        rng = np.random.default_rng(0)
        shape = (count, recipe.image_size, recipe.image_size, 3)
        images = rng.integers(0, 256, shape, dtype=np.uint8)
        labels = np.arange(count) % 2
        channels_last = recipe.memory_format == "channels_last"
        self.train_set, self.val_set = (
            Batches(
                images[:number],
                labels[:number],
                recipe.batch_size,
                device,
                channels_last=channels_last,
                augmentation=recipe.augmentation,
            )
            for number in (count, 2)
        )

    def turn(self, epoch: int) -> float:
        """Return the seconds of one turn.

        Taking the sampler's baseline gives free memory back to the system, which a candidate pays
        for once and every turn here; so every way pays.
        """
        is_ours = self.how is turn_of_nas_edge
        if is_ours:
            self.sampler = MemorySampler()
            self.sampler.start()
        else:
            trim_heap()
        started = time.perf_counter()
        self.how(self, epoch)
        seconds = time.perf_counter() - started
        if is_ours:
            self.sampler.stop()
        return seconds


def turn_of_nas_edge(way: Way, epoch: int) -> None:
    """An epoch as a candidate has it, memory sampler included; two validation images."""

    def lap():
        seen = way.sampler.lap()
        return seen.peak_bytes, seen.mean_bytes, {}

    hooks = Hooks(on_step=lambda *_: None, on_epoch=lambda _: None, lap=lap)
    train(way.model, way.train_set, way.val_set, way.recipe, epoch, way.device, hooks)


def turn_of_a_bare_loop(way: Way, epoch: int) -> None:
    """What a user would write: the same batches, optimizer and loss; two validation images."""
    model = way.model.train()
    optimizer = build_optimizer(model, way.recipe, way.device)
    torch.manual_seed(epoch_seed(epoch, 1))
    for images, labels in way.train_set.shuffled(epoch, 1):
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model(images), labels, 0.0)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.inference_mode():
        for images, _ in way.val_set.in_order():
            model(images)


if __name__ == "__main__":
    main()
