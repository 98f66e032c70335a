"""Time `nas-edge front` on a study of 1,000 trials, and what a study's own bookkeeping costs.

The study is made by run_study with a table of results: 20 choices, 30 epochs of history each.

    python benchmarks/front_speed.py [--trials 1000] [--repeats 5] [--run FOLDER]
"""

from __future__ import annotations

import argparse
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List

import optuna

from nas_edge import Measurement, run_study
from nas_edge.candidate.measurement import Metric

NUM_CHOICES = 20
NUM_EPOCHS = 30


class TwentyChoices:
    """Twenty choices of four values."""

    def suggest(self, trial: Any) -> Dict[str, int]:
        names = [f"choice{i:02d}" for i in range(NUM_CHOICES)]
        return {name: trial.suggest_categorical(name, [0, 1, 2, 3]) for name in names}

    def contains(self, point: Dict[str, int]) -> bool:
        return set(point.values()) <= {0, 1, 2, 3}

    def key(self, point: Dict[str, int]) -> str:
        return "".join(map(str, point.values()))


def known_result(point: Dict[str, int]) -> Measurement:
    rng = random.Random(str(point))
    size = sum(point.values())
    accuracy = 0.5 + 0.006 * size + 0.05 * rng.random()
    history = tuple(
        {
            "epoch": epoch,
            "loss": rng.random(),
            "train_accuracy": rng.random(),
            "val_accuracy": rng.random(),
            "peak_memory_bytes": rng.randrange(10**9),
            "mean_memory_bytes": rng.randrange(10**9),
            "seconds": rng.random(),
        }
        for epoch in range(1, NUM_EPOCHS + 1)
    )
    metrics = {
        "val_accuracy": Metric(accuracy, "share", "table"),
        "peak_memory": Metric(1e8 + 1e6 * size**2, "bytes", "table"),
        "params": Metric(1e5 * (1 + size), "count", "table"),
        "latency": Metric(1.0 + rng.random(), "ms", "table"),
    }
    return Measurement(metrics=metrics, history=history)


def build(run: Path, trials: int) -> List[float]:
    """Return the seconds from each candidate's end to the next one's evaluation."""
    ends: List[float] = []
    gaps: List[float] = []

    def evaluate(point: Dict[str, int]) -> Measurement:
        if ends:
            gaps.append(time.perf_counter() - ends[-1])
        result = known_result(point)
        ends.append(time.perf_counter())
        return result

    run_study(TwentyChoices(), evaluate, trials=trials, out=run, sampler="random")
    return gaps


def time_front(run: Path, repeats: int) -> List[float]:
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        command = [sys.executable, "-m", "nas_edge", "front", str(run)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - started)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--run", type=Path, help="a run made before, which is not built again")
    options = parser.parse_args()
    machine = f"{platform.machine()}, {platform.python_version()}, optuna {optuna.__version__}"
    with tempfile.TemporaryDirectory() as temporary:
        run = options.run or Path(temporary) / "run"
        if not (run / "run.json").exists():
            gaps = build(run, options.trials)
            tenth = max(1, len(gaps) // 10)
            for name, part in (("first", gaps[:tenth]), ("last", gaps[-tenth:])):
                print(f"bookkeeping a candidate, {name} tenth: {statistics.median(part):.3f} s")
        seconds = time_front(run, options.repeats)
    print(
        f"front of {options.trials} trials: median {statistics.median(seconds):.2f} s "
        f"({min(seconds):.2f} to {max(seconds):.2f}, {len(seconds)} repeats; {machine})"
    )


if __name__ == "__main__":
    main()
