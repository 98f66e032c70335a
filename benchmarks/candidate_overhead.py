"""What a candidate costs beside its training: start of the processes, hand-over, bookkeeping.

Runs a real study (SQLite, artifacts, curves) of tiny networks on a few synthetic images, and takes
from each candidate's time what its epochs and the three steps of its probe took. Prints the parts,
median and spread, the first candidate (which also imports) apart; the aim is a median of 0.7 s on
two cores. ::

    python benchmarks/candidate_overhead.py
    python benchmarks/candidate_overhead.py --candidates 30
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout too

import torch

from nas_edge.candidate.evaluator import TrainingEvaluator
from nas_edge.config.study import DataConfig, RecipeConfig, SyntheticConfig
from nas_edge.data.source import load_image_set
from nas_edge.device.machine import find_device
from nas_edge.space.architecture import Architecture
from nas_edge.space.references import reference_architecture
from nas_edge.study.engine import run_study

AIM_S = 0.7
PARTS = ("cost", "probe start", "probe set-up", "training start", "training rest", "bookkeeping")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=16)
    args = parser.parse_args()
    device = find_device("cpu")
    print(f"{device.name}, {device.num_cores} cores, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        costs = measure(args.candidates, device, Path(folder))
    print(f"{'s':<16}{'median':>9}{'least':>9}{'most':>9}{'first':>9}")
    for part in PARTS:
        later = [cost[part] for cost in costs[1:]]
        line = [statistics.median(later), min(later), max(later), costs[0][part]]
        print(f"{part:<16}" + "".join(f"{value:>9.3f}" for value in line))
    median = statistics.median(cost["cost"] for cost in costs[1:])
    print(
        f"cost of {len(costs) - 1} candidates beside training: median {median:.3f} s, aim {AIM_S} s"
    )
    sys.exit(median > AIM_S)


class TinySpace:
    """Points 1, 2, ...: xception-lite at an eighth of its widths, the last one so much wider."""

    def __init__(self, count: int) -> None:
        self.count = count

    def suggest(self, trial: Any) -> int:
        """Return a trial's point."""
        return int(trial.suggest_int("point", 1, self.count))

    def contains(self, point: int) -> bool:
        """Return whether a point is in the space."""
        return 1 <= point <= self.count

    def key(self, point: int) -> str:
        """Return what names a point."""
        return str(point)


class Stopwatch:
    """Notes when a candidate's messages come, and hands its point to the evaluator."""

    def __init__(self, evaluator: TrainingEvaluator) -> None:
        self.evaluator = evaluator
        self.steps: List[float] = []

    def bind(self, job: Any) -> Stopwatch:
        """Take one trial's job."""
        self.job = job
        return self

    def __call__(self, point: int) -> Any:
        """Evaluate a point and keep the times."""
        self.steps = []
        started = time.perf_counter()
        bound = self.evaluator.bind(
            type(self.job)(self.job.number, self.job.seed, self.job.folder, self.note)
        )
        measured = bound(network(point))
        if not measured.is_finished:
            raise SystemExit(f"a candidate did not finish: {measured.reason}")
        self.begun, self.ended, self.measured = started, time.perf_counter(), measured
        return measured

    def note(self, message: Dict[str, Any]) -> None:
        """Keep the time of a probe's step."""
        if message["event"] == "probe":
            self.steps.append(time.perf_counter())


def network(point: int) -> Architecture:
    base = reference_architecture("xception-lite", 1 / 8).to_dict()
    base["middle"] = {**base["middle"], "blocks": 1}
    base["exit"] = {**base["exit"], "widths": (*base["exit"]["widths"][:3], 256 + point)}
    return Architecture.from_dict(base)


def measure(count: int, device: Any, folder: Path) -> List[Dict[str, float]]:
    recipe = RecipeConfig(epochs=2, batch_size=16, image_size=40)
    data = DataConfig(source="synthetic-pcb", synthetic=SyntheticConfig(train=64, val=32, test=32))
    images = load_image_set(data, recipe.image_size, folder / "images", lambda _: None)
    stopwatch = Stopwatch(TrainingEvaluator(recipe, images, device))
    costs: List[Dict[str, float]] = []
    last = time.perf_counter()

    def on_event(event: Dict[str, Any]) -> None:
        nonlocal last
        if event["event"] == "measured":
            now = time.perf_counter()
            costs.append(parts(stopwatch, now - last))
            last = now

    run_study(
        TinySpace(4 * count),
        stopwatch,
        trials=count,
        out=folder / "run",
        sampler="random",
        on_event=on_event,
    )
    return costs


def parts(stopwatch: Stopwatch, total: float) -> Dict[str, float]:
    """Split one candidate's time; the probe's steps and the epochs are not overhead."""
    measured = stopwatch.measured
    epochs = sum(row["seconds"] for row in measured.history)
    probe_steps = 1.5 * (stopwatch.steps[-1] - stopwatch.steps[0])  # three of them, two seen
    probe = stopwatch.steps[-1] - stopwatch.begun
    evaluated = stopwatch.ended - stopwatch.begun
    start, probe_start = measured.details["start_s"], measured.details["probe_start_s"]
    return {
        "cost": total - epochs - probe_steps,
        "probe start": probe_start,
        "probe set-up": probe - probe_start - probe_steps,
        "training start": start,
        "training rest": evaluated - probe - start - epochs,
        "bookkeeping": total - evaluated,
    }


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "Agg")
    main()
