"""Time the HTML report of a made-up run of 500 candidates, and say how large it is.

The candidates are random networks of the small space with 60 epochs of history and an estimate by
part each; accuracies and memories follow their sizes. Nothing is trained.

    python benchmarks/report_speed.py [--candidates 500] [--repeats 5] [--out FILE]
"""

from __future__ import annotations

import argparse
import platform
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from nas_edge import Architecture, Measurement, Metric, Run, SearchSpace, count_model, write_report
from nas_edge.candidate.measurement import DIVERGED, OVER_LIMIT
from nas_edge.study.records import TrialRecord
from nas_edge.study.run_folder import RunFolder

EPOCHS = 60
OBJECTIVES = ("val_accuracy", "peak_memory")
DEVICE = {"kind": "cpu", "name": "made-up machine"}
IMAGE_SIZE = 64


def made_up_run(num_candidates: int, folder: Path, seed: int = 0) -> Run:
    """Return a run that no storage holds: the references first, then random networks."""
    space = SearchSpace.load("xception_cnd_small")
    rng = random.Random(seed)
    named: List[Tuple[Optional[str], Architecture]] = [*space.references.items()]
    keys = {architecture.key for _, architecture in named}
    while len(named) < num_candidates:
        drawn = {name: rng.choice(values) for name, values in space.choices.items()}
        architecture = Architecture.from_parameters(drawn)
        if architecture.key not in keys:
            keys.add(architecture.key)
            named.append((None, architecture))
    records = [
        TrialRecord(i, one.key, one.to_dict(), name, _measured(i, one, rng, name is not None))
        for i, (name, one) in enumerate(named)
    ]
    identity: Dict[str, Any] = {
        "space": space.fingerprint(),
        "objectives": list(OBJECTIVES),
        "seed": seed,
        "recipe": {"epochs": EPOCHS, "image_size": IMAGE_SIZE},
        "data": {
            "identity": "made up",
            "classes": ["good", "defect"],
            "counts": {"train": 2000, "val": 500, "test": 500},
        },
    }
    return Run(RunFolder(folder, "made-up", "worker", None), OBJECTIVES, identity, tuple(records))


def _measured(
    number: int, architecture: Architecture, rng: random.Random, is_reference: bool
) -> Measurement:
    counts = count_model(architecture.plan, image_size=IMAGE_SIZE, num_outputs=1)
    memory = 10 * 2**20 + 30.0 * counts.num_params + 4.0 * counts.macs
    about = {"seed": number, "device": DEVICE, "wall_s": 60 + 1e-6 * counts.macs}
    if not is_reference and number % 17 == 0:
        details = {"needs_bytes": memory, "violation": 0.1}
        return Measurement(OVER_LIMIT, "needs more than the limit", details=details, **about)
    if not is_reference and number % 41 == 0:
        return Measurement(DIVERGED, "the loss became NaN in epoch 3", **about)
    accuracy = 0.9 - 0.3 * 2 ** (-counts.num_params / 4e5) + 0.02 * rng.random()
    metrics = {
        "val_accuracy": Metric(accuracy, "share", f"validation images, epoch {EPOCHS}"),
        "peak_memory": Metric(memory, "bytes", "made up"),
        "latency": Metric(1 + counts.macs / 1e6, "ms", "made up"),
        "params": Metric(counts.num_params, "count", "counted"),
        "macs": Metric(counts.macs, "count", "counted"),
    }
    return Measurement(
        metrics=metrics,
        history=_history(accuracy, memory, rng),
        versions={"nas_edge": "made up"},
        details={"estimate": {"parts": {"parameters": memory / 3, "activations": memory / 2}}},
        **about,
    )


def _history(accuracy: float, memory: float, rng: random.Random) -> Tuple[Dict[str, Any], ...]:
    return tuple(
        {
            "epoch": epoch,
            "loss": rng.random(),
            "train_accuracy": accuracy * epoch / EPOCHS,
            "val_accuracy": accuracy * epoch / EPOCHS * (0.9 + 0.1 * rng.random()),
            "peak_memory_bytes": memory * (0.99 + 0.01 * rng.random()),
            "mean_memory_bytes": memory * 0.9,
        }
        for epoch in range(1, EPOCHS + 1)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="keep the report here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        run = made_up_run(options.candidates, Path(temporary))
        out = options.out or Path(temporary) / "report.html"
        seconds = []
        for _ in range(options.repeats):
            started = time.perf_counter()
            write_report(run, out)
            seconds.append(time.perf_counter() - started)
        size = out.stat().st_size
    print(
        f"report of {options.candidates} candidates: median {statistics.median(seconds):.2f} s "
        f"({min(seconds):.2f} to {max(seconds):.2f}, {len(seconds)} repeats), "
        f"{size / 1e6:.2f} MB ({platform.machine()}, {platform.python_version()})"
    )


if __name__ == "__main__":
    main()
