"""How long `front_mask` takes for a million rows, side by side with moocore.

    python benchmarks/pareto_speed.py [--rows 1000000] [--repeats 7]

Both filters get the same array and take turns, so that another load on the machine meets both
alike. Their masks are compared once per cloud before any time is taken. Prints one line per cloud:
medians, the spread (least to most) and the ratio of the medians; the aim is 2.0 at most everywhere.
Exits 1 where the aim is missed. Without moocore only our own times are printed.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout too

from nas_edge.pareto import front_mask

try:
    import moocore
except ImportError:
    moocore = None

AIM = 2.0
Mask = npt.NDArray[np.bool_]
Filter = Callable[[npt.NDArray[np.float64]], Mask]


def make_clouds(num_rows: int, seed: int = 0) -> Dict[str, npt.NDArray[np.float64]]:
    """Return clouds from a small front to nothing but front, shape (num_rows, 2) each."""
    rng = np.random.default_rng(seed)
    x = rng.random(num_rows)
    angle = rng.random(num_rows) * np.pi / 2
    noisy = 1 - x + rng.normal(0, 0.01, num_rows)
    lattice = rng.integers(0, 1000, (num_rows, 2)).astype(np.float64)
    steps = rng.integers(0, 1000, num_rows).astype(np.float64)
    return {
        "uniform": rng.random((num_rows, 2)),
        "correlated": np.column_stack([x, x + rng.normal(0, 0.01, num_rows)]),
        "anti-correlated, noisy": np.column_stack([x, noisy]),
        "anti-correlated, all front": np.column_stack([x, 1 - x]),
        "concave arc, all front": np.column_stack([np.cos(angle), np.sin(angle)]),
        "integers, 1000 x 1000": lattice,
        "1000 rows, 1000 twins each": np.column_stack([steps, 999 - steps]),
        "sorted, all front": np.column_stack([np.sort(x), 1 - np.sort(x)]),
        "sorted backwards, all front": np.column_stack([1 - np.sort(x), np.sort(x)]),
        "one row, all twins": np.ones((num_rows, 2)),
        "bytes and error rates": np.column_stack(
            [rng.integers(2**29, 2**33, num_rows).astype(np.float64), np.round(x, 4)]
        ),
    }


def time_in_turns(
    filters: Dict[str, Filter], cloud: npt.NDArray[np.float64], repeats: int
) -> Dict[str, List[float]]:
    """Return the seconds of each repeat for each filter, run in turns after one warm-up."""
    seconds: Dict[str, List[float]] = {name: [] for name in filters}
    for run in filters.values():
        run(cloud)
    for _ in range(repeats):
        for name, run in filters.items():
            start = time.perf_counter()
            run(cloud)
            seconds[name].append(time.perf_counter() - start)
    return seconds


def moocore_mask(cloud: npt.NDArray[np.float64]) -> Any:
    """Return moocore's mask with duplicates kept, as ours."""
    return moocore.is_nondominated(cloud, keep_weakly=True)


def describe(seconds: List[float]) -> str:
    """Return median and spread in milliseconds."""
    least, median, most = min(seconds), statistics.median(seconds), max(seconds)
    return f"{median * 1e3:7.1f} ({least * 1e3:6.1f} - {most * 1e3:6.1f})"


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(description="Time front_mask against moocore.")
    parser.add_argument("--rows", type=int, default=10**6)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args(arguments)
    filters: Dict[str, Filter] = {"nas_edge": front_mask}
    if moocore is not None:
        filters["moocore"] = moocore_mask
    print(
        f"{options.rows} rows, {options.repeats} repeats in turns; Python "
        f"{platform.python_version()}, numpy {np.__version__}, "
        f"moocore {'not installed: skipped' if moocore is None else moocore.__version__}, "
        f"{platform.machine()}"
    )
    print(f"{'cloud':28} {'front':>8}  " + "  ".join(f"{name + ', ms':24}" for name in filters))
    worst = 0.0
    for title, cloud in make_clouds(options.rows).items():
        masks = [run(cloud) for run in filters.values()]
        if not all(np.array_equal(masks[0], mask) for mask in masks):
            raise SystemExit(f"{title}: the filters disagree")
        seconds = time_in_turns(filters, cloud, options.repeats)
        line = f"{title:28} {int(masks[0].sum()):8}  "
        line += "  ".join(describe(seconds[name]) for name in filters)
        if moocore is not None:
            ours, theirs = (statistics.median(seconds[name]) for name in ("nas_edge", "moocore"))
            worst = max(worst, ours / theirs)
            line += f"  ratio {ours / theirs:.2f}"
        print(line, flush=True)
    if moocore is None:
        print("moocore is not installed, so there is no ratio; it needs Python 3.10")
        return 0
    print(f"worst ratio {worst:.2f}, aim {AIM}: {'reached' if worst <= AIM else 'MISSED'}")
    return 0 if worst <= AIM else 1


if __name__ == "__main__":
    sys.exit(main())
