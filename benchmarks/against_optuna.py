"""Search with known costs and early stops, beside plain Optuna with twice the device time.

Both train for real, on the synthetic images, from the same handcrafted networks on: ours with the
default sampler and pruner for as long as so many trainings of the paper's configuration take,
Optuna's multivariate TPE without stopping for twice as long. Said is the hypervolume of validation
accuracy against peak memory, and of the test accuracy of the same fronts, which chose nothing. The
reference point is a tenth beyond the worst figures of both fronts. ::

    python benchmarks/against_optuna.py --out runs/against --seeds 2

Goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout too

from headline import paper_of, search

from nas_edge import Run, load_study_config, open_run
from nas_edge.errors import NasEdgeError
from nas_edge.pareto import hypervolume, reference_point_of
from nas_edge.study.pruning import summarise_pruning

STUDY = str(Path(__file__).resolve().parent / "curves" / "synthetic.yaml")
WAYS: Dict[str, Tuple[float, Dict[str, Any]]] = {
    "ours": (1.0, {"sampler": "auto", "pruner": "front"}),
    "optuna": (2.0, {"sampler": "tpe", "pruner": "none"}),
}
JUDGES = ("val_accuracy", "test_accuracy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", default=STUDY, help="a study file, or the name of a shipped one")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--trainings", type=float, default=12.0)
    parser.add_argument("--seeds", type=int, default=2)
    args = parser.parse_args()
    ratios: List[List[float]] = []
    for seed in range(args.seeds):
        ratios.append(compared(seed, searched(seed, args)))
    mean = np.mean(ratios, axis=0)
    print(
        "ours by Optuna's, mean of the seeds: "
        + ", ".join(f"{name} {ratio:.3f}" for name, ratio in zip(JUDGES, mean))
    )


def searched(seed: int, args: argparse.Namespace) -> Dict[str, Run]:
    """Search both ways; how long a training takes is measured in the first."""
    runs: Dict[str, Run] = {}
    training_s: Optional[float] = None
    for way, (factor, options) in WAYS.items():
        own = {"seed": seed, "trials": 1000, "finalists_share": 0.0, **options}
        config, _ = load_study_config(args.study, own)
        out = args.out / f"{way}-{seed}"
        search(config, out, factor * args.trainings, training_s=training_s)
        runs[way] = open_run(out)
        training_s = training_s or paper_of(runs[way].records).measurement.wall_s
    return runs


def compared(seed: int, runs: Dict[str, Run]) -> List[float]:
    """Print both runs' hypervolumes; return ours by the other's, by judge."""
    found = []
    for judge in JUDGES:
        fronts = {way: losses(run, judge) for way, run in runs.items()}
        reference = reference_point_of(np.concatenate(list(fronts.values())))
        volumes = {way: hypervolume(front, reference) for way, front in fronts.items()}
        best = max(volumes.values())
        shares = ", ".join(f"{way} {volume / best:.3f}" for way, volume in volumes.items())
        print(f"seed {seed}, {judge}: hypervolume {shares}")
        found.append(volumes["ours"] / volumes["optuna"])
    for way, run in runs.items():
        spent = sum(record.measurement.wall_s for record in run.records)
        stopped = summarise_pruning(run.records).sentence or "none stopped early"
        print(f"  {way}: {len(run.records)} candidates in {spent:.0f} s; {stopped}")
    return found


def losses(run: Run, judge: str) -> np.ndarray:
    """Return error and bytes of the run's own front, the error by the judge: shape (n, 2)."""
    rows = [
        [
            1 - record.measurement.metrics[judge].value,
            record.measurement.metrics["peak_memory"].value,
        ]
        for record in run.front()
    ]
    return np.array(rows)


if __name__ == "__main__":
    try:
        main()
    except NasEdgeError as error:
        sys.exit(f"error: {error}")
