"""What the sampler finds in half the time: beside TPE with twice as long, on the stand-in.

Two real searches say little, as one training's luck decides them (`against_optuna.py`); here many
seeds do. Accuracy comes from the regression of the trained table that `sampler_quality.py` uses for
the space of our networks, with its scatter from seed to seed; a training's seconds from a
regression of the table's seconds on memory and MACs. Both samplers begin with the handcrafted
networks and stop nothing. Said is the share of the true front's hypervolume, without the scatter,
for both reference points of `sampler_quality.py`, and the difference over the seeds. ::

    OMP_NUM_THREADS=1 python benchmarks/sampler_time.py
"""

from __future__ import annotations

import argparse
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Dict, List, Tuple

import numpy as np
import optuna
import pandas as pd
from scipy.stats import t

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout too

from sampler_quality import CURVES, SAMPLERS, OwnSpace, Point

PAPER = "xception-lite"
FACTORS = {"known-cost": 1.0, "tpe": 2.0}
problem: TimedSpace  # of this process; the workers inherit it


class TimedSpace(OwnSpace):
    """The space with the time that a training takes."""

    def __init__(self) -> None:
        super().__init__()
        self.references_by_name: Dict[str, Point] = {
            name.partition(" x")[0]: {key: network.parameters()[key] for key in self.choices}
            for name, network in self.space.references.items()
        }
        table = pd.read_csv(CURVES / "synthetic_candidates.csv").set_index("candidate")
        curves = pd.read_csv(CURVES / "synthetic_curves.csv")
        seconds = curves[curves["seed"] == 0].groupby("candidate")["seconds"].sum()
        rows = np.array([self._times(row) for row in table[list(self.choices)].to_dict("records")])
        self._seconds = np.linalg.lstsq(rows, seconds.reindex(table.index), rcond=None)[0]

    def _times(self, point: Point) -> List[float]:
        _, macs = self.features(point)
        return [1.0, self.cost(point), float(np.exp(macs))]

    def seconds(self, point: Point) -> float:
        return float(max(np.dot(self._times(point), self._seconds), 0.1))


def main() -> None:
    global problem
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trainings", type=float, default=12.0)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    problem = TimedSpace()
    print(f"{args.seeds} seeds: share of the true front's hypervolume in %, mean and 95%")
    print(f"{'':<32}{'candidates':>12}" + "".join(f"{n:>18}" for n in problem.references))
    shares = []
    for name, factor in FACTORS.items():
        trainings = factor * args.trainings
        with ProcessPoolExecutor(args.workers) as pool:
            jobs = [(name, seed, trainings) for seed in range(args.seeds)]
            found = list(pool.map(search, jobs))
        shares.append(np.array([row for _, row in found]))
        count = np.mean([number for number, _ in found])
        _print(f"{name}, {trainings:g} trainings' time", f"{count:.1f}", shares[-1])
    _print("difference", "", shares[0] - shares[1])


def search(job: Tuple[str, int, float]) -> Tuple[int, List[float]]:
    """Return how many candidates fit, and the shares of the hypervolume that they reach."""
    name, seed, trainings = job
    directions = ["maximize", "minimize"]
    study: Any = optuna.create_study(directions=directions, sampler=SAMPLERS[name](seed, problem))
    for reference in problem.references_by_name.values():
        study.enqueue_trial(dict(reference))
    budget = trainings * problem.seconds(problem.references_by_name[PAPER])
    rng = np.random.default_rng(seed)
    points: List[Point] = []
    seconds: List[float] = []
    while sum(seconds) + (np.median(seconds) if seconds else 0.0) <= budget:
        trial = study.ask()
        point = {k: trial.suggest_categorical(k, v) for k, v in problem.choices.items()}
        points.append(point)
        seconds.append(problem.seconds(point))
        study.tell(trial, (1 - problem.told(point, rng), problem.cost(point)))
    return len(points), [1 - share for share in problem.missing(points)]


def _print(label: str, count: str, shares: np.ndarray) -> None:
    n = len(shares)
    half = t.ppf(0.975, n - 1) * shares.std(axis=0, ddof=1) / n**0.5
    cells = [f"{100 * m:6.2f} ± {100 * h:5.2f}" for m, h in zip(shares.mean(axis=0), half)]
    print(f"{label:<32}{count:>12}" + "".join(f"{cell:>18}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
