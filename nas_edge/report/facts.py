"""What a reader needs to judge and repeat a run: sources, device, versions, seeds, commands."""

from __future__ import annotations

import shlex
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from nas_edge.config.units import format_bytes, format_seconds
from nas_edge.report.choices import options_text
from nas_edge.report.rows import metric_title, outcome_counts
from nas_edge.report.verdict import plain_source
from nas_edge.space.baselines import NETWORK_NAMES, START
from nas_edge.space.training_choices import PREFIX
from nas_edge.study.pruning import summarise_pruning
from nas_edge.study.records import TrialRecord
from nas_edge.study.run import Run

Fact = Tuple[str, str]


def sources_of(records: Sequence[TrialRecord], objectives: Sequence[str]) -> List[Fact]:
    """Return each figure's title and what it was read from, the objectives first."""
    found: Dict[str, List[str]] = {}
    for record in records:
        for name, metric in record.measurement.metrics.items():
            source = plain_source(metric.source)
            if source not in found.setdefault(name, []):
                found[name].append(source)
    first = [name for name in objectives if name in found]
    rest = [name for name in found if name not in objectives]
    return [(metric_title(name), "; ".join(found[name])) for name in first + rest]


def facts_of(run: Run) -> List[Fact]:
    """Return what the run is, by name."""
    counts = ", ".join(
        f"{n} {kind.replace('_', ' ')}" for kind, n in outcome_counts(run.records).items()
    )
    facts = {"candidates": counts or "none"}
    pruning = summarise_pruning(run.records).sentence
    if pruning:
        facts["stopped early"] = pruning
    if run.records:
        facts["device"] = ", ".join(devices_of(run)) or "–"
        facts["versions"] = "; ".join(_versions(run.records)) or "–"
        facts["time"] = format_seconds(sum(r.measurement.wall_s for r in run.records))
    data = run.identity.get("data")
    if isinstance(data, Mapping):
        facts["images"] = images_text(run.identity) or "–"
        facts["classes"] = ", ".join(classes_of(run.identity)) or "–"
        facts["images' identity"] = str(data.get("identity", "–"))
    recipe = run.identity.get("recipe")
    if isinstance(recipe, Mapping):
        facts["recipe"] = ", ".join(
            f"{key} {value}" for key, value in recipe.items() if not isinstance(value, Mapping)
        )
        searched = _searched_training(run)
        if searched:
            facts["training searched"] = f"{searched}; the recipe's own for the handcrafted"
    limit = run.identity.get("memory_limit")
    facts["memory limit"] = format_bytes(limit) if isinstance(limit, (int, float)) else "none"
    facts["seed"] = str(run.identity.get("seed", "–"))
    return list(facts.items())


def images_text(identity: Mapping[str, Any]) -> str:
    """Return how many images each split has, e.g. ``800 train, 200 val``; "" if it is not said."""
    counts = _of_images(identity, "counts")
    pairs = counts.items() if isinstance(counts, Mapping) else ()
    return ", ".join(f"{count} {split}" for split, count in pairs)


def classes_of(identity: Mapping[str, Any]) -> List[str]:
    """Return the names of the classes; none where an evaluator of one's own says none."""
    classes = _of_images(identity, "classes")
    return list(map(str, classes)) if isinstance(classes, (list, tuple)) else []


def devices_of(run: Run) -> List[str]:
    """Return the names of the devices that measured a run."""
    names = (r.measurement.device.get("name") for r in run.records)
    return list(dict.fromkeys(str(name) for name in names if name))


def _of_images(identity: Mapping[str, Any], what: str) -> Any:
    data = identity.get("data")
    return data.get(what) if isinstance(data, Mapping) else None


def commands_of(run: Run) -> List[Fact]:
    """Return what to type: the same study once more, and this report once more."""
    folder = shlex.quote(str(run.folder.path))
    found: List[Fact] = []
    if (run.folder.path / "study.yaml").is_file():
        file = shlex.quote(str(run.folder.path / "study.yaml"))
        found.append(("the study once more", f"nas-edge run {file} --out ANOTHER_FOLDER"))
        found.append(("the front from new seeds", f"nas-edge finalize {folder}"))
    elif isinstance(run.identity.get("reproduce"), Mapping):
        found.append(("the networks once more", _reproduce_command(run)))
    found.append(("the front", f"nas-edge front {folder}"))
    found.append(("this report", f"nas-edge report {folder}"))
    return found


def _reproduce_command(run: Run) -> str:
    asked = run.identity["reproduce"]
    names = [record.name for record in run.records if record.name in NETWORK_NAMES]
    starts = [r.point.get(START) for r in run.records if isinstance(r.point, Mapping)]
    origins = [f"--from {shlex.quote(str(start['from']))}" for start in starts if start]
    options = [f"--{key} {shlex.quote(str(value))}" for key, value in asked.items()]
    recipe = run.identity.get("recipe", {})
    sizes = [
        f"--{option} {recipe[key]}"
        for option, key in (("epochs", "epochs"), ("image-size", "image_size"))
        if key in recipe
    ]
    data = ["--data DIR"] if asked.get("task") != "synthetic" else []
    seed = [f"--seed {run.identity.get('seed', 0)}", "--out ANOTHER_FOLDER"]
    return " ".join(["nas-edge reproduce", *names, *options, *origins[:1], *sizes, *data, *seed])


def _versions(records: Sequence[TrialRecord]) -> List[str]:
    lines = (
        ", ".join(
            f"{name} {version}" for name, version in r.measurement.versions.items() if version
        )
        for r in records
    )
    return list(dict.fromkeys(line for line in lines if line))


def _searched_training(run: Run) -> str:
    """Return the options of training beside the network, e.g. ``precision fp32 or bf16``."""
    prefix = f"{PREFIX}."
    space = run.identity.get("space")
    return "; ".join(
        f"{name[len(prefix) :]} {options_text(values)}"
        for name, values in (space.items() if isinstance(space, Mapping) else ())
        if name.startswith(prefix)
    )
