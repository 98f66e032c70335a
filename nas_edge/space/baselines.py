"""The paper's other networks, which are no points of the Xception template: named, not built.

Here is what can be said without torch; `nas_edge.models.network` builds and counts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Mapping, Tuple, Union

from nas_edge.errors import SpaceError
from nas_edge.space.architecture import Architecture
from nas_edge.space.references import REFERENCE_NAMES, parse_reference
from nas_edge.space.training_choices import split_point

# The paper's two lightweight models, and the source of its strategies (Iandola et al. 2016).
BASELINE_NAMES: Tuple[str, ...] = ("efficientnetv2-b1", "mobilenetv2", "squeezenet")
NETWORK_NAMES: Tuple[str, ...] = (*REFERENCE_NAMES, *BASELINE_NAMES)
_KEY = "baseline"
START = "start"  # in a point: the weights that a network begins with
REPEAT = "repeat"  # in a point: which training of a network this is, and from which seed


@dataclass(frozen=True)
class Baseline:
    """A network of another template, by name.

    Raises:
        SpaceError: If there is none of that name.
    """

    name: str

    def __post_init__(self) -> None:
        if self.name not in BASELINE_NAMES:
            raise SpaceError(
                f"baseline must be one of {', '.join(BASELINE_NAMES)}, but got {self.name!r}"
            )

    @property
    def key(self) -> str:
        """Canonical key, of another form than an architecture's."""
        return f"{_KEY}:{self.name}"

    def to_dict(self) -> Dict[str, Any]:
        """Return plain data."""
        return {_KEY: self.name}


Network = Union[Architecture, Baseline]


def network_from_dict(data: Mapping[str, Any]) -> Network:
    """Return the network of plain data: a baseline's name, or an architecture's choices.

    Raises:
        SpaceError: If it is neither.
    """
    if isinstance(data, Mapping) and set(data) == {_KEY}:
        return Baseline(data[_KEY])
    return Architecture.from_dict(data)


def network_of_point(point: Mapping[str, Any]) -> Tuple[Network, Dict[str, Any]]:
    """Return the network of a trial's point, and how it was trained where that was searched.

    Raises:
        SpaceError: If the point is no network of the template and no baseline.
    """
    network, training = split_point(
        {key: v for key, v in point.items() if key not in (START, REPEAT)}
    )
    return network_from_dict(network), training


def network_of_name(name: str) -> Network:
    """Return the network that a name means, e.g. ``mobilenetv2`` or ``xception-lite x0.25``.

    Raises:
        SpaceError: If it means none.
    """
    return Baseline(name) if name in BASELINE_NAMES else parse_reference(name)
