"""A trained network in a file: what it is, and its weights; read without running anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Mapping

from torch import Tensor, isfinite

from nas_edge.errors import SpaceError, StudyError
from nas_edge.space.baselines import Network, network_from_dict
from nas_edge.training.checkpoint import load_checkpoint, save_checkpoint


@dataclass(frozen=True)
class SavedWeights:
    """A network and its trained state; ``about`` is what else the file says of it."""

    network: Network
    state: Mapping[str, Tensor]
    about: Mapping[str, Any] = field(default_factory=dict)


def save_weights(path: Path, network: Mapping[str, Any], state: Dict[str, Tensor]) -> None:
    """Write a trained state with the plain data of its network.

    Raises:
        OSError: If the disk is full or the folder cannot be written.
    """
    save_checkpoint(path, {"architecture": dict(network), "model": state})


def load_weights(path: Path) -> SavedWeights:
    """Return what `save_weights` wrote.

    Raises:
        StudyError: If there is no whole file of that kind, or a weight is NaN or infinite.
    """
    saved = load_checkpoint(path)
    if saved is None or not {"architecture", "model"} <= set(saved):
        raise _refusal(path, "is damaged" if path.is_file() else "there is no such file")
    state = saved["model"]
    if not _is_state(state):
        raise _refusal(path, "holds something else")
    if not all(bool(isfinite(tensor).all()) for tensor in state.values()):
        raise _refusal(path, "some of them are NaN or infinite")
    try:
        network = network_from_dict(saved["architecture"])
    except SpaceError as err:
        raise StudyError(f"{path}: {err}") from err
    about = {key: value for key, value in saved.items() if key not in ("architecture", "model")}
    return SavedWeights(network, state, about)


def _is_state(state: Any) -> bool:
    return isinstance(state, Mapping) and all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in state.items()
    )


def _refusal(path: Path, what: str) -> StudyError:
    return StudyError(
        f"{path}: must be the weights of a trained network, but {what}; train it anew with "
        "artifacts: {weights: true}"
    )
