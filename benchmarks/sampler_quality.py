"""How close samplers come to a known front, in how many candidates.

Accuracy against parameters on NAS-Bench-201 (CIFAR-10), whose 15,625 results are all known: of the
true front's hypervolume, the share that a study's candidates miss, after so many of them. The
reference point is `reference_point_of` the whole table. Each sampler runs with the same seeds; the
parameters are told to the one that can use a known cost. ::

    python benchmarks/sampler_quality.py --table nb201_cifar10.csv --seeds 20
    python benchmarks/sampler_quality.py --table nb201_cifar10.csv --samplers known-cost,tpe
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

import numpy as np
import optuna
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout too

from nas_edge.pareto import hypervolume, reference_point_of
from nas_edge.study.known_cost import KnownCostSampler

MARKS = (25, 50, 100)
EDGES = [f"edge{index}" for index in range(6)]


class Problem:
    """Choices, and for each of their combinations an accuracy and a cost."""

    def __init__(self, table: Path) -> None:
        frame = pd.read_csv(table)
        self.choices: Dict[str, Sequence[Any]] = {
            edge: sorted(frame[edge].unique().tolist()) for edge in EDGES
        }
        rows = zip(map(tuple, frame[EDGES].values), frame["accuracy"] / 100, frame["params"])
        self.results = {point: (accuracy, float(cost)) for point, accuracy, cost in rows}
        losses = np.array([[1 - a, c] for a, c in self.results.values()])
        self.reference = reference_point_of(losses)
        self.best = hypervolume(losses, self.reference)

    def result(self, point: Mapping[str, Any]) -> Tuple[float, float]:
        return self.results[tuple(point[edge] for edge in EDGES)]

    def features(self, point: Mapping[str, Any]) -> List[float]:
        """Return how often each operation occurs."""
        chosen = [point[edge] for edge in EDGES]
        return [float(chosen.count(operation)) for operation in self.choices[EDGES[0]]]

    def missing(self, found: Sequence[Tuple[float, float]]) -> float:
        losses = np.array([[1 - accuracy, cost] for accuracy, cost in found])
        return 1 - hypervolume(losses, self.reference) / self.best


SAMPLERS: Dict[str, Callable[[int, Problem], Any]] = {
    "known-cost": lambda seed, problem: KnownCostSampler(
        problem.choices,
        lambda point: problem.result(point)[1],
        features=problem.features,
        seed=seed,
    ),
    "gp": lambda seed, _: optuna.samplers.GPSampler(seed=seed),
    "tpe": lambda seed, _: optuna.samplers.TPESampler(
        seed=seed, multivariate=True, constant_liar=True
    ),
    "tpe-univariate": lambda seed, _: optuna.samplers.TPESampler(seed=seed),
    "nsga2": lambda seed, _: optuna.samplers.NSGAIISampler(seed=seed, population_size=20),
    "random": lambda seed, _: optuna.samplers.RandomSampler(seed=seed),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", type=Path, required=True, help="nb201_cifar10.csv")
    parser.add_argument("--samplers", default=",".join(SAMPLERS))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=max(MARKS))
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    marks = [mark for mark in MARKS if mark <= args.trials]
    print(f"{args.seeds} seeds; missing share of the hypervolume, mean ± standard error, in %")
    print(f"{'candidates':<16}" + "".join(f"{mark:>16}" for mark in marks) + "   s a suggestion")
    with ProcessPoolExecutor(args.workers) as pool:
        for name in args.samplers.split(","):
            jobs = [(name, seed, args.table, args.trials, marks) for seed in range(args.seeds)]
            found = list(pool.map(run, jobs))
            missing = 100 * np.array([row for row, _ in found])
            error = missing.std(axis=0, ddof=1) / len(missing) ** 0.5
            cells = [f"{m:6.2f} ± {e:4.2f}" for m, e in zip(missing.mean(axis=0), error)]
            seconds = np.median([s for _, s in found])
            print(f"{name:<16}" + "".join(f"{c:>16}" for c in cells) + f"   {seconds:.3f}")


def run(job: Tuple[str, int, Path, int, List[int]]) -> Tuple[List[float], float]:
    """Return the missing share at each mark, and the median seconds of the last suggestions."""
    name, seed, table, trials, marks = job
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    problem = Problem(table)
    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=SAMPLERS[name](seed, problem)
    )
    found, seconds = [], []
    for _ in range(trials):
        started = time.perf_counter()
        trial = study.ask()
        point = {k: trial.suggest_categorical(k, v) for k, v in problem.choices.items()}
        seconds.append(time.perf_counter() - started)
        found.append(problem.result(point))
        study.tell(trial, found[-1])
    return [problem.missing(found[:mark]) for mark in marks], float(np.median(seconds[-20:]))


if __name__ == "__main__":
    main()
