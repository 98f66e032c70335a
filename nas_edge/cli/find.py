"""What a word on the command line means: an architecture, a space, or a trial of a run."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any, Mapping, Optional, Tuple, Union

from nas_edge.candidate.calibration import CALIBRATION_FILE, Calibration, load_calibration
from nas_edge.config.files import load_yaml, shipped_files
from nas_edge.config.units import format_bytes
from nas_edge.errors import ConfigError, NasEdgeError, SpaceError
from nas_edge.space.baselines import (
    NETWORK_NAMES,
    Network,
    network_of_name,
    network_of_point,
)
from nas_edge.space.references import REFERENCE_NAMES
from nas_edge.space.search_space import SearchSpace
from nas_edge.space.training_choices import describe_training

Found = Union[SearchSpace, Network]
PAPERS = {"classes": 2, "image_size": 224, "batch_size": 16, "optimizer": "adam"}


def find(what: str) -> Tuple[str, Found, Mapping[str, Any]]:
    """Return the name, the thing, and what it is trained by where nothing else is said.

    That is the run's own recipe and number of classes for a trial, the paper's for all others.

    Raises:
        ConfigError: If the word means nothing here; it says what would.
    """
    trial = _run_and_number(what)
    if trial is not None:
        return _trial(*trial)
    if Path(what).is_file():
        data = load_yaml(Path(what))
        if isinstance(data.get("space"), str):
            raise ConfigError(
                f"{what}: must be a search space or a network, but is a study file; its space is "
                f"{data['space']!r}"
            )
        is_network = isinstance(data.get("stem"), dict) and "widths" in data["stem"]
        if ("strides" in data and is_network) or "baseline" in data:
            return _candidate_file(what, data)
        return what, SearchSpace.load(what), PAPERS
    if what in shipped_files("search_spaces"):
        return what, SearchSpace.load(what), PAPERS
    try:
        return what, network_of_name(what), PAPERS
    except SpaceError as err:
        if what.partition(" x")[0] in REFERENCE_NAMES:
            raise ConfigError(str(err)) from err
    raise ConfigError(f"{what}: {_why_nothing(what)}")


def _why_nothing(what: str) -> str:
    """Return what is missing in a word that means nothing here, or what it may have meant."""
    run, colon, number = what.rpartition(":")
    for folder in filter(None, (what, run)):
        if (Path(folder) / "run.json").is_file():
            return _numbers_of(folder)
    if Path(what).is_dir():
        return "is a folder, but not that of a run"
    if colon and number.isdigit():
        return f"there is no folder {run!r}"
    name, times, scale = what.partition(" x")
    spaces = list(shipped_files("search_spaces"))
    close = difflib.get_close_matches(name, [*spaces, *NETWORK_NAMES], n=1)
    if close:
        return f"there is no such file or network; did you mean {close[0] + times + scale!r}?"
    return (
        f"is no file, no RUN:TRIAL, no shipped search space ({', '.join(spaces)}) and no "
        f"handcrafted network ({', '.join(NETWORK_NAMES)}; the first three scaled, e.g. "
        "'xception-lite x0.25')"
    )


def _numbers_of(run: str) -> str:
    from nas_edge.study.run import open_run

    numbers = [record.number for record in open_run(run).records]
    if not numbers:
        return f"{run} is a run, but none of its candidates is measured yet"
    return (
        f"{run} is a run: add the number of a candidate, e.g. {run}:{numbers[-1]} "
        f"(there are {numbers[0]} to {numbers[-1]})"
    )


def find_calibration(what: str) -> Optional[Calibration]:
    """Return the calibration of the run that RUN:TRIAL names, or None."""
    trial = _run_and_number(what)
    return None if trial is None else load_calibration(Path(trial[0]) / CALIBRATION_FILE)


def finalist_of(what: str) -> Optional[str]:
    """Return what came of the network that RUN:TRIAL names as a finalist, in a line, or None."""
    trial = _run_and_number(what)
    if trial is None:
        return None
    from nas_edge.report.finalists import finalists_of
    from nas_edge.report.finalists_verdict import finalist_line
    from nas_edge.study.run import open_run

    found = finalists_of(open_run(trial[0]))
    rows = () if found is None else found.rows
    row = next((row for row in rows if row.number == trial[1]), None)
    return None if found is None or row is None else finalist_line(row, found.judge)


def measured_of(what: str) -> Optional[str]:
    """Return what training the candidate that RUN:TRIAL names did need, in a line, or None."""
    trial = _run_and_number(what)
    if trial is None:
        return None
    from nas_edge.study.run import open_run

    record = open_run(trial[0]).record(trial[1])
    peak = record.measurement.metrics.get("peak_memory")
    if peak is None:
        return None
    saver = record.measurement.details.get("memory_saver", "none")
    with_saver = "" if saver == "none" else f", memory saver {saver}"
    return (
        f"measured in {trial[0]}: peak training memory {format_bytes(peak.value)}"
        f"{with_saver} ({peak.source})"
    )


def _run_and_number(what: str) -> Optional[Tuple[str, int]]:
    trial = re.match(r"^(.*):(\d+)$", what)
    if trial is None or not Path(trial.group(1)).is_dir():
        return None
    return trial.group(1), int(trial.group(2))


def _candidate_file(what: str, data: Mapping[str, Any]) -> Tuple[str, Found, Mapping[str, Any]]:
    """A network's file, or a candidate's with how it was trained."""
    try:
        network, training = network_of_point(data)
    except SpaceError as err:
        raise SpaceError(f"{what}: {err}") from err
    return _named(what, training), network, {**PAPERS, **training}


def _named(name: str, training: Mapping[str, Any]) -> str:
    return f"{name}, trained with {describe_training(training)}" if training else name


def _trial(run: str, number: int) -> Tuple[str, Found, Mapping[str, Any]]:
    from nas_edge.report.facts import classes_of
    from nas_edge.study.run import open_run

    opened = open_run(run)
    record = opened.record(number)
    name = f"{run}:{number}" + (f" ({record.reference})" if record.reference else "")
    try:
        network, training = network_of_point(record.point)
    except (NasEdgeError, KeyError, TypeError, AttributeError) as err:
        raise ConfigError(
            f"{run}:{number}: must be a network, but is another space's point"
        ) from err
    name = _named(name, training)
    recipe, classes = opened.identity.get("recipe"), len(classes_of(opened.identity))
    if not isinstance(recipe, Mapping) or classes < 2:
        return name, network, {**PAPERS, **training}
    return name, network, {**recipe, **training, "classes": classes}
