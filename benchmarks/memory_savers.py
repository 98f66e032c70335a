"""What each memory saver takes off the peak of training, and what it costs in time.

Every saver's peak is measured by the probe that studies use (fresh processes, several times), its
step time in one process turn by turn with the others. Prints medians, least and most. ::

    python benchmarks/memory_savers.py
    python benchmarks/memory_savers.py --network "xception x0.25" --image-size 64 --batch-size 32
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout too

from nas_edge.candidate.evaluator import PROBE_TASK
from nas_edge.candidate.process import ChildLimits, run_in_child
from nas_edge.candidate.simulation import estimate_exactly
from nas_edge.config.study import RecipeConfig
from nas_edge.device.machine import find_device
from nas_edge.models.xception import build_model
from nas_edge.space.references import parse_reference
from nas_edge.training.in_backward import build_saving_optimizer
from nas_edge.training.recipe import build_scaler
from nas_edge.training.savers import usable_savers
from nas_edge.training.step import train_step

MIB = 2**20
AIM = 0.25  # off the peak of the paper's configuration at 96 px, batch 16


def main() -> None:
    args = read_arguments()
    device = find_device("cpu")
    recipe = RecipeConfig(image_size=args.image_size, batch_size=args.batch_size, optimizer="adam")
    print(
        f"{device.name}, {device.num_cores} cores, torch {torch.__version__}; {args.network}, "
        f"{args.image_size} px, batch {args.batch_size}, adam"
    )
    savers = usable_savers(recipe)
    network = parse_reference(args.network)
    peaks = {saver: probed(network, recipe, device, saver, args.probes) for saver in savers}
    times = step_times(network, recipe, device, savers, args.turns)
    print(f"{'saver':<16}{'peak':>9}{'MiB, least to most':>22}{'':>8}{'estimate':>10}", end="")
    print(f"{'step':>9}{'ms, least to most':>20}{'':>8}")
    base, base_ms = statistics.median(peaks[savers[0]]), statistics.median(times[savers[0]])
    for saver in savers:
        peak, step = statistics.median(peaks[saver]), statistics.median(times[saver])
        estimate = estimate_exactly(network, recipe, 1, saver=saver).peak_bytes
        spread = f"{min(peaks[saver]) / MIB:.1f} to {max(peaks[saver]) / MIB:.1f}"
        spread_ms = f"{min(times[saver]):.0f} to {max(times[saver]):.0f}"
        print(
            f"{saver.name:<16}{peak / MIB:>9.1f}{spread:>22}{100 * (peak / base - 1):>+7.1f}%"
            f"{estimate / MIB:>10.1f}{step:>9.0f}{spread_ms:>20}"
            f"{100 * (step / base_ms - 1):>+7.1f}%"
        )
    best = 1 - min(statistics.median(found) for found in peaks.values()) / base
    print(f"the most that a saver takes off: {100 * best:.1f}%; aim {100 * AIM:.0f}%")
    sys.exit(best < AIM)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="xception-lite")
    parser.add_argument("--image-size", type=int, default=96)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--probes", type=int, default=5)
    parser.add_argument("--turns", type=int, default=7)
    return parser.parse_args()


def probed(network, recipe, device, saver, count):
    job = {
        "architecture": network.to_dict(),
        "recipe": recipe.model_dump(),
        "num_outputs": 1,
        "seed": 0,
        "device": device.kind,
        "num_threads": device.num_cores,
        "saver": saver.name,
    }
    peaks = []
    for _ in range(count):
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "log.txt"
            end = run_in_child(PROBE_TASK, job, log, ChildLimits(), lambda _: None)
        if end.result is None:
            raise SystemExit(f"the probe did not finish: {end.kind}: {end.reason}")
        peaks.append(end.result["peak_bytes"])
    return peaks


def step_times(network, recipe, device, savers, turns):
    """Time one training step of each saver, turn by turn, so that a slow minute slows all."""
    torch.set_num_threads(device.num_cores)
    steps = {saver: a_step(network, recipe, saver) for saver in savers}
    for step in steps.values():
        step()
    times = {saver: [] for saver in savers}
    for _ in range(turns):
        for saver, step in steps.items():
            started = time.perf_counter()
            step()
            times[saver].append((time.perf_counter() - started) * 1e3)
    return times


def a_step(network, recipe, saver):
    cpu = torch.device("cpu")
    torch.manual_seed(0)
    model = build_model(network, 1).to(memory_format=torch.channels_last).train()
    model.set_checkpointing(saver.checkpointing)
    optimizer, scaler = build_saving_optimizer(model, recipe, cpu, saver), build_scaler(recipe)
    size = recipe.image_size
    images = torch.rand(recipe.batch_size, size, size, 3).permute(0, 3, 1, 2)
    labels = torch.randint(2, (recipe.batch_size,))
    return lambda: train_step(model, images, labels, recipe, optimizer, scaler, cpu)


if __name__ == "__main__":
    main()
