"""A candidate's files: architecture, history, learning curve, measurement."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any, List, Mapping, Sequence

import yaml

from nas_edge.candidate.measurement import Measurement
from nas_edge.study.run_folder import write_whole


def write_candidate(folder: Path, point: Any, measurement: Measurement) -> List[Path]:
    """Write a candidate's files; ``measurement.json`` comes last and says that all are there.

    Returns:
        The small files that Optuna's dashboard shows.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shown = [folder / "architecture.yaml"]
    write_whole(shown[0], yaml.safe_dump(point, sort_keys=False, default_flow_style=None))
    if measurement.history:
        shown.append(folder / "history.csv")
        write_whole(shown[1], _csv(measurement.history))
        shown.append(folder / "curve.png")
        draw_curve(measurement.history, shown[2])
    write_whole(folder / "measurement.json", json.dumps(measurement.to_dict(), indent=1))
    return shown


def draw_curve(history: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw accuracy and memory by epoch (the paper's Figure 3 for one candidate)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    epochs = [row["epoch"] for row in history]
    figure = Figure(figsize=(7.0, 2.8), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    accuracy, memory = figure.subplots(1, 2)
    accuracy.plot(
        epochs, [row["train_accuracy"] for row in history], color="#999999", label="train"
    )
    accuracy.plot(epochs, [row["val_accuracy"] for row in history], color="#0b6e4f", label="val")
    accuracy.set(xlabel="epoch", ylabel="accuracy", ylim=(0.0, 1.0))
    accuracy.legend(frameon=False)
    memory.plot(
        epochs, [row["peak_memory_bytes"] / 2**20 for row in history], color="#b23a48", label="peak"
    )
    memory.plot(
        epochs, [row["mean_memory_bytes"] / 2**20 for row in history], color="#e0a458", label="mean"
    )
    memory.set(xlabel="epoch", ylabel="memory in training (MiB)")
    memory.set_ylim(bottom=0.0)
    memory.legend(frameon=False)
    figure.savefig(path, format="png")


def _csv(history: Sequence[Mapping[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return out.getvalue()
