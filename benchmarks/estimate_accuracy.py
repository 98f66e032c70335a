"""How far the estimates of training memory are from the measured probe, after calibration.

For each image size and batch size: five probes calibrate both tiers, as a study does before its
first candidate; then random networks of the space, each with a memory saver in turn, are estimated
and probed. Prints every case, then for the exact tier (every saver) and the quick tier (the plain
step) mean and worst error and Spearman's rank correlation. Networks for the calibration are always
the same; the seed draws the ones that are judged. ::

    python benchmarks/estimate_accuracy.py
    python benchmarks/estimate_accuracy.py --seed 7 --precision bf16
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout too

from nas_edge.candidate.calibrating import calibrate_device, drawn_from
from nas_edge.candidate.estimate import estimate_cost
from nas_edge.candidate.evaluator import PROBE_TASK
from nas_edge.candidate.process import ChildLimits, run_in_child
from nas_edge.candidate.simulation import estimate_exactly
from nas_edge.config.study import RecipeConfig
from nas_edge.device.machine import available_memory_bytes, find_device
from nas_edge.space.search_space import SearchSpace
from nas_edge.training.savers import usable_savers

MIB = 2**20
AIMS = {"mean error": 0.03, "worst error": 0.10, "Spearman": 0.99}


def main() -> None:
    args = read_arguments()
    device = find_device(args.device)
    print(
        f"{device.name}, {device.num_cores} cores, torch {torch.__version__}, {args.optimizer}, "
        f"{args.precision}, seed {args.seed}"
    )
    print(f"{'network':<12}{'px':>5}{'batch':>6}  {'saver':<16}", end="")
    print(f"{'probe':>10}{'exact':>10}{'':>8}{'quick':>10}{'':>8}")
    rng = random.Random(args.seed)
    cases = []
    for size in args.sizes:
        for batch in args.batches:
            cases += judged(args, size, batch, device, rng)
    met = summarise("exact tier, every saver", [(c["exact"], c["probe"]) for c in cases])
    plain = [c for c in cases if c["saver"] == "none"]
    summarise("quick tier, plain step", [(c["quick"], c["probe"]) for c in plain])
    raw = max(abs(c["raw"] / c["probe"] - 1) for c in cases)
    print(f"without calibration the exact tier's worst error is {100 * raw:.1f}%")
    times = sorted(c["seconds"] for c in cases)
    print(f"exact tier: median {times[len(times) // 2]:.2f} s, most {times[-1]:.2f} s an estimate")
    sys.exit(not met)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="xception_cnd_small")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 96])
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--networks", type=int, default=6, help="for each size and batch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--optimizer", default="adamw", choices=["adam", "adamw", "sgd"])
    parser.add_argument("--micro-batch", type=int, help="images at once; the batch if not given")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16", "fp16"])
    parser.add_argument("--memory-format", default="channels_last")
    parser.add_argument("--device", default="cpu", choices=["auto", "cpu", "cuda"])
    return parser.parse_args()


def judged(args, size, batch, device, rng):
    """Calibrate for one image size and batch, then estimate and probe random networks."""
    recipe = RecipeConfig(
        image_size=size,
        batch_size=batch,
        micro_batch=args.micro_batch,
        optimizer=args.optimizer,
        precision=args.precision,
        memory_format=args.memory_format,
    )
    space = SearchSpace.load(args.space)
    calibration = calibrate_device(
        drawn_from(space),
        recipe,
        1,
        device.kind,
        available_memory_bytes(),
        lambda network: probed(network, recipe, device, "none"),
        {},
    )
    savers = usable_savers(recipe)
    cases = []
    for i in range(args.networks):
        network, saver = space.sample(rng), savers[i % len(savers)]
        started = time.perf_counter()
        exact = estimate_exactly(
            network, recipe, 1, saver=saver, calibration=calibration, device=device.kind
        )
        seconds = time.perf_counter() - started
        quick = estimate_cost(network, recipe, 1, calibration=calibration, device=device.kind)
        end = probed(network, recipe, device, saver.name)
        if end.result is None:
            raise SystemExit(f"the probe did not finish: {end.kind}: {end.reason}")
        case = {
            "saver": saver.name,
            "probe": end.result["peak_bytes"],
            "exact": exact.peak_bytes,
            "raw": exact.simulated_bytes,
            "quick": quick.peak_bytes,
            "seconds": seconds,
        }
        cases.append(case)
        print_case(i, size, batch, case)
    return cases


def print_case(number, size, batch, case):
    line = f"random {number:<5}{size:>5}{batch:>6}  {case['saver']:<16}{case['probe'] / MIB:>10.1f}"
    line += f"{case['exact'] / MIB:>10.1f}{100 * (case['exact'] / case['probe'] - 1):>+7.1f}%"
    if case["saver"] == "none":
        line += f"{case['quick'] / MIB:>10.1f}{100 * (case['quick'] / case['probe'] - 1):>+7.1f}%"
    print(line, flush=True)


def probed(network, recipe, device, saver):
    job = {
        "architecture": network.to_dict(),
        "recipe": recipe.model_dump(),
        "num_outputs": 1,
        "seed": 0,
        "device": device.kind,
        "num_threads": device.num_cores,
        "saver": saver,
    }
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.txt"
        return run_in_child(PROBE_TASK, job, log, ChildLimits(), lambda _: None)


def summarise(what, pairs) -> bool:
    errors = [abs(estimate / probe - 1) for estimate, probe in pairs]
    found = {
        "mean error": float(np.mean(errors)),
        "worst error": max(errors),
        "Spearman": rank_correlation(*zip(*pairs)),
    }
    print(
        f"{what}, {len(pairs)} cases: mean error {100 * found['mean error']:.2f}%, worst "
        f"{100 * found['worst error']:.1f}%, Spearman {found['Spearman']:.4f}; aims: mean 3%, "
        "worst 10%, Spearman 0.99"
    )
    return (
        found["mean error"] <= AIMS["mean error"]
        and found["worst error"] <= AIMS["worst error"]
        and found["Spearman"] >= AIMS["Spearman"]
    )


def rank_correlation(first, second) -> float:
    """Spearman's; figures in bytes have no ties worth the name."""
    ranks = [np.argsort(np.argsort(values)) for values in (first, second)]
    return float(np.corrcoef(*ranks)[0, 1])


if __name__ == "__main__":
    main()
