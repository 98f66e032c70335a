"""Measures how quickly the synthetic PCB set is drawn, on one core.

    python benchmarks/synthetic_speed.py [--repeats 7] [--difficulty 0.5]

Prints images per second, the median of the repeats with their lowest and highest: by the clock,
and by the processor time of this process, which other processes on the machine disturb less.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from typing import Callable

import numpy as np
import PIL

from nas_edge.data.synthetic import SyntheticPcb

SIZES_PX = (64, 224)
IMAGES = {64: 300, 224: 100}


def measure_rates(
    dataset: SyntheticPcb, count: int, repeats: int, clock: Callable[[], float]
) -> list[float]:
    """Return images per second of each repeat, after a short warm-up."""
    dataset.draw_many("val", 10)
    rates = []
    for repeat in range(repeats):
        begin = clock()
        dataset.draw_many("train", count, start=repeat * count)
        rates.append(count / (clock() - begin))
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the drawing of the synthetic PCB set.")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--difficulty", type=float, default=0.5)
    options = parser.parse_args()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f}, "
        f"Python {platform.python_version()}, NumPy {np.__version__}, Pillow {PIL.__version__}"
    )
    for size in SIZES_PX:
        dataset = SyntheticPcb(7, size, difficulty=options.difficulty)
        for name, clock in (("wall", time.perf_counter), ("processor", time.process_time)):
            rates = measure_rates(dataset, IMAGES[size], options.repeats, clock)
            print(
                f"{size} px, difficulty {options.difficulty}, {name} time: "
                f"{statistics.median(rates):.0f} images/s ({min(rates):.0f} to {max(rates):.0f}, "
                f"{options.repeats} x {IMAGES[size]} images)"
            )


if __name__ == "__main__":
    main()
