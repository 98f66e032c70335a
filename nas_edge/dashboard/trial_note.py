"""A trial's note: its figures, its network in words and as a drawing, how it was trained."""

from __future__ import annotations

import shlex
from typing import Any, Dict, List, Mapping, Optional

import yaml

from nas_edge.config.units import format_seconds
from nas_edge.dashboard.markdown import code, code_block, escape, facts, table, trial_link
from nas_edge.dashboard.snapshot import Snapshot
from nas_edge.errors import NasEdgeError
from nas_edge.report.rows import format_metric, metric_title
from nas_edge.space.architecture import Architecture
from nas_edge.space.baselines import Baseline, network_of_point
from nas_edge.space.drawing import describe_architecture, draw_architecture
from nas_edge.space.training_choices import PREFIX
from nas_edge.study import records as attrs
from nas_edge.study.records import TrialRecord


def candidate_note(snapshot: Snapshot, record: TrialRecord, curve_url: Optional[str] = None) -> str:
    """Return the Markdown of a candidate that was measured, or failed with a reason.

    Args:
        snapshot: Of its study.
        record: The candidate.
        curve_url: Of the picture of its learning curve and its memory.
    """
    measured = record.measurement
    title = record.name if record.reference is None else f"{record.name}, trial {record.number}"
    outcome = escape(measured.outcome.replace("_", " ").capitalize())
    ended = f"{outcome} after {escape(format_seconds(measured.wall_s))}"
    parts = [
        f"## {escape(title)}",
        f"{ended}: **{escape(measured.reason)}**" if measured.reason else f"{ended}.",
    ]
    if curve_url is not None:
        parts.append(f"![accuracy and memory by epoch]({curve_url})")
    if measured.metrics:
        parts.append(_figures(snapshot, record))
    parts += ["### Network", *_network(record.point)]
    parts += ["### How it was trained", _configuration(snapshot, record)]
    if snapshot.where is not None:
        run = shlex.quote(f"{snapshot.where}:{record.number}")
        parts.append(f"Layer by layer: {code(f'nas-edge show {run}')}")
    return "\n\n".join(parts)


def other_note(snapshot: Snapshot, trial: Any) -> str:
    """Return the Markdown of a finished trial that is no candidate: a repeat, or withdrawn."""
    user = trial.user_attrs
    parts = [f"## trial {trial.number}"]
    if attrs.DUPLICATE_OF in user:
        known = trial_link(snapshot.study_id, int(user[attrs.DUPLICATE_OF]))
        parts.append(f"The network of {known} again: nothing was trained.")
    if attrs.FAILURE in user:
        parts.append(f"**No result**: {escape(str(user[attrs.FAILURE]))}")
    return "\n\n".join(parts)


def _figures(snapshot: Snapshot, record: TrialRecord) -> str:
    metrics = record.measurement.metrics
    order = [name for name in snapshot.objectives if name in metrics]
    order += [name for name in metrics if name not in order]
    rows = [
        [
            escape(metric_title(name)),
            escape(format_metric(name, metrics[name].value, metrics[name].unit)),
            escape(metrics[name].source),
        ]
        for name in order
    ]
    return table(["figure", "value", "read from"], rows)


def _network(point: Any) -> List[str]:
    try:
        network, _ = network_of_point(point)
    except (NasEdgeError, KeyError, TypeError, AttributeError):  # another space's point
        return [code_block(yaml.safe_dump(point, sort_keys=False, allow_unicode=True))]
    if isinstance(network, Baseline):
        return [f"{escape(network.name)}, a network of another template."]
    assert isinstance(network, Architecture)
    words = "\n".join(f"- {escape(line)}" for line in describe_architecture(network))
    return [words, code_block(draw_architecture(network))]


def _configuration(snapshot: Snapshot, record: TrialRecord) -> str:
    """Return the recipe with what was chosen for this candidate, machine and versions."""
    measured = record.measurement
    recipe = snapshot.identity.get("recipe")
    chosen = record.point.get(PREFIX) if isinstance(record.point, Mapping) else None
    shown: Dict[str, Any] = dict(recipe) if isinstance(recipe, Mapping) else {}
    shown.update(chosen if isinstance(chosen, Mapping) else {})
    if "memory_saver" in measured.details:
        shown["memory_saver"] = measured.details["memory_saver"]
    rows = [("recipe", _in_line(shown)), ("seed", str(measured.seed))]
    if measured.device:
        rows.append(("device", str(measured.device.get("name", measured.device.get("kind")))))
    rows.append(("versions", _in_line({k: v for k, v in measured.versions.items() if v})))
    return facts(rows)


def _in_line(data: Mapping[str, Any]) -> str:
    parts = []
    for name, value in data.items():
        if isinstance(value, Mapping):
            parts.append(f"{name} ({_in_line(value)})")
        elif value is not None:
            parts.append(f"{name} {value}")
    return ", ".join(parts)
