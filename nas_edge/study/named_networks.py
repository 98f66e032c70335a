"""The paper's networks, and candidates carried to another task, as a space of named points.

A study of them searches nothing: the points that were asked for are its references, and each is
evaluated once. Points asked for later join the same study, so that all stand in one front.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Mapping, Optional

from nas_edge.candidate.evaluator import StartWeights
from nas_edge.errors import SpaceError
from nas_edge.space.baselines import (
    NETWORK_NAMES,
    START,
    Network,
    network_of_name,
    network_of_point,
)
from nas_edge.study.records import POINT

CANDIDATE = "candidate"  # the parameter's value for every network that is none of the paper's
_PARAMETER = "network"


@dataclass(frozen=True)
class NamedNetwork:
    """A network by its name in the study, and the trained weights that it begins with.

    ``origin`` says where those came from, as RUN:TRIAL.
    """

    name: str
    network: Network
    start: Optional[StartWeights] = None
    origin: str = ""


class NamedNetworks:
    """The space. ``references`` are the points that are asked for now, by name."""

    name = "named networks"
    num_points = len(NETWORK_NAMES)

    def __init__(self, points: Mapping[str, NamedNetwork]) -> None:
        self.references = dict(points)

    def suggest(self, trial: Any) -> NamedNetwork:
        """Return the point that a trial was enqueued with."""
        label = trial.suggest_categorical(_PARAMETER, (*NETWORK_NAMES, CANDIDATE))
        point = trial.user_attrs.get(POINT)
        return _plain_network(label) if point is None else self.from_json(point)

    def parameters(self, point: NamedNetwork) -> Dict[str, Any]:
        """Return the value of the one parameter."""
        return {_PARAMETER: point.name if point.name in NETWORK_NAMES else CANDIDATE}

    def contains(self, point: NamedNetwork) -> bool:
        """Return whether a point is what its name says."""
        return point.name not in NETWORK_NAMES or point.network == network_of_name(point.name)

    def key(self, point: NamedNetwork) -> str:
        """Return the network's canonical key, with the weights that it begins with."""
        return point.network.key + (f"<{point.start.digest}" if point.start else "")

    def to_json(self, point: NamedNetwork) -> Dict[str, Any]:
        """Return plain data of a point: the network's, and a group ``start``."""
        data = {**point.network.to_dict()}
        if point.start is not None:
            data[START] = {
                "name": point.name,
                "from": point.origin,
                "weights": str(point.start.path),
                "sha256": point.start.digest,
            }
        return data

    def from_json(self, data: Mapping[str, Any]) -> NamedNetwork:
        """Return the point of plain data; the inverse of `to_json`."""
        network, _ = network_of_point(data)
        start = data.get(START)
        if start is None:
            return NamedNetwork(_name_of(network), network)
        weights = StartWeights(Path(start["weights"]), start["sha256"])
        return NamedNetwork(start["name"], network, weights, start["from"])

    def fingerprint(self) -> Dict[str, Any]:
        """Return the same for all: which points are there is not what makes the study."""
        return {_PARAMETER: [*NETWORK_NAMES, CANDIDATE]}


def _plain_network(name: str) -> NamedNetwork:
    return NamedNetwork(name, network_of_name(name))


def _name_of(network: Network) -> str:
    for name in NETWORK_NAMES:
        if network_of_name(name) == network:
            return name
    raise SpaceError("a network without trained weights to begin with must be one of the paper's")
