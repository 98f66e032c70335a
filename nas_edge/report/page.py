"""The parts of the page that are there without a script: by run its verdict, lessons and course."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence

from nas_edge.candidate.measurement import FAILED, INFEASIBLE, STOPPED
from nas_edge.config.units import format_seconds
from nas_edge.report.choices import point_text
from nas_edge.report.course import outcome_rows, steps
from nas_edge.report.facts import commands_of, facts_of, sources_of
from nas_edge.report.figures import has_quadrants
from nas_edge.report.finalists import ACCURACIES, FORMULA, finalists_of
from nas_edge.report.finalists_verdict import percent
from nas_edge.report.growth import growth_svg
from nas_edge.report.learned import MIN_CANDIDATES, SURE_CANDIDATES, importances, shared_choices
from nas_edge.report.rows import (
    format_figure,
    format_metric,
    front_rows,
    metric_title,
    training_text,
)
from nas_edge.report.verdict import verdict_of
from nas_edge.study.records import TrialRecord, comparable
from nas_edge.study.run import Run

_MAX_IMPORTANCES = 12


def run_section(
    run: Run, label: str, accuracy_frontier: float, runs: Sequence[Run]
) -> Dict[str, Any]:
    """Return what the template says about one run."""
    finished = len(comparable(run.records, run.objectives))
    important = importances(run.records, run.objectives)
    return {
        "label": label,
        "verdict": verdict_of(run, runs),
        "finalists": finalists_section(run),
        "objectives": [metric_title(name) for name in run.objectives],
        "quadrants": f"{100 * accuracy_frontier:.0f}%" if has_quadrants(run.objectives) else None,
        "importances": [
            {
                "choice": one.choice,
                "cells": [
                    {"percent": round(100 * share), "best": best}
                    for share, best in zip(one.shares, one.best)
                ],
            }
            for one in important[:_MAX_IMPORTANCES]
        ],
        "num_left_out": max(0, len(important) - _MAX_IMPORTANCES),
        "is_unsure": finished < SURE_CANDIDATES,
        "num_finished": finished,
        "num_needed": MIN_CANDIDATES,
        "shared": shared_choices(run.records, run.objectives),
        "outcomes": [
            {"row": row, "time": format_seconds(row.wall_s)} for row in outcome_rows(run.records)
        ],
        "growth": growth_svg(steps(run.records, run.objectives)),
        "facts": facts_of(run),
        "sources": sources_of(run.records, run.objectives),
        "commands": commands_of(run),
    }


def finalists_section(run: Run) -> Optional[Dict[str, Any]]:
    """Return what the template says about a run's finalists, None where there are none."""
    found = finalists_of(run)
    if found is None:
        return None
    return {
        "heads": [f"{metric_title(name)} (95%)" for name in ACCURACIES],
        "rows": [
            {
                "row": row,
                "cells": [
                    row.means[name].text(name) if name in row.means else "–" for name in ACCURACIES
                ],
                "memory": format_metric("peak_memory", row.peak_bytes),
                "time": "–" if row.wall_s is None else format_seconds(row.wall_s),
                "chance": "the paper's" if row is found.paper else percent(row.probability),
            }
            for row in found.rows
        ],
        "formula": FORMULA,
        "notes": found.notes,
    }


def table_rows(run: Run, metrics: Sequence[str]) -> List[Dict[str, Any]]:
    """Return every candidate as cells, in the order of the page's data."""
    on_front = {
        row.record.number for row in front_rows(run.records, run.objectives) if row.is_on_front
    }
    return [_table_row(record, record.number in on_front, metrics) for record in run.records]


def _table_row(record: TrialRecord, is_on_front: bool, metrics: Sequence[str]) -> Dict[str, Any]:
    measured, training = record.measurement, training_text(record)
    return {
        "name": f"{record.name} ({training})" if training else record.name,
        "number": record.number,
        "is_reference": record.reference is not None,
        "outcome": measured.outcome.replace("_", " "),
        "kind": kind_of(record, is_on_front),
        "place": "on the front" if is_on_front else "dominated" if measured.is_finished else "",
        "cells": [(record.value(name), format_figure(record, name)) for name in metrics],
        "seconds": measured.wall_s,
        "time": format_seconds(measured.wall_s),
        "seed": measured.seed,
        "text": measured.reason or point_text(record.point),
    }


def kind_of(record: TrialRecord, is_on_front: bool) -> str:
    """Return the group that a candidate is filtered and coloured by."""
    outcome = record.measurement.outcome
    if outcome in INFEASIBLE:
        return "infeasible"
    if outcome in FAILED:
        return "failed"
    if outcome == STOPPED:
        return "stopped"
    return "front" if is_on_front else "dominated"
