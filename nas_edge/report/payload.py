"""What the page's script works with, as compact plain data, and safe to stand inside a page."""

from __future__ import annotations

import json
import shlex
from typing import Any, Dict, List, Mapping, Optional, Sequence

from nas_edge.candidate.measurement import finite_number
from nas_edge.config.units import format_seconds
from nas_edge.report.choices import differences, network_of
from nas_edge.report.estimates import parts_of
from nas_edge.report.facts import classes_of
from nas_edge.report.figures import has_quadrants
from nas_edge.report.layers import layers_of
from nas_edge.report.repeats import differ_in_seed_alone, groups_in, means_of
from nas_edge.report.rows import (
    SHOWN,
    format_metric,
    front_rows,
    metric_title,
    paper_record,
    training_text,
    unit_of,
)
from nas_edge.report.verdict import plain_source, verdict_of
from nas_edge.space.architecture import Architecture
from nas_edge.space.baselines import NETWORK_NAMES
from nas_edge.study.records import TrialRecord, direction_of
from nas_edge.study.run import Run

MAX_EPOCHS = 100  # points of a curve; a longer history is thinned, its last epoch kept
_CURVES = {
    "val_accuracy": 1.0,
    "train_accuracy": 1.0,
    "peak_memory_bytes": 2.0**20,
    "mean_memory_bytes": 2.0**20,
}


class Texts:
    """Texts that repeat (sources, devices), each kept once and named by its place."""

    def __init__(self) -> None:
        self.places: Dict[str, int] = {}

    def place(self, text: str) -> int:
        """Return a text's place, a new one if it is new."""
        return self.places.setdefault(text, len(self.places))


def payload(runs: Sequence[Run], labels: Sequence[str], frontiers: Sequence[float]) -> str:
    """Return the JSON of all runs, to stand in a script element as it is."""
    texts = Texts()
    data = {
        "metrics": {name: _metric(name, runs) for name in metrics_of(runs)},
        "runs": [
            _run(run, label, frontier) for run, label, frontier in zip(runs, labels, frontiers)
        ],
        "records": [one for index, run in enumerate(runs) for one in _records(run, index, texts)],
    }
    data["bars"] = [bar for index, run in enumerate(runs) for bar in _bars(run, index, runs, texts)]
    data["texts"] = list(texts.places)
    return safe_json(data)


def safe_json(data: Any) -> str:
    """Return JSON that no HTML parser reads as markup, e.g. ``</script>`` in a name."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def metrics_of(runs: Sequence[Run]) -> List[str]:
    """Return every figure's name: objectives first, then the known ones, then all others."""
    objectives = [name for run in runs for name in run.objectives]
    there = [name for run in runs for record in run.records for name in record.measurement.metrics]
    known = [name for name in SHOWN if name in set(there)]
    return list(dict.fromkeys([*objectives, *known, *there]))


def _metric(name: str, runs: Sequence[Run]) -> Dict[str, str]:
    unit = unit_of(name, (record for run in runs for record in run.records))
    return {"title": metric_title(name), "unit": unit, "direction": direction_of(name)}


def _run(run: Run, label: str, accuracy_frontier: float) -> Dict[str, Any]:
    data = run.identity.get("data")
    return {
        "label": label,
        "objectives": list(run.objectives),
        "first": verdict_of(run).number,
        "images": str(data.get("identity", "")) if isinstance(data, Mapping) else "",
        "quadrants": accuracy_frontier if has_quadrants(run.objectives) else None,
    }


def _records(run: Run, index: int, texts: Texts) -> List[Dict[str, Any]]:
    rows = front_rows(run.records, run.objectives)
    on_front = {row.record.number for row in rows if row.is_on_front}
    paper = paper_record(run.records)
    return [
        {
            **_record(record, texts),
            "run": index,
            "front": record.number in on_front,
            "paper": record is paper,
            "diff": [] if paper is None else differences(record, paper),
            "commands": _commands(run, record),
        }
        for record in run.records
    ]


def _record(record: TrialRecord, texts: Texts) -> Dict[str, Any]:
    measured = record.measurement
    network = network_of(record)
    device = f"{measured.device.get('kind', '')} {measured.device.get('name', '')}".strip()
    return {
        "number": record.number,
        "name": record.name,
        "key": record.key,
        "reference": record.reference is not None,
        "training": training_text(record),
        "outcome": measured.outcome,
        "reason": measured.reason,
        "seed": measured.seed,
        "time": format_seconds(measured.wall_s),
        "device": texts.place(device),
        "figures": {
            name: [
                _short(metric.value),
                format_metric(name, metric.value, metric.unit),
                texts.place(plain_source(metric.source)),
            ]
            for name, metric in measured.metrics.items()
        },
        "needs": _needs(measured.details),
        "layers": layers_of(network) if isinstance(network, Architecture) else None,
        "parts": {name: size for name, size in parts_of(record).items() if size},
        "curves": curves_of(measured.history),
    }


def _bars(run: Run, index: int, runs: Sequence[Run], texts: Texts) -> List[Dict[str, Any]]:
    """Return an error bar for each network with repeats, at the first of the runs that have it.

    Its figures are by name the mean, both ends of the 95% interval, and the source's place.
    """
    repeated = [other for other in runs if other is run or differ_in_seed_alone(run, other)]
    if repeated[0] is not run:
        return []
    bars = []
    for one in groups_in(repeated):
        first = one[0].measurement
        device = f"{first.device.get('kind', '')} {first.device.get('name', '')}".strip()
        figures = {
            name: [*map(_short, mean), texts.place(plain_source(first.metrics[name].source))]
            for name, mean in means_of(one, run.identity).items()
        }
        bars.append({"run": index, "device": texts.place(device), "figures": figures})
    return bars


def _needs(details: Mapping[str, Any]) -> Optional[float]:
    """Return what a candidate that did not fit needs at least, in bytes, if it is known."""
    return finite_number(details.get("needs_bytes", details.get("needs_more_than_bytes")))


def curves_of(history: Sequence[Mapping[str, Any]]) -> Dict[str, List[Optional[float]]]:
    """Return columns by name: epochs, accuracies as shares, memories in MiB, thinned."""
    step = -(-len(history) // MAX_EPOCHS) or 1
    rows = [*history[:-1:step], history[-1]] if history else []
    columns: Dict[str, List[Optional[float]]] = {}
    for name, scale in _CURVES.items():
        values = [_scaled(row.get(name), scale) for row in rows]
        if any(value is not None for value in values):
            columns[name] = values
    if columns:
        columns["epoch"] = [_scaled(row.get("epoch", i), 1.0) for i, row in enumerate(rows, 1)]
    return columns


def _scaled(value: Any, scale: float) -> Optional[float]:
    number = finite_number(value)
    return None if number is None else _short(number / scale, 5)


def _short(value: float, digits: int = 7) -> float:
    """A page needs no more digits than a screen shows."""
    return float(f"{value:.{digits}g}")


def _commands(run: Run, record: TrialRecord) -> List[List[str]]:
    network = network_of(record)
    if network is None:
        return []
    place = shlex.quote(f"{run.folder.path}:{record.number}")
    found = [
        ["layer by layer", f"nas-edge show {place}"],
        ["what training it costs", f"nas-edge estimate {place}"],
    ]
    if record.reference in NETWORK_NAMES:
        found.append(["train it by the paper's recipe", f"nas-edge reproduce {record.reference}"])
    if (run.folder.candidate(record.number) / "weights.pt").is_file():
        found.append(
            [
                "go on from its weights with your images",
                f"nas-edge reproduce --task pcb --setting finetune --data DIR --from {place}",
            ]
        )
    if isinstance(network, Architecture):
        found.append(["the model in Python", _python(network, _num_outputs(run))])
    return found


def _python(network: Architecture, num_outputs: int) -> str:
    return (
        "from nas_edge import Architecture, build_model\n"
        f"network = Architecture.from_json('{network.to_json()}')\n"
        f"model = build_model(network, num_outputs={num_outputs})"
    )


def _num_outputs(run: Run) -> int:
    num_classes = len(classes_of(run.identity))
    return 1 if num_classes <= 2 else num_classes
