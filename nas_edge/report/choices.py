"""What a candidate is, in choices: flat, against the paper's configuration, in one line."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Tuple

from nas_edge.errors import NasEdgeError
from nas_edge.space.architecture import Architecture
from nas_edge.space.baselines import Network, network_of_point
from nas_edge.space.training_choices import PREFIX
from nas_edge.study.records import TrialRecord, flattened

MISSING = "–"


def network_of(record: TrialRecord) -> Optional[Network]:
    """Return the network that a candidate's point means, or None if it is another space's."""
    try:
        return network_of_point(record.point)[0]
    except (NasEdgeError, KeyError, TypeError, AttributeError, ValueError):
        return None


def flat_choices(record: TrialRecord) -> Dict[str, Any]:
    """Return the choices by name, e.g. ``{"entry.width1": 128, "train.precision": "bf16"}``."""
    network, point = network_of(record), record.point
    if not isinstance(network, Architecture):
        return flattened(point) if isinstance(point, Mapping) else {"point": _short(point)}
    training = point.get(PREFIX)
    more = flattened(training, f"{PREFIX}.") if isinstance(training, Mapping) else {}
    return {**network.parameters(), **more}


def differences(record: TrialRecord, paper: TrialRecord) -> List[Tuple[str, str, str]]:
    """Return the choices that differ from the paper's: name, the candidate's, the paper's.

    A network of another template, or another space's point, has none to compare.
    """
    if not isinstance(network_of(record), type(network_of(paper))):
        return []
    own, base = flat_choices(record), flat_choices(paper)
    names = [*own, *(name for name in base if name not in own)]
    return [
        (name, str(own.get(name, MISSING)), str(base.get(name, MISSING)))
        for name in names
        if own.get(name) != base.get(name)
    ]


def point_text(point: Any) -> str:
    """Return a point's choices in one line."""
    if not isinstance(point, Mapping):
        return str(point)
    parts: List[str] = []
    for flow, choices in point.items():
        if isinstance(choices, Mapping):
            inner = ", ".join(f"{key} {_short(value)}" for key, value in choices.items())
            parts.append(f"{flow}: {inner}")
        else:
            parts.append(f"{flow} {_short(choices)}")
    return "; ".join(parts)


def options_text(values: Any) -> str:
    """Return the values of one choice, e.g. ``fp32 or bf16``."""
    return " or ".join(map(_short, values))


def _short(value: Any) -> str:
    if value is None:
        return "none"
    return "-".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
