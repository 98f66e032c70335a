"""How close samplers come to a known front, in how many candidates.

Of the true front's hypervolume, the share that a study's candidates miss after so many of them, for
two problems:

- ``nasbench201``: accuracy on CIFAR-10 against parameters, whose 15,625 results are all known.
- ``own``: accuracy on the synthetic images against estimated peak memory in `xception_cnd_small`. A
  ridge regression of the trained table (benchmarks/curves) stands for training, with the table's
  scatter from seed to seed added to what a sampler is told; what it found is judged without it.

Two reference points, since the share depends on it: ``front``, a tenth beyond the true front's
worst figures, where all that counts lies near the front; and ``all``, the worst error and cost of
the whole table. Each sampler runs with the same seeds. The cost is known to the one that can use
it, and with it figures of the network: of a cell its depth and its operations in use, of our
networks parameters and MACs. ::

    python benchmarks/sampler_quality.py nasbench201 --table nb201_cifar10.csv
    python benchmarks/sampler_quality.py own
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

import numpy as np
import optuna
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout too

from nas_edge import SearchSpace, load_study_config
from nas_edge.candidate.estimate import estimate_cost
from nas_edge.pareto import front_mask, hypervolume, reference_point_of
from nas_edge.study.costed_points import CostedPoints
from nas_edge.study.known_cost import KnownCostSampler

CURVES = Path(__file__).resolve().parent / "curves"
MARKS = (25, 50, 100)
Point = Mapping[str, Any]


class Problem:
    """Choices, a cost and figures of every point, what training would tell, and what is true."""

    choices: Dict[str, Sequence[Any]]

    def cost(self, point: Point) -> float:
        raise NotImplementedError

    def features(self, point: Point) -> List[float]:
        raise NotImplementedError

    def error(self, point: Point) -> float:
        """Return one minus the accuracy."""
        raise NotImplementedError

    def told(self, point: Point, rng: np.random.Generator) -> float:
        """Return the error as one training finds it."""
        del rng
        return self.error(point)

    def losses(self, points: Sequence[Point]) -> np.ndarray:
        return np.array([[self.error(point), self.cost(point)] for point in points])

    def judge_by(self, points: Sequence[Point]) -> None:
        """Take the points for all there are."""
        losses = self.losses(points)
        front = losses[front_mask(losses)]
        self.references = {"front": reference_point_of(front), "all": losses.max(axis=0)}
        self.best = {name: hypervolume(front, at) for name, at in self.references.items()}

    def missing(self, points: Sequence[Point]) -> List[float]:
        """Return the share of the hypervolume that is missing, by reference point."""
        losses = self.losses(points)
        return [1 - hypervolume(losses, at) / self.best[n] for n, at in self.references.items()]


class Cells(Problem):
    """NAS-Bench-201: a cell of four nodes, an operation on each of its six edges."""

    edges = tuple(f"edge{index}" for index in range(6))
    operations = ("nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3", "skip_connect", "none")
    # Edges 0 to 5 join the nodes 0-1, 0-2, 1-2, 0-3, 1-3 and 2-3.
    paths = ((3,), (0, 4), (1, 5), (0, 2, 5))

    def __init__(self, table: Path) -> None:
        frame = pd.read_csv(table)
        self.choices = dict.fromkeys(self.edges, self.operations)
        rows = zip(map(tuple, frame[list(self.edges)].values), frame["accuracy"], frame["params"])
        self.results = {cell: (1 - percent / 100, float(cost)) for cell, percent, cost in rows}
        self.judge_by([dict(zip(self.edges, cell)) for cell in self.results])

    def cost(self, point: Point) -> float:
        return self.results[tuple(point[edge] for edge in self.edges)][1]

    def error(self, point: Point) -> float:
        return self.results[tuple(point[edge] for edge in self.edges)][0]

    def features(self, point: Point) -> List[float]:
        """Count operations that lead anywhere, and those on the cell's paths."""
        cell = [point[edge] for edge in self.edges]
        open_paths = [path for path in self.paths if "none" not in {cell[i] for i in path}]
        in_use = [cell[i] for i in sorted({i for path in open_paths for i in path})]
        by_path = [[cell[i] for i in path] for path in open_paths] or [[]]
        convolutions = [sum("conv" in name for name in path) for path in by_path]
        return [
            *(float(in_use.count(name)) for name in self.operations[:-1]),
            float(len(open_paths)),
            float(max(convolutions)),
            float(min(convolutions)),
            float(max(path.count("nor_conv_3x3") for path in by_path)),
            float(min(path.count("avg_pool_3x3") for path in by_path)),
        ]


class OwnSpace(Problem):
    """The small space of Xception networks, trained on the synthetic images."""

    penalty = 30.0  # of the ridge regression; near the best of a cross-validation

    def __init__(self) -> None:
        config, _ = load_study_config(str(CURVES / "synthetic.yaml"))
        self.space = SearchSpace.load(config.space)
        self.recipe, self.num_outputs = config.recipe, config.data.synthetic.classes
        self.choices = dict(self.space.searched)
        self._fit(config.recipe.epochs)
        self.judge_by(self._near_front(CostedPoints(self.choices, self.cost, size=10_000)))

    @lru_cache(maxsize=None)  # noqa: B019
    def _figures(self, values: Tuple[Any, ...]) -> Tuple[float, float, float]:
        network = self.space.architecture(dict(zip(self.choices, values)))
        found = estimate_cost(network, self.recipe, self.num_outputs)
        return float(found.peak_bytes), float(np.log(found.num_params)), float(np.log(found.macs))

    def cost(self, point: Point) -> float:
        return self._figures(tuple(point[name] for name in self.choices))[0]

    def features(self, point: Point) -> List[float]:
        return list(self._figures(tuple(point[name] for name in self.choices))[1:])

    def error(self, point: Point) -> float:
        row = (self._row(point) - self._mean) / self._scale
        return float(np.exp(min(row @ self._weights + self._level, 0.0)))

    def told(self, point: Point, rng: np.random.Generator) -> float:
        return float(np.clip(self.error(point) + rng.normal(0, self._scatter), 0.0, 1.0))

    def _row(self, point: Point) -> np.ndarray:
        """Return numbers as logarithms, other choices as zeros and ones."""
        row = [np.log(self.cost(point)), *self.features(point)]
        for name, values in self.choices.items():
            if isinstance(values[0], str):
                row += [float(point[name] == value) for value in values[1:]]
            else:
                row.append(np.log(point[name]))
        return np.array(row)

    def _fit(self, epochs: int) -> None:
        table = pd.read_csv(CURVES / "synthetic_candidates.csv")
        curves = pd.read_csv(CURVES / "synthetic_curves.csv")
        last = curves[curves["epoch"] == epochs].groupby("candidate")["val_accuracy"]
        errors = 1 - last.mean().reindex(table["candidate"]).to_numpy()
        self._scatter = float(np.sqrt(last.var().mean()))
        rows = np.array([self._row(row) for row in table[list(self.choices)].to_dict("records")])
        self._mean, self._scale = rows.mean(axis=0), rows.std(axis=0)
        rows, logs = (rows - self._mean) / self._scale, np.log(errors)
        self._level = float(logs.mean())
        gram = rows.T @ rows + self.penalty * np.eye(rows.shape[1])
        hat = rows @ np.linalg.solve(gram, rows.T)
        self._weights = np.linalg.solve(gram, rows.T @ (logs - self._level))
        left_out = (logs - self._level - hat @ (logs - self._level)) / (1 - np.diag(hat))
        print(
            f"own: {len(rows)} networks explain {1 - left_out.var() / logs.var():.0%} of the "
            f"scatter of a network left out; from seed to seed {100 * self._scatter:.1f} points"
        )

    def _near_front(self, points: CostedPoints) -> List[Point]:
        """Return the points of a large draw, and those around its front as long as it grows."""
        found = list(points.pool)
        while True:
            losses = self.losses(found)
            front = [point for point, kept in zip(found, front_mask(losses)) if kept]
            around = [near for point in front for near in points.neighbours(point)]
            more = [
                p for p in points.distinct([*found, *around]) if id(p) not in set(map(id, found))
            ]
            if not front_mask(self.losses([*found, *more]))[len(found) :].any():
                return found
            found += more


SAMPLERS: Dict[str, Callable[[int, Problem], Any]] = {
    "known-cost": lambda seed, problem: KnownCostSampler(
        problem.choices, problem.cost, features=problem.features, seed=seed
    ),
    "gp": lambda seed, _: optuna.samplers.GPSampler(seed=seed),
    "tpe": lambda seed, _: optuna.samplers.TPESampler(
        seed=seed, multivariate=True, constant_liar=True
    ),
    "tpe-univariate": lambda seed, _: optuna.samplers.TPESampler(seed=seed),
    "nsga2": lambda seed, _: optuna.samplers.NSGAIISampler(seed=seed, population_size=20),
    "random": lambda seed, _: optuna.samplers.RandomSampler(seed=seed),
}
problem: Problem  # of this process; the workers inherit it


def main() -> None:
    global problem
    args = read_arguments()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    problem = OwnSpace() if args.problem == "own" else Cells(args.table)
    marks = [mark for mark in MARKS if mark <= args.trials]
    print(
        f"{args.problem}, {args.seeds} seeds: missing share of the hypervolume in %, mean and 95%"
    )
    heads = [f"{mark} ({name})" for name in problem.references for mark in marks]
    print(f"{'candidates':<16}" + "".join(f"{head:>15}" for head in heads) + "   s a suggestion")
    for name in args.samplers.split(","):
        # Forked, a worker for every sampler anew, so that none gains from another's caches.
        with ProcessPoolExecutor(args.workers) as pool:
            jobs = [(name, seed, args.trials, marks) for seed in range(args.seeds)]
            found = list(pool.map(run, jobs))
        missing = 100 * np.array([row for row, _ in found])
        half = 1.96 * missing.std(axis=0, ddof=1) / len(missing) ** 0.5
        cells = [f"{m:6.2f} ± {h:4.2f}" for m, h in zip(missing.mean(axis=0), half)]
        seconds = np.median([s for _, s in found])
        print(f"{name:<16}" + "".join(f"{c:>15}" for c in cells) + f"   {seconds:.3f}", flush=True)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("problem", choices=("nasbench201", "own"))
    parser.add_argument("--table", type=Path, help="nb201_cifar10.csv: edges, accuracy, params")
    parser.add_argument("--samplers", default=",".join(SAMPLERS))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=max(MARKS))
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    if args.problem == "nasbench201" and args.table is None:
        parser.error("nasbench201 needs --table")
    return args


def run(job: Tuple[str, int, int, List[int]]) -> Tuple[List[float], float]:
    """Return the missing share by reference point and mark, and the last suggestions' seconds."""
    name, seed, trials, marks = job
    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=SAMPLERS[name](seed, problem)
    )
    rng = np.random.default_rng(seed)
    points: List[Point] = []
    seconds = []
    for _ in range(trials):
        started = time.perf_counter()
        trial = study.ask()
        point = {k: trial.suggest_categorical(k, v) for k, v in problem.choices.items()}
        seconds.append(time.perf_counter() - started)
        points.append(point)
        study.tell(trial, (1 - problem.told(point, rng), problem.cost(point)))
    shares = np.array([problem.missing(points[:mark]) for mark in marks])
    return shares.T.ravel().tolist(), float(np.median(seconds[-20:]))


if __name__ == "__main__":
    main()
