"""What a search finds in the device time of twelve trainings of the paper's configuration.

Searches for as long as so many trainings of the paper's configuration take, measured in the same
run, the handcrafted networks' own trainings included; then trains the front and the handcrafted
networks again from new seeds. Of those with at least 30% less peak training memory than the
paper's configuration, the one with the best mean validation accuracy is named, with its test
accuracy, which chose nothing, beside the paper's. ::

    python benchmarks/headline.py benchmarks/headline_synthetic.yaml --out runs/headline-synthetic
    python benchmarks/headline.py benchmarks/curves/pcb.yaml --data DIR --out runs/headline-pcb

With ``--limited`` the search has a memory limit, 70% of what the paper's configuration needs, as
for a device that has no more; it then tries nothing that would need more. With ``--search-epochs``
it trains shorter, and so more networks. The finalists train as long as the study says. With
``--fronts 2`` they are the second front, too.

Goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, List, Optional, Sequence, Tuple, Union

import numpy as np
from scipy.stats import ttest_ind

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout too

from nas_edge import (
    ProgressLines,
    Run,
    finalize_run,
    load_study_config,
    open_run,
    run_training_study,
    write_report,
)
from nas_edge.config.study import StudyConfig
from nas_edge.errors import NasEdgeError
from nas_edge.pareto import probability_above, repeated_figure
from nas_edge.report.finalists import FinalistRow, finalists_of
from nas_edge.report.repeats import num_images_of
from nas_edge.study.pruning import summarise_pruning
from nas_edge.study.records import TrialRecord

PAPER = "xception-lite"
LEAST_SAVED = 0.3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", help="a study file, or the name of a shipped one")
    parser.add_argument("--data", help="folder of the images, where they are not embedded")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--trainings", type=float, default=12.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--fronts", type=int, default=1, help="of the search, trained again")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--search-epochs", type=int, help="of the search's trainings")
    parser.add_argument("--limited", action="store_true", help="search under a memory limit")
    args = parser.parse_args()
    overrides: Any = {"seed": args.seed, "trials": 1000, "finalists_share": 0.0}
    if args.data is not None:
        overrides["data"] = {"source": "folder", "path": args.data}
    config, _ = load_study_config(args.study, overrides)
    folders = search(config, args.out, args.trainings, args.search_epochs, args.limited)
    for folder in folders:
        finalize_run(
            folder,
            seeds=args.seeds,
            fronts=args.fronts,
            epochs=config.recipe.epochs,
            on_event=ProgressLines(),
        )
        write_report(open_run(folder))
    tell([open_run(folder) for folder in folders], args.trainings)


def search(
    config: StudyConfig,
    out: Path,
    trainings: float,
    epochs: Optional[int] = None,
    is_limited: bool = False,
    training_s: Optional[float] = None,
) -> List[Path]:
    """Train the handcrafted networks, which shows how long one takes, and go on with the rest.

    With fewer ``epochs``, what a training of the study's epochs would take is reckoned from them.
    ``training_s`` is what it took elsewhere, and counts instead.
    Returns the folder of the paper's configuration and, under a limit, that of the search.
    """
    longer = config.recipe.epochs / (epochs or config.recipe.epochs)
    if epochs is not None:
        recipe = config.recipe.model_copy(update={"epochs": epochs})
        config = config.model_copy(update={"recipe": recipe})
    folder = out / "handcrafted" if is_limited else out
    first = config.model_copy(update={"trials": 3})
    records = run_training_study(first, out=folder, on_event=ProgressLines())
    measured = paper_of(records).measurement
    if training_s is None:
        epochs_s = sum(row["seconds"] for row in measured.history)
        training_s = measured.wall_s + (longer - 1) * epochs_s
    budget_s = trainings * training_s
    if not is_limited:
        again = config.model_copy(update={"time_budget": budget_s})
        run_training_study(again, out=folder, on_event=ProgressLines())
        return [folder]
    changes = {
        "time_budget": budget_s - sum(record.measurement.wall_s for record in records),
        "memory_limit": int((1 - LEAST_SAVED) * measured.metrics["peak_memory"].value),
        "memory_saver": "none",  # the network has to fit, not a way to train it
    }
    limited = config.model_copy(update=changes)
    run_training_study(limited, out=out / "limited", on_event=ProgressLines())
    return [folder, out / "limited"]


def paper_of(records: Sequence[TrialRecord]) -> TrialRecord:
    """Return the paper's configuration among a run's records."""
    (paper,) = (record for record in records if is_paper(record))
    return paper


def tell(runs: Sequence[Run], trainings: float) -> None:
    """Print what came of it; the first run has the paper's configuration, the last the search."""
    found = [finalists_of(run) for run in runs]
    rows = [row for one in found if one is not None for row in one.rows]
    paper = next(row for row in rows if is_paper(row) and row.means)
    records = [record for run in runs for record in run.records]
    trained = [record for record in records if record.measurement.history]
    spent = sum(record.measurement.wall_s for record in records)
    again = sum(len(row.seeds) * (row.wall_s or 0.0) for row in rows)
    print(
        f"\nsearch: {len(trained)} candidates in {spent:.0f} s of device time, at most "
        f"{trainings:g} trainings of {paper.name}; {summarise_pruning(records).sentence}"
    )
    print(f"finalists: {len(rows)} networks, {again:.0f} s")
    leaner = [row for row in rows if saved(row, paper) >= LEAST_SAVED]
    if not leaner:
        print(f"no finalist needs {LEAST_SAVED:.0%} less memory than {paper.name}")
        return
    best = max(leaner, key=lambda row: row.means["val_accuracy"].value)
    for row in (best, paper):
        mean = row.means["test_accuracy"].text("test_accuracy")
        print(f"{row.name}: {(row.peak_bytes or 0) / 2**20:.1f} MiB, test accuracy {mean}")
    accuracies = test_accuracies(runs[-1], best), test_accuracies(runs[0], paper)
    value, low, high = difference(*accuracies)
    num_images = num_images_of("test_accuracy", runs[0].identity)
    chance = float(probability_above(repeated_figure(accuracies, num_images), 0, [1])[0])
    print(
        f"{saved(best, paper):.0%} less peak training memory; test accuracy {100 * value:+.2f} "
        f"points ({100 * low:+.1f} to {100 * high:+.1f}); P(dominates) {chance:.2f}"
    )


def is_paper(row: Union[FinalistRow, TrialRecord]) -> bool:
    return (row.reference or "").partition(" x")[0] == PAPER


def saved(row: FinalistRow, paper: FinalistRow) -> float:
    return 1 - (row.peak_bytes or np.inf) / (paper.peak_bytes or np.nan)


def test_accuracies(run: Run, row: FinalistRow) -> List[float]:
    """Return those of a finalist's trainings."""
    names = {f"{row.name}, seed {place}" for place in range(1, len(row.seeds) + 1)}
    records = [r for r in open_run(run.folder.finalists).records if r.name in names]
    return [r.measurement.metrics["test_accuracy"].value for r in records]


def difference(ones: Sequence[float], others: Sequence[float]) -> Tuple[float, float, float]:
    """Return the difference of two means and Welch's 95% interval."""
    found = ttest_ind(ones, others, equal_var=False).confidence_interval(0.95)
    return float(np.mean(ones) - np.mean(others)), float(found.low), float(found.high)


if __name__ == "__main__":
    try:
        main()
    except NasEdgeError as error:
        sys.exit(f"error: {error}")
