"""What a word on the command line means: an architecture, a space, or a trial of a run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Mapping, Optional, Tuple, Union

from nas_edge.candidate.calibration import CALIBRATION_FILE, Calibration, load_calibration
from nas_edge.config.files import load_yaml, shipped_files
from nas_edge.errors import ConfigError, NasEdgeError, SpaceError
from nas_edge.space.architecture import Architecture
from nas_edge.space.references import REFERENCE_NAMES, parse_reference
from nas_edge.space.search_space import SearchSpace
from nas_edge.space.training_choices import describe_training, split_point

Found = Union[SearchSpace, Architecture]
PAPERS = {"classes": 2, "image_size": 224, "batch_size": 16, "optimizer": "adam"}


def find(what: str) -> Tuple[str, Found, Mapping[str, Any]]:
    """Return the name, the thing, and what it is trained by where nothing else is said.

    That is the run's own recipe and number of classes for a trial, the paper's for all others.

    Raises:
        ConfigError: If the word means nothing here; it says what would.
    """
    trial = re.match(r"^(.*):(\d+)$", what)
    if trial and Path(trial.group(1)).is_dir():
        return _trial(trial.group(1), int(trial.group(2)))
    if Path(what).is_file():
        data = load_yaml(Path(what))
        if "strides" in data and isinstance(data.get("stem"), dict) and "widths" in data["stem"]:
            return _candidate_file(what, data)
        return what, SearchSpace.load(what), PAPERS
    if what in shipped_files("search_spaces"):
        return what, SearchSpace.load(what), PAPERS
    try:
        return what, parse_reference(what), PAPERS
    except SpaceError as err:
        if what.partition(" x")[0] in REFERENCE_NAMES:
            raise ConfigError(str(err)) from err
    raise ConfigError(
        f"{what}: is no file, no RUN:TRIAL, no shipped search space "
        f"({', '.join(shipped_files('search_spaces'))}) and no handcrafted network "
        f"({', '.join(REFERENCE_NAMES)}, scaled e.g. 'xception-lite x0.25')"
    )


def find_calibration(what: str) -> Optional[Calibration]:
    """Return the calibration of the run that RUN:TRIAL names, or None."""
    trial = re.match(r"^(.*):(\d+)$", what)
    if trial is None or not Path(trial.group(1)).is_dir():
        return None
    return load_calibration(Path(trial.group(1)) / CALIBRATION_FILE)


def _candidate_file(what: str, data: Mapping[str, Any]) -> Tuple[str, Found, Mapping[str, Any]]:
    """A network's file, or a candidate's with how it was trained."""
    try:
        network, training = split_point(data)
        architecture = Architecture.from_dict(network)
    except SpaceError as err:
        raise SpaceError(f"{what}: {err}") from err
    return _named(what, training), architecture, {**PAPERS, **training}


def _named(name: str, training: Mapping[str, Any]) -> str:
    return f"{name}, trained with {describe_training(training)}" if training else name


def _trial(run: str, number: int) -> Tuple[str, Found, Mapping[str, Any]]:
    from nas_edge.study.run import open_run

    opened = open_run(run)
    record = opened.record(number)
    name = f"{run}:{number}" + (f" ({record.reference})" if record.reference else "")
    try:
        network, training = split_point(record.point)
        architecture = Architecture.from_dict(network)
    except (NasEdgeError, KeyError, TypeError, AttributeError) as err:
        raise ConfigError(
            f"{run}:{number}: must be a network of the template, but is another space's point"
        ) from err
    name = _named(name, training)
    identity = opened.identity
    if "recipe" not in identity or "data" not in identity:
        return name, architecture, {**PAPERS, **training}
    classes = len(identity["data"]["classes"])
    return name, architecture, {**identity["recipe"], **training, "classes": classes}
