"""RUN or RUN:TRIAL in, a trained network and its weights out: where a transfer begins."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Dict, Sequence

from nas_edge.candidate.evaluator import StartWeights
from nas_edge.errors import EnvironmentProblem, SpaceError, StudyError
from nas_edge.space.baselines import NETWORK_NAMES, Network, network_of_name, network_of_point
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
        if not names:
            raise StudyError(
                f"{source}: name one of its trials as RUN:TRIAL, or networks, or --all"
            )
        run = open_run(source)
        return {name: _named(run, _record_of(run, name), name) for name in names}
    run = open_run(match.group(1))
    record = run.record(int(match.group(2)))
    if not record.measurement.is_finished:
        raise StudyError(f"{source}: must be a finished trial, but {record.measurement.outcome}")
    name = _known_name(run, record) or f"{run.folder.path.resolve().name}:{record.number}"
    if names and list(names) != [name]:
        wanted = "one network" if len(names) > 1 else names[0]
        raise StudyError(
            f"{source}: must be {wanted}, but is {name}; give RUN alone for several networks"
        )
    return {name: _named(run, record, name)}


def _record_of(run: Run, name: str) -> TrialRecord:
    wanted = network_of_name(name)
    for record in run.records:
        if record.measurement.is_finished and network_of_record(run, record) == wanted:
            return record
    raise StudyError(f"{run.folder.path}: has no finished trial of {name}; train it there first")


def _known_name(run: Run, record: TrialRecord) -> str:
    network = network_of_record(run, record)
    return next((name for name in NETWORK_NAMES if network_of_name(name) == network), "")


def _named(run: Run, record: TrialRecord, name: str) -> NamedNetwork:
    origin = f"{run.folder.path}:{record.number}"
    path = weights_file(run, record)
    network = network_of_record(run, record)
    _check_weights(path, network)
    return NamedNetwork(name, network, StartWeights(path, sha256(path)), origin)


def weights_file(run: Run, record: TrialRecord) -> Path:
    """Return the file of a candidate's trained weights.

    Raises:
        StudyError: If its study did not keep them.
    """
    path = run.folder.candidate(record.number).resolve() / "weights.pt"
    if not path.is_file():
        elsewhere = " or the worker that trained it has them in its own folder"
        raise StudyError(
            f"{run.folder.path}:{record.number}: must have its weights kept, but there is no "
            f"{path.name} in {path.parent}; a study keeps them with artifacts: {{weights: true}}"
            + (elsewhere if run.folder.storage_url else "")
        )
    return path


def _check_weights(path: Path, network: Network) -> None:
    """Refuse, before a trial is made of it, a file that a training could not begin with."""
    import torch

    from nas_edge.models.network import build_network, head_of, matching_body, prepare_network
    from nas_edge.training.weights import load_weights

    state = load_weights(path).state
    prepare_network(network)
    with torch.device("meta"):
        model = build_network(network, 1)
    matching_body(model, state, head_of(network), str(path))


def network_of_record(run: Run, record: TrialRecord) -> Network:
    """Return a candidate's network.

    Raises:
        StudyError: If it is a point of a space that is not of networks.
    """
    try:
        return network_of_point(record.point)[0]
    except (SpaceError, TypeError, AttributeError) as err:
        raise StudyError(
            f"{run.folder.path}:{record.number}: must be a network, but is another space's point"
        ) from err


def sha256(path: Path) -> str:
    """Return the first 16 digits of a file's hash.

    Raises:
        EnvironmentProblem: If it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(2**20), b""):
                digest.update(block)
    except OSError as err:
        raise EnvironmentProblem(f"{path}: cannot be read ({err.strerror})") from err
    return digest.hexdigest()[:16]
