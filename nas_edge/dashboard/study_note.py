"""The study's note: what this is, what was found, what came of every candidate."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from nas_edge.candidate.measurement import FINISHED
from nas_edge.config.units import format_bytes, format_seconds
from nas_edge.dashboard.markdown import escape, facts, table, trial_link
from nas_edge.dashboard.snapshot import Snapshot
from nas_edge.report.facts import classes_of, images_text
from nas_edge.report.rows import (
    FrontRow,
    changes,
    format_figure,
    front_rows,
    metric_title,
    paper_record,
    shown_metrics,
    training_text,
)
from nas_edge.report.verdict import verdict_on
from nas_edge.study.pruning import summarise_pruning
from nas_edge.study.records import TrialRecord, direction_of

KEPT_BELOW = "*What is written below this line stays.*"
MOST_LINKS = 12  # of the trials that ended in one way
_COLUMNS = 6  # of figures in the front's table


def study_note(snapshot: Snapshot) -> str:
    """Return the Markdown of a study's note, without what its reader wrote below."""
    parts = [f"# {escape(snapshot.name)}"]
    if snapshot.problem:
        parts.append(f"**These figures do not compare**: {escape(snapshot.problem)}")
    elif snapshot.records:
        found = verdict_on(snapshot.records, snapshot.objectives, snapshot.identity)
        parts += [f"**{escape(found.sentence, 600)}**"]
        parts += [escape(found.certainty, 600)] if found.certainty else []
        parts += ["## The front", _front(snapshot)]
    parts += ["## Objectives", _objectives(snapshot)]
    parts += ["## What is searched", _facts(snapshot)]
    parts += ["## What came of the candidates", _outcomes(snapshot)]
    return "\n\n".join(parts)


def with_kept(note: str, stored: str) -> str:
    """Return a new note, with what a reader wrote below the line of the stored one.

    A stored note without the line is a reader's own, or was changed by one: it is kept whole.
    """
    rule = f"\n\n---\n\n{KEPT_BELOW}"
    _, line, kept = stored.partition(KEPT_BELOW)
    if not line and stored.strip():
        kept = f"\n\n{stored}"
    return note + rule + kept


def _front(snapshot: Snapshot) -> str:
    rows = front_rows(snapshot.records, snapshot.objectives)
    paper = paper_record(snapshot.records)
    names = shown_metrics(rows, snapshot.objectives)[:_COLUMNS]
    heads = ["", "candidate", *(escape(metric_title(name)) for name in names)]
    if paper is not None:
        heads.append("against the paper's")
    cells = []
    for row in rows:
        cells.append([_mark(row), _linked(snapshot, row.record)])
        cells[-1] += [escape(format_figure(row.record, name)) for name in names]
        if paper is not None:
            cells[-1].append(_against(row, paper, snapshot.objectives))
    key = "● on the front, ○ handcrafted and not on it."
    return f"{table(heads, cells)}\n\n{key}"


def _mark(row: FrontRow) -> str:
    return "●" if row.is_on_front else "○"


def _linked(snapshot: Snapshot, record: TrialRecord) -> str:
    training = training_text(record)
    link = trial_link(snapshot.study_id, record.number, record.name)
    return f"{link} {escape(training)}" if training else link


def _against(row: FrontRow, paper: TrialRecord, objectives: Sequence[str]) -> str:
    if not row.record.measurement.is_finished:
        return escape(row.note)
    if row.record is paper:
        return "the paper's configuration"
    return escape(changes(row.record.measurement, paper.measurement, objectives)) or "–"


def _objectives(snapshot: Snapshot) -> str:
    rows = []
    for name in snapshot.objectives:
        found = [r.measurement.metrics[name] for r in snapshot.records if r.value(name) is not None]
        sources = sorted({metric.source.partition(", epoch ")[0] for metric in found})
        better = "more" if direction_of(name) == "maximize" else "less"
        rows.append(
            [
                escape(metric_title(name)),
                escape(name),
                better,
                escape(found[0].unit if found else "–"),
                escape("; ".join(sources) or "–"),
            ]
        )
    return table(["objective", "in the plots", "better", "unit", "read from"], rows)


def _facts(snapshot: Snapshot) -> str:
    identity = snapshot.identity
    found: Dict[str, str] = {"task": snapshot.task}
    data = identity.get("data")
    if isinstance(data, Mapping):
        classes = classes_of(identity)
        found["images"] = images_text(identity)
        found["classes"] = f"{len(classes)}: {', '.join(classes)}" if classes else ""
    recipe = identity.get("recipe")
    if isinstance(recipe, Mapping):
        found["training"] = _recipe(recipe)
    found["device"] = _device(snapshot)
    if "memory_limit" in identity:
        limit = identity["memory_limit"]
        found["memory limit"] = "none" if limit is None else format_bytes(limit)
    pruning = summarise_pruning(snapshot.records).sentence
    if pruning:
        found["stopped early"] = pruning
    references = [r.name for r in snapshot.records if r.reference]
    found["references"] = ", ".join(references) or "none"
    found["seed"] = str(identity.get("seed", "–"))
    found["time spent"] = format_seconds(sum(r.measurement.wall_s for r in snapshot.records))
    if snapshot.where is not None:
        found["run"] = snapshot.where
    return facts(found.items())


def _recipe(recipe: Mapping[str, Any]) -> str:
    epochs = "{} epoch" if recipe.get("epochs") == 1 else "{} epochs"
    named = (
        (epochs, "epochs"),
        ("{} px", "image_size"),
        ("batch {}", "batch_size"),
        ("{}", "optimizer"),
        ("{}", "precision"),
        ("{} loss", "loss"),
    )
    return ", ".join(text.format(recipe[key]) for text, key in named if recipe.get(key))


def _device(snapshot: Snapshot) -> str:
    devices: List[Any] = [snapshot.identity.get("device")]
    devices += [record.measurement.device for record in snapshot.records]
    for device in devices:
        if isinstance(device, Mapping) and device:
            name, kind = device.get("name"), device.get("kind")
            return f"{name} ({kind})" if name and kind else str(name or kind)
    return ""


def _outcomes(snapshot: Snapshot) -> str:
    """Return how many ended in which way, and why."""
    rows = []
    for outcome, records in _by_outcome(snapshot.records):
        numbers = [record.number for record in records]
        rows.append(_row(snapshot, outcome, numbers, _reason(records)))
    candidates = {record.number for record in snapshot.records}
    repeated = snapshot.repeated
    given_up = set(snapshot.numbers("FAIL")) - candidates - set(repeated)
    others = (
        ("stopped early", sorted(set(snapshot.numbers("PRUNED")) - candidates - set(repeated)), ""),
        ("repeated", repeated, "the network of an earlier candidate: not trained again"),
        ("given up", sorted(given_up), "before anything was measured"),
        ("running", snapshot.numbers("RUNNING"), ""),
        ("waiting", snapshot.numbers("WAITING"), ""),
    )
    rows += [_row(snapshot, *other) for other in others if other[1]]
    if not rows:
        return "No candidate has begun."
    return table(["outcome", "candidates", "why", "trials"], rows)


def _by_outcome(records: Sequence[TrialRecord]) -> List[Tuple[str, List[TrialRecord]]]:
    """Return the records in groups of one outcome and, figures aside, one reason."""
    groups: Dict[Tuple[str, str], List[TrialRecord]] = {}
    for record in records:
        measured = record.measurement
        alike = re.sub(r"\d[\d.,]*", "#", measured.reason)
        groups.setdefault((measured.outcome, alike), []).append(record)
    ordered = sorted(groups.items(), key=lambda group: group[0][0] != FINISHED)
    return [(outcome.replace("_", " "), found) for (outcome, _), found in ordered]


def _reason(records: Sequence[TrialRecord]) -> str:
    reasons = {record.measurement.reason for record in records}
    first = records[0].measurement.reason
    return first if len(reasons) == 1 else f"e.g. {first}"


def _row(snapshot: Snapshot, outcome: str, numbers: Sequence[int], why: str) -> List[str]:
    return [
        escape(outcome),
        str(len(numbers)),
        escape(why),
        _links(snapshot, outcome, numbers),
    ]


def _links(snapshot: Snapshot, outcome: str, numbers: Sequence[int]) -> str:
    if outcome in ("finished", "waiting"):
        return ""
    shown = [trial_link(snapshot.study_id, n, str(n)) for n in numbers[:MOST_LINKS]]
    return ", ".join(shown) + (" …" if len(numbers) > MOST_LINKS else "")
