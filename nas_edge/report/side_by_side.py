"""Several runs beside each other: what differs between them, and which may share an axis."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence, Tuple

from nas_edge.config.units import format_bytes, format_seconds
from nas_edge.errors import StudyError
from nas_edge.report.facts import devices_of
from nas_edge.report.rows import format_metric, metric_title, outcome_counts, unit_of
from nas_edge.study.records import TrialRecord, comparable, direction_of
from nas_edge.study.run import Run

_ALWAYS = ("device", "candidates")


def labels_of(runs: Sequence[Run]) -> List[str]:
    """Return a name a run: the study's, with the folder's where studies share theirs."""
    names = [run.name for run in runs]
    labels = [
        run.name if names.count(run.name) == 1 else f"{run.name} ({run.folder.path.name})"
        for run in runs
    ]
    return [
        label if labels.count(label) == 1 else f"{label} #{index}"
        for index, label in enumerate(labels, 1)
    ]


def axis_groups(runs: Sequence[Run], objectives: Sequence[str]) -> List[List[int]]:
    """Return which runs may stand on one axis: same device, sources and images, by their places."""
    groups: List[List[int]] = []
    for index, run in enumerate(runs):
        for group in groups:
            if _may_share([runs[i] for i in group] + [run], objectives):
                group.append(index)
                break
        else:
            groups.append([index])
    return groups


def _may_share(runs: Sequence[Run], objectives: Sequence[str]) -> bool:
    if len({_images(run) for run in runs}) > 1:
        return False
    records: List[TrialRecord] = [record for run in runs for record in run.records]
    try:
        comparable(records, objectives)
    except StudyError:
        return False
    return True


def side_by_side(runs: Sequence[Run]) -> Dict[str, Any]:
    """Return a table, a column a run, without rows that are equal everywhere; and the groups."""
    columns = [_facts(run) for run in runs]
    names = list(dict.fromkeys(name for column in columns for name in column))
    rows: List[Tuple[str, List[str]]] = [
        (name, [column.get(name, "–") for column in columns]) for name in names
    ]
    kept = [row for row in rows if len(set(row[1])) > 1 or row[0] in _ALWAYS]
    objectives = [o for o in runs[0].objectives if all(o in run.objectives for run in runs)]
    groups = axis_groups(runs, objectives)
    return {
        "labels": labels_of(runs),
        "rows": kept + _shared_choices(runs),
        "num_groups": len(groups),
    }


def _facts(run: Run) -> Dict[str, str]:
    facts = {
        "device": ", ".join(devices_of(run)) or "–",
        "seed": str(run.identity.get("seed", "–")),
        "candidates": ", ".join(
            f"{n} {kind.replace('_', ' ')}" for kind, n in outcome_counts(run.records).items()
        ),
        "time": format_seconds(sum(record.measurement.wall_s for record in run.records)),
        "objectives": ", ".join(metric_title(name) for name in run.objectives),
    }
    facts.update({f"best {metric_title(name)}": _best(run, name) for name in run.objectives})
    facts.update({f"{metric_title(name)} from": _sources(run, name) for name in run.objectives})
    limit = run.identity.get("memory_limit")
    facts["images"] = _images(run) or "–"
    facts["memory limit"] = format_bytes(limit) if isinstance(limit, (int, float)) else "none"
    facts["choices of the space"] = str(len(_space(run)))
    recipe = run.identity.get("recipe")
    if isinstance(recipe, Mapping):
        facts.update({f"recipe: {key}": _joined(value) for key, value in recipe.items()})
    return facts


def _shared_choices(runs: Sequence[Run]) -> List[Tuple[str, List[str]]]:
    """Return the choices that every space has, with other values in some."""
    spaces = [_space(run) for run in runs]
    shared = [name for name in spaces[0] if all(name in space for space in spaces)]
    rows = [(f"choice: {name}", [_joined(space[name]) for space in spaces]) for name in shared]
    return [row for row in rows if len(set(row[1])) > 1]


def _space(run: Run) -> Mapping[str, Any]:
    """Return the choices by name; none of a space that tells its own in another form."""
    space = run.identity.get("space")
    return space if isinstance(space, Mapping) else {}


def _sources(run: Run, name: str) -> str:
    found = (record.measurement.metrics.get(name) for record in run.records)
    sources = {metric.source.partition(", epoch ")[0] for metric in found if metric is not None}
    return "; ".join(sorted(sources)) or "–"


def _best(run: Run, name: str) -> str:
    values = [
        value for value in (record.value(name) for record in run.records) if value is not None
    ]
    if not values:
        return "–"
    best = max(values) if direction_of(name) == "maximize" else min(values)
    return format_metric(name, best, unit_of(name, run.records))


def _joined(values: Any) -> str:
    if isinstance(values, Mapping):
        return ", ".join(f"{key} {value}" for key, value in values.items())
    return ", ".join(map(str, values)) if isinstance(values, (list, tuple)) else str(values)


def _images(run: Run) -> str:
    data = run.identity.get("data")
    return str(data.get("identity", "")) if isinstance(data, Mapping) else ""
