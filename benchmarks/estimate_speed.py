"""How long an estimate of training memory takes: both tiers, the paper's original at its size.

Prints the first call, which also imports and warms up, then median and spread of the others; the
aims are 1 s for the exact tier and 0.15 s for the quick one. ::

    python benchmarks/estimate_speed.py
    python benchmarks/estimate_speed.py --network xception-lite --image-size 96
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout too

import torch

from nas_edge.candidate.estimate import estimate_cost
from nas_edge.candidate.simulation import estimate_exactly
from nas_edge.config.study import RecipeConfig
from nas_edge.device.machine import find_device
from nas_edge.space.references import parse_reference

AIMS_S = {"quick": 0.15, "exact": 1.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="xception")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--repeats", type=int, default=9)
    args = parser.parse_args()
    device = find_device("cpu")
    print(f"{device.name}, {device.num_cores} cores, torch {torch.__version__}")
    print(f"{args.network}, {args.image_size} px, batch 16, adam, fp32")
    recipe = RecipeConfig(image_size=args.image_size, batch_size=16, optimizer="adam")
    network = parse_reference(args.network)
    missed = False
    for tier, estimate in (("quick", estimate_cost), ("exact", estimate_exactly)):
        times = []
        for _ in range(args.repeats + 1):
            started = time.perf_counter()
            estimate(network, recipe, 101)
            times.append(time.perf_counter() - started)
        first, *others = times
        median = statistics.median(others)
        missed = missed or median > AIMS_S[tier]
        print(
            f"{tier}: median {1e3 * median:.1f} ms, {1e3 * min(others):.1f} to "
            f"{1e3 * max(others):.1f}; the first {1e3 * first:.0f} ms; aim {1e3 * AIMS_S[tier]:.0f}"
        )
    sys.exit(missed)


if __name__ == "__main__":
    main()
