r"""Train a table of candidates to the end and keep every epoch: the data of benchmarks/curves.

Candidates are the space's references and a Sobol sequence over its choices, so that every value of
every choice is met equally often. All are trained with seed 0, the first ``--repeated`` with the
further seeds too. Two train at a time, a core each, or ``--workers``; the tables hold what is
finished, and the same command goes on from there. ::

    python benchmarks/curve_table.py synthetic --candidates 150 --repeated 40 --seeds 3
    python benchmarks/curve_table.py pcb --data DIR --candidates 60 --repeated 15 --seeds 3
    python benchmarks/curve_table.py pcb_128 --data DIR --device cuda --workers 14 \
        --candidates 70 --repeated 14 --seeds 3

Writes ``NAME_candidates.csv`` (one row a network: choices, parameters, MACs, peak memory),
``NAME_runs.csv`` (one a training: seed, test accuracy, versions) and ``NAME_curves.csv`` (one an
epoch). Seconds and latencies are of a core that other work may have shared, or of a GPU that
other trainings did.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Iterable, List, Set, Tuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout too

from nas_edge import Architecture, SearchSpace, TrainingEvaluator, load_study_config
from nas_edge.candidate.evaluator import Job
from nas_edge.candidate.measurement import Measurement
from nas_edge.data.source import load_image_set
from nas_edge.device.machine import find_device

CURVES = Path(__file__).resolve().parent / "curves"
EPOCH_COLUMNS = ("loss", "train_accuracy", "val_loss", "val_accuracy", "seconds")
lock = threading.Lock()


def main() -> None:
    args = read_arguments()
    overrides = {} if args.data is None else {"data": {"source": "folder", "path": args.data}}
    config, _ = load_study_config(str(CURVES / f"{args.name}.yaml"), overrides)
    space = SearchSpace.load(config.space)
    networks = designed(space, args.candidates)
    tables = Tables(args.name, space)
    jobs = [(number, 0) for number in range(len(networks))]
    jobs += [(n, seed) for seed in range(1, args.seeds) for n in range(args.repeated)]
    left = [job for job in jobs if job not in tables.done()]
    print(f"{len(jobs)} trainings, {len(left)} of them to do", flush=True)
    device = replace(find_device(args.device), num_cores=1)
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(args.workers) as pool:
        images = load_image_set(config.data, config.recipe.image_size, Path(scratch) / "cache")
        evaluator = TrainingEvaluator(config.recipe, images, device)

        def train(job: Tuple[int, int]) -> None:
            number, seed = job
            name, network = networks[number]
            folder = Path(scratch) / f"{number}-{seed}"
            measured = evaluator.bind(Job(number, seed, folder))(network)
            with lock:
                tables.add(number, seed, name, network, measured)
            print(summary(number, seed, name, measured), flush=True)

        for _ in pool.map(train, left):
            pass


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=[path.stem for path in CURVES.glob("*.yaml")])
    parser.add_argument("--data", help="folder of the images, where they are not embedded")
    parser.add_argument("--candidates", type=int, default=150)
    parser.add_argument("--repeated", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def designed(space: SearchSpace, number: int) -> List[Tuple[str, Architecture]]:
    """Return the references and then distinct points of a Sobol sequence, as many as asked for."""
    from scipy.stats import qmc

    found = [(name, network) for name, network in space.references.items()]
    keys = {network.key for _, network in found}
    choices = list(space.searched.items())
    for row in qmc.Sobol(len(choices), scramble=True, seed=0).random(1024):
        chosen = {name: values[int(u * len(values))] for u, (name, values) in zip(row, choices)}
        network = space.architecture(chosen)
        if network.key not in keys:
            keys.add(network.key)
            found.append(("", network))
    return found[:number]


class Tables:
    """The three CSV files of one name; a training's rows are written together."""

    def __init__(self, name: str, space: SearchSpace) -> None:
        self.choices = list(space.searched)
        kinds = ("candidates", "runs", "curves")
        self.paths = {kind: CURVES / f"{name}_{kind}.csv" for kind in kinds}

    def done(self) -> Set[Tuple[int, int]]:
        """Return (candidate, seed) of every training that is there whole."""
        return {(int(row["candidate"]), int(row["seed"])) for row in self._read("runs")}

    def add(
        self, number: int, seed: int, name: str, network: Architecture, measured: Measurement
    ) -> None:
        """Write what a training gave; the run's own row last, by which it counts as done."""
        values = {key: metric.value for key, metric in measured.metrics.items()}
        if number not in {int(row["candidate"]) for row in self._read("candidates")}:
            chosen = network.parameters()
            head = {"candidate": number, "reference": name, "key": network.key}
            costs = {f: int(values[f]) for f in ("params", "macs") if f in values}
            costs["peak_memory_bytes"] = int(values["peak_memory"])
            self._append("candidates", [{**head, **costs, **{c: chosen[c] for c in self.choices}}])
        head = {"candidate": number, "seed": seed}
        epochs = [
            {**head, "epoch": row["epoch"], **{c: f"{row[c]:.5g}" for c in EPOCH_COLUMNS}}
            for row in measured.history
        ]
        self._append("curves", epochs)
        versions = measured.versions
        row = {
            **head,
            "outcome": measured.outcome,
            "test_accuracy": f"{values.get('test_accuracy', float('nan')):.5g}",
            "latency_ms": f"{values['latency']:.4g}" if "latency" in values else "",
            "device": measured.device["name"],
            "torch": versions.get("torch", ""),
        }
        self._append("runs", [row])

    def _read(self, kind: str) -> Iterable[Dict[str, str]]:
        if not self.paths[kind].exists():
            return []
        with self.paths[kind].open(newline="") as file:
            return list(csv.DictReader(file))

    def _append(self, kind: str, rows: List[Dict[str, Any]]) -> None:
        if not rows:
            return
        path = self.paths[kind]
        is_new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            if is_new:
                writer.writeheader()
            writer.writerows(rows)


def summary(number: int, seed: int, name: str, measured: Measurement) -> str:
    if not measured.is_finished:
        return f"{number:>3} seed {seed}: {measured.outcome}: {measured.reason}"
    accuracy, memory = (measured.metrics[m].value for m in ("val_accuracy", "peak_memory"))
    return (
        f"{number:>3} seed {seed}: {100 * accuracy:.1f}% at {memory / 2**20:.1f} MiB, "
        f"{measured.wall_s:.1f} s {name}"
    )


if __name__ == "__main__":
    main()
