"""RUN or RUN:TRIAL in, a trained network and its weights out: where a transfer begins."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Dict, Sequence

from nas_edge.candidate.evaluator import StartWeights
from nas_edge.errors import EnvironmentProblem, SpaceError, StudyError
from nas_edge.space.baselines import NETWORK_NAMES, network_of_name, network_of_point
from nas_edge.study.named_networks import NamedNetwork
from nas_edge.study.records import TrialRecord
from nas_edge.study.run import Run, open_run


def find_sources(source: str, names: Sequence[str]) -> Dict[str, NamedNetwork]:
    """Return the trained networks that a transfer begins with, by their name in the new study.

    Args:
        source: RUN:TRIAL for one network, RUN for each name's in it.
        names: Networks of the paper; with RUN:TRIAL none, or the one that it is.
    Raises:
        StudyError: If the run has no such trial, or its weights were not kept.
    """
    match = re.match(r"^(.+):(\d+)$", source)
    if match is None:
        run = open_run(source)
        return {name: _named(run, _record_of(run, name), name) for name in names}
    run = open_run(match.group(1))
    record = run.record(int(match.group(2)))
    name = _known_name(record) or f"{run.name}:{record.number}"
    if names and list(names) != [name]:
        raise StudyError(f"{source}: must be {', '.join(names)}, but is {name}")
    return {name: _named(run, record, name)}


def _record_of(run: Run, name: str) -> TrialRecord:
    wanted = network_of_name(name)
    for record in run.records:
        try:
            network, _ = network_of_point(record.point)
        except (SpaceError, TypeError, AttributeError):
            continue
        if network == wanted and record.measurement.is_finished:
            return record
    raise StudyError(f"{run.folder.path}: has no finished trial of {name}; train it there first")


def _known_name(record: TrialRecord) -> str:
    network, _ = network_of_point(record.point)
    return next((name for name in NETWORK_NAMES if network_of_name(name) == network), "")


def _named(run: Run, record: TrialRecord, name: str) -> NamedNetwork:
    origin = f"{run.folder.path}:{record.number}"
    path = run.folder.candidate(record.number).resolve() / "weights.pt"
    if not path.is_file():
        raise StudyError(
            f"{origin}: must have its weights kept, but there is no {path.name} in "
            f"{path.parent}; a study keeps them with artifacts: {{weights: true}}"
        )
    network, _ = network_of_point(record.point)
    return NamedNetwork(name, network, StartWeights(path, _sha256(path)), origin)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(2**20), b""):
                digest.update(block)
    except OSError as err:
        raise EnvironmentProblem(f"{path}: cannot be read ({err.strerror})") from err
    return digest.hexdigest()[:16]
