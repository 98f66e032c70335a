"""What stopping candidates early saves and costs, replayed over the tables of real curves.

The candidates of benchmarks/curves come in random orders, the handcrafted ones first; the package's
own rule sees each curve epoch by epoch. Said are the share of epochs that is not trained, the share
of the hypervolume and of the front that is left, and how many verdicts were wrong: the final
accuracy was above the one that it was said to stay below. The last column is what an audit of a
tenth of the verdicts finds, which costs some of the saving.

Screens train all for some epochs and only the best on: one by one, as a study does it, each among
those before it, or all at once. "In hindsight" is the one that saves most at no less hypervolume
than the rule keeps, chosen on the same table, as nobody can; "from" another table: chosen so on
that one. ::

    python benchmarks/pruner_replay.py
    python benchmarks/pruner_replay.py --orders 100
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout too

from nas_edge.candidate.measurement import Measurement
from nas_edge.config.study import PrunerConfig, RecipeConfig
from nas_edge.pareto import front_mask, hypervolume, ranks, reference_point_of
from nas_edge.study.pruning import Pruner
from nas_edge.study.records import TrialRecord

CURVES = Path(__file__).resolve().parent / "curves"
OBJECTIVES = ("val_accuracy", "peak_memory")


@dataclass(frozen=True)
class Table:
    """Trained candidates: accuracy and loss by epoch (n, epochs), memory in bytes (n,)."""

    curves: np.ndarray
    val_losses: np.ndarray
    memory: np.ndarray
    num_references: int

    @classmethod
    def load(cls, name: str) -> Table:
        candidates = pd.read_csv(CURVES / f"{name}_candidates.csv").sort_values("candidate")
        rows = pd.read_csv(CURVES / f"{name}_curves.csv")
        rows = rows[rows["seed"] == 0]

        def by_epoch(column: str) -> np.ndarray:
            table = rows.pivot(index="candidate", columns="epoch", values=column)
            return np.asarray(table.reindex(candidates["candidate"]))

        memory = candidates["peak_memory_bytes"].to_numpy(dtype=np.float64)
        curves, val_losses = by_epoch("val_accuracy"), by_epoch("val_loss")
        return cls(curves, val_losses, memory, int(candidates["reference"].notna().sum()))

    @property
    def losses(self) -> np.ndarray:
        return np.stack([1 - self.curves[:, -1], self.memory], axis=1)

    def order(self, seed: int) -> List[int]:
        others = np.arange(self.num_references, len(self.memory))
        drawn = np.random.default_rng(seed).permutation(others)
        return [*range(self.num_references), *map(int, drawn)]

    def record(self, number: int) -> TrialRecord:
        curve = self.curves[number]
        measured = Measurement.of(val_accuracy=curve[-1], peak_memory=self.memory[number])
        rows = tuple(
            {"epoch": epoch, "val_accuracy": float(accuracy), "val_loss": float(loss)}
            for epoch, (accuracy, loss) in enumerate(zip(curve, self.val_losses[number]), 1)
        )
        reference = f"reference {number}" if number < self.num_references else None
        plain = Measurement(metrics=measured.metrics, history=rows)
        return TrialRecord(number, str(number), number, reference, plain)

    def kept(self, trained: Sequence[int]) -> Tuple[float, float]:
        """Return which shares of the hypervolume and of the front are left."""
        losses = self.losses
        reference = reference_point_of(losses)
        whole = hypervolume(losses, reference)
        front = set(np.flatnonzero(front_mask(losses)))
        return (
            hypervolume(losses[list(trained)], reference) / whole,
            len(front & set(trained)) / len(front),
        )


def replay(table: Table, config: PrunerConfig, seed: int) -> List[float]:
    """Return saved epochs, hypervolume, front, wrong of all verdicts, wrong of the audited."""
    epochs = table.curves.shape[1]
    pruner = Pruner(config, OBJECTIVES, RecipeConfig(epochs=epochs), seed)
    seen: List[TrialRecord] = []
    trained: List[int] = []
    spent, verdicts, audits = 0, [], []
    for number in table.order(seed):
        record = table.record(number)
        rows, metrics = record.measurement.history, record.measurement.metrics
        verdict = None
        if record.reference is None:
            judge = pruner.judge_of(number, seen)
            found = (judge(rows[:epoch], metrics) for epoch in range(1, epochs))
            verdict = next((one for one in found if one is not None), None)
        if verdict is not None:
            beaten = verdict.to_dict()["beaten_accuracy"]
            is_wrong = float(beaten is not None and table.curves[number, -1] > beaten)
            (audits if verdict.is_audit else verdicts).append(is_wrong)
        if verdict is None or verdict.is_audit:
            spent += epochs
            trained.append(number)
            seen.append(record)
        else:
            stopped_at = verdict.to_dict()["epoch"]
            spent += stopped_at
            plain = Measurement(
                outcome="stopped", metrics=metrics, history=tuple(rows[:stopped_at])
            )
            seen.append(TrialRecord(number, record.key, number, None, plain))
    saved = 1 - spent / table.curves.size
    return [saved, *table.kept(trained), _mean([*verdicts, *audits]), _mean(audits)]


def screen(table: Table, epochs: int, promoted: float) -> List[float]:
    """Return saved epochs, hypervolume and front of a screen of all candidates at once."""
    losses = np.stack([1 - table.curves[:, epochs - 1], table.memory], axis=1)
    order = np.lexsort((losses[:, 0], ranks(losses)))
    count, all_epochs = len(order), table.curves.shape[1]
    trained = {*map(int, order[: int(promoted * count)]), *range(table.num_references)}
    spent = count * epochs + len(trained) * (all_epochs - epochs)
    return [1 - spent / table.curves.size, *table.kept(sorted(trained))]


def best_screen(table: Table, least: float) -> Tuple[float, float]:
    """Return share of epochs and share promoted of the screen that saves most, this much kept."""
    all_epochs = table.curves.shape[1]
    settings = [
        (epochs, promoted)
        for epochs in range(1, all_epochs)
        for promoted in np.arange(0.04, 0.96, 0.02)
        if screen(table, epochs, promoted)[1] >= least
    ]
    epochs, promoted = max(settings, key=lambda setting: screen(table, *setting)[0])
    return epochs / all_epochs, float(promoted)


def replays(table: Table, config: PrunerConfig, orders: int) -> np.ndarray:
    """Return what `replay` tells of each order, shape (orders, 5)."""
    return np.array([replay(table, config, seed) for seed in range(orders)])


def best_one_by_one(
    table: Table, least: float, orders: int
) -> Optional[Tuple[PrunerConfig, np.ndarray]]:
    """Return the study's own screen that saves most, this much kept, and its replays."""
    epochs = table.curves.shape[1]
    screens = [
        PrunerConfig(name="screen", start=(epoch - 0.5) / epochs, promote=share)
        for epoch in range(1, epochs)
        for share in np.arange(0.05, 0.96, 0.05)
    ]
    found = [(config, replays(table, config, orders)) for config in screens]
    enough = [(config, rows) for config, rows in found if rows[:, 1].mean() >= least]
    return max(enough, key=lambda one: one[1][:, 0].mean()) if enough else None


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, default=20)
    parser.add_argument("--start", type=float, default=PrunerConfig().start)
    parser.add_argument("--confidence", type=float, default=PrunerConfig().confidence)
    parser.add_argument("--min-curves", type=int, default=PrunerConfig().min_curves)
    args = parser.parse_args()
    options = {
        "start": args.start,
        "confidence": args.confidence,
        "min_curves": args.min_curves,
    }
    tables = {name: Table.load(name) for name in ("synthetic", "pcb", "pcb_128")}
    print(f"{args.orders} orders; mean (worst) in %")
    heads = ("epochs saved", "hypervolume", "front", "wrong", "wrong, audit")
    print(" " * 40 + "".join(f"{head:>16}" for head in heads))
    settings: Dict[str, Tuple[float, float]] = {}
    for name, table in tables.items():
        rows = replays(table, PrunerConfig(**options, audit=0.0), args.orders)
        _print(f"{name}: front", rows)
        least = rows[:, 1].mean()
        settings[name] = best_screen(table, least)
        audited = replays(table, PrunerConfig(**options, audit=0.1), args.orders)
        _print(f"{name}: front, a tenth audited", audited)
        usual = PrunerConfig(name="screen", start=args.start)
        _print(f"{name}: screen, one by one", replays(table, usual, args.orders))
        found = best_one_by_one(table, least, args.orders)
        if found is None:
            print(f"{name}: no screen, one by one, keeps as much")
        else:
            _print(f"{name}: screen, one by one, hindsight", found[1])
            print(f"{'':>8}start {found[0].start:.2f}, {found[0].promote:.0%} train on")
    for name, table in tables.items():
        labels = {name: "screen in hindsight"}
        labels.update({other: f"screen from {other}" for other in tables if other != name})
        for chosen_on, label in labels.items():
            share, promoted = settings[chosen_on]
            epochs = max(round(share * table.curves.shape[1]), 1)
            _print(f"{name}: {label}", np.array([screen(table, epochs, promoted)]))
            print(f"{'':>8}{epochs} epochs, {promoted:.0%} train on")


def _print(label: str, rows: np.ndarray) -> None:
    worst = [rows[:, 0].min(), *rows[:, 1:3].min(axis=0), *rows[:, 3:].max(axis=0)]
    cells = [f"{100 * m:6.1f} ({100 * w:5.1f})" for m, w in zip(rows.mean(axis=0), worst)]
    print(f"{label:<40}" + "".join(f"{cell:>16}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
