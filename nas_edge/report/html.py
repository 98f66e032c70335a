"""One HTML file about a run, that opens without a network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from nas_edge.candidate.measurement import METRICS
from nas_edge.config.files import load_yaml
from nas_edge.config.units import format_seconds
from nas_edge.errors import ConfigError
from nas_edge.report.figures import front_figure, has_quadrants, hypervolume_figure
from nas_edge.report.rows import (
    FrontRow,
    against_paper,
    changes,
    format_metric,
    front_rows,
    metric_title,
    outcome_counts,
    paper_record,
    shown_metrics,
    training_text,
)
from nas_edge.space.training_choices import PREFIX
from nas_edge.study.records import TrialRecord
from nas_edge.study.run import Run
from nas_edge.study.run_folder import unwritable, write_whole


def write_report(
    run: Run, out: Optional[Path] = None, accuracy_frontier: Optional[float] = None
) -> Path:
    """Write the report and return its path (``report.html`` in the run's folder by default).

    Raises:
        ConfigError: If the path is a folder, a device or a pipe.
        EnvironmentProblem: If the file cannot be written.
    """
    # The file that a link names, not the link, is written anew.
    path = Path(os.path.realpath(out or run.folder.path / "report.html"))
    if path.exists() and not path.is_file():
        raise ConfigError(f"--out {path}: must be a file or new, but is something else")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, render_report(run, accuracy_frontier))
    except OSError as err:
        raise unwritable(path, err) from err
    return out or run.folder.path / "report.html"


def render_report(run: Run, accuracy_frontier: Optional[float] = None) -> str:
    """Return the report's HTML; the accuracy frontier is the study's if none is given."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    if accuracy_frontier is None:
        accuracy_frontier = _accuracy_frontier(run)
    rows = front_rows(run.records, run.objectives)
    environment = Environment(
        loader=PackageLoader("nas_edge.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template("report.html").render(
        title=run.name,
        has_quadrants=has_quadrants(run.objectives),
        verdict=verdict(run.records, run.objectives),
        front_plot=plot_html(
            front_figure(run.records, run.objectives, accuracy_frontier), first=True
        ),
        growth_plot=plot_html(hypervolume_figure(run.records, run.objectives), first=False),
        heads=[metric_title(name) for name in shown_metrics(rows, run.objectives)],
        rows=[_cells(row, rows, run.objectives) for row in rows],
        candidates=[_candidate(record) for record in run.records],
        sources=_sources(run.records, run.objectives),
        facts=_facts(run),
        accuracy_frontier=f"{100 * accuracy_frontier:.0f}%",
    )


def _accuracy_frontier(run: Run) -> float:
    study = run.folder.path / "study.yaml"
    return float(load_yaml(study)["accuracy_frontier"] if study.is_file() else 0.7)


def verdict(records: Sequence[TrialRecord], objectives: Sequence[str]) -> str:
    """Return the sentence that matters first: what beats the paper's network, and by how much."""
    paper = paper_record(records)
    if paper is None:
        return "The paper's configuration is not among the candidates."
    if not paper.measurement.is_finished:
        reason = paper.measurement.reason
        return f"The paper's configuration ({paper.name}) has no figures: {reason}."
    relations = against_paper(records, objectives)
    better = [record for record in records if relations.get(record.number) == "dominates"]
    if not better:
        return f"No candidate dominates the paper's configuration ({paper.name})."
    best = max(better, key=lambda record: _gain(record, paper, objectives))
    gains = changes(best.measurement, paper.measurement, objectives)
    count = "One candidate dominates" if len(better) == 1 else f"{len(better)} candidates dominate"
    return (
        f"{count} the paper's configuration ({paper.name}), {best.name} by most: {gains} "
        "(one seed, validation images)."
    )


def _gain(record: TrialRecord, paper: TrialRecord, objectives: Sequence[str]) -> float:
    """Return the sum of relative gains, each in its own direction."""
    total = 0.0
    for name in objectives:
        value, other = record.value(name), paper.value(name)
        if value is None or not other:
            continue
        sign = 1.0 if name in METRICS and METRICS[name].direction == "maximize" else -1.0
        total += sign * (value / other - 1.0)
    return total


def plot_html(figure: Any, first: bool) -> str:
    """Return a plot as a part of a page; the first one brings plotly with it."""
    return str(
        figure.to_html(
            full_html=False,
            include_plotlyjs=first,
            config={"displaylogo": False, "responsive": True},
        )
    )


def _cells(row: FrontRow, rows: Sequence[FrontRow], objectives: Sequence[str]) -> Dict[str, Any]:
    names = shown_metrics(rows, objectives)
    training = training_text(row.record)
    return {
        "name": f"{row.record.name} ({training})" if training else row.record.name,
        "number": row.record.number,
        "is_reference": row.record.reference is not None,
        "is_on_front": row.is_on_front,
        "note": row.note,
        "cells": [format_metric(name, row.record.value(name)) for name in names],
    }


def _candidate(record: TrialRecord) -> Dict[str, Any]:
    measured = record.measurement
    return {
        "number": record.number,
        "name": record.name,
        "outcome": measured.outcome.replace("_", " "),
        "reason": measured.reason,
        "accuracy": format_metric("val_accuracy", record.value("val_accuracy")),
        "memory": format_metric("peak_memory", record.value("peak_memory")),
        "time": format_seconds(measured.wall_s),
        "seed": measured.seed,
        "point": _point_text(record.point),
    }


def _point_text(point: Any) -> str:
    """Return a point's choices in one line."""
    if not isinstance(point, dict):
        return str(point)
    parts: List[str] = []
    for flow, choices in point.items():
        if isinstance(choices, dict):
            inner = ", ".join(f"{key} {_short(value)}" for key, value in choices.items())
            parts.append(f"{flow}: {inner}")
        else:
            parts.append(f"{flow} {_short(choices)}")
    return "; ".join(parts)


def _short(value: Any) -> str:
    if value is None:
        return "none"
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)


def _sources(records: Sequence[TrialRecord], objectives: Sequence[str]) -> List[Dict[str, str]]:
    found: Dict[str, str] = {}
    for record in records:
        for name, metric in record.measurement.metrics.items():
            found.setdefault(name, metric.source.partition(", epoch ")[0])
    first = [name for name in objectives if name in found]
    rest = [name for name in found if name not in objectives]
    return [{"name": metric_title(name), "source": found[name]} for name in first + rest]


def _searched_training(run: Run) -> str:
    """Return the options of training beside the network, e.g. ``precision fp32 or bf16``."""
    prefix = f"{PREFIX}."
    return "; ".join(
        f"{name[len(prefix) :]} {' or '.join(map(_short, values))}"
        for name, values in run.identity.get("space", {}).items()
        if name.startswith(prefix)
    )


def _facts(run: Run) -> List[Dict[str, str]]:
    counts = ", ".join(
        f"{n} {kind.replace('_', ' ')}" for kind, n in outcome_counts(run.records).items()
    )
    facts = {"candidates": counts or "none"}
    if run.records:
        first = run.records[0].measurement
        facts["device"] = str(first.device.get("name", "–"))
        facts["versions"] = ", ".join(f"{k} {v}" for k, v in first.versions.items() if v) or "–"
        facts["time"] = format_seconds(sum(r.measurement.wall_s for r in run.records))
    data = run.identity.get("data")
    if isinstance(data, dict):
        facts["images"] = ", ".join(f"{n} {split}" for split, n in data["counts"].items())
        facts["classes"] = ", ".join(data["classes"])
    recipe = run.identity.get("recipe")
    if isinstance(recipe, dict):
        facts["recipe"] = ", ".join(
            f"{key} {value}" for key, value in recipe.items() if not isinstance(value, dict)
        )
        searched = _searched_training(run)
        if searched:
            facts["training searched"] = f"{searched}; the recipe's own for the handcrafted"
    facts["seed"] = str(run.identity.get("seed", "–"))
    facts["again"] = f"nas-edge run {run.folder.path / 'study.yaml'} --out ANOTHER_FOLDER"
    return [{"name": name, "value": value} for name, value in facts.items()]
