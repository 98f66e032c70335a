"""How far the estimate of training memory is from the measured probe.

For networks of the small space and its references, at two image sizes and two batch sizes: what
`nas-edge estimate` says, what the probe of a real candidate measures, and their ratio; then the
rank correlation over all of them. ::

    python benchmarks/estimate_accuracy.py
    python benchmarks/estimate_accuracy.py --sizes 48 --batches 32 --random 20
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout too

from nas_edge.candidate.estimate import estimate_cost
from nas_edge.candidate.evaluator import PROBE_TASK
from nas_edge.candidate.process import ChildLimits, run_in_child
from nas_edge.config.study import RecipeConfig
from nas_edge.device.machine import find_device
from nas_edge.space.search_space import SearchSpace


def main() -> None:
    args = read_arguments()
    device = find_device(args.device)
    print(f"{device.name}, {device.num_cores} cores, torch {torch.__version__}, {args.optimizer}")
    print(f"{'network':<26}{'px':>5}{'batch':>7}{'estimate':>11}{'probe':>11}{'ratio':>8}{'ms':>7}")
    rows = []
    for size in args.sizes:
        for batch in args.batches:
            recipe = RecipeConfig(
                image_size=size,
                batch_size=batch,
                micro_batch=args.micro_batch,
                optimizer=args.optimizer,
                precision=args.precision,
                memory_format=args.memory_format,
            )
            for name, network in networks(args.space, args.random).items():
                estimate, bound, seconds = estimated(network, recipe)
                measured = probed(network, recipe, device)
                rows.append((estimate, measured, bound))
                print(
                    f"{name:<26}{size:>5}{batch:>7}{estimate / 2**20:>7.1f} MiB"
                    f"{measured / 2**20:>7.1f} MiB{estimate / measured:>8.3f}{seconds * 1e3:>7.0f}",
                    flush=True,
                )
    summarise(rows)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="xception_cnd_small")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 96])
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--random", type=int, default=5, help="networks beside the references")
    parser.add_argument(
        "--optimizer", default="adamw", choices=["adam", "adamw", "sgd", "adam8bit"]
    )
    parser.add_argument("--micro-batch", type=int, help="images at once; the batch if not given")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16", "fp16"])
    parser.add_argument("--memory-format", default="channels_last")
    parser.add_argument("--device", default="cpu", choices=["auto", "cpu", "cuda"])
    return parser.parse_args()


def networks(space_name, num_random):
    space = SearchSpace.load(space_name)
    rng = random.Random(0)
    drawn = {f"random {i}": space.sample(rng) for i in range(num_random)}
    return {**space.references, **drawn}


def estimated(network, recipe):
    started = time.perf_counter()
    cost = estimate_cost(network, recipe, 1)
    return cost.peak_bytes, cost.lower_bound_bytes, time.perf_counter() - started


def probed(network, recipe, device):
    job = {
        "architecture": network.to_dict(),
        "recipe": recipe.model_dump(),
        "num_outputs": 1,
        "seed": 0,
        "device": device.kind,
        "num_threads": device.num_cores,
    }
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.txt"
        end = run_in_child(PROBE_TASK, job, log, ChildLimits(), lambda _: None)
    if end.result is None:
        raise SystemExit(f"the probe did not finish: {end.kind}: {end.reason}")
    return end.result["peak_bytes"]


def summarise(rows) -> None:
    estimates, probes, bounds = zip(*rows)
    ratios = [estimate / probe for estimate, probe in zip(estimates, probes)]
    highest_bound = max(bound / probe for bound, probe in zip(bounds, probes))
    print(
        f"estimate / probe: {min(ratios):.3f} to {max(ratios):.3f}, median "
        f"{statistics.median(ratios):.3f} over {len(rows)} cases; rank correlation (Spearman) "
        f"{rank_correlation(estimates, probes):.4f}; lower bound / probe: at most "
        f"{highest_bound:.3f}"
    )


def rank_correlation(first, second) -> float:
    """Spearman's; figures in bytes have no ties worth the name."""
    ranks = [np.argsort(np.argsort(values)) for values in (first, second)]
    return float(np.corrcoef(*ranks)[0, 1])


if __name__ == "__main__":
    main()
