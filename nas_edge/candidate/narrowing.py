"""What writes a candidate's first weights, in a process of its own: from a wider trained network's.

The candidate's process then reads a file of its own shape, so that nothing of the wider network is
in its memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Mapping

import torch

from nas_edge.candidate.start import prepare
from nas_edge.errors import StudyError
from nas_edge.models.inheritance import inherit_weights
from nas_edge.models.xception import XceptionNet, build_model
from nas_edge.space.architecture import Architecture
from nas_edge.space.baselines import network_from_dict
from nas_edge.training.weights import load_weights, save_weights


def narrow(job: Mapping[str, Any], _: Any) -> Dict[str, Any]:
    """Write the narrower network's weights into ``job["into"]``, those of ``job["wider"]``.

    Raises:
        StudyError: If that file is damaged, or holds no network of the template.
    """
    recipe, _ = prepare(job)
    wider = _trained(Path(job["wider"]), job["num_outputs"])
    torch.manual_seed(job["seed"])
    model = build_model(_architecture(job["architecture"]), job["num_outputs"], init=recipe.init)
    inherit_weights(model, wider)
    save_weights(Path(job["into"]), job["architecture"], model.state_dict())
    return {}


def _trained(path: Path, num_outputs: int) -> XceptionNet:
    saved = load_weights(path)
    if not isinstance(saved.network, Architecture):
        raise StudyError(f"{path}: must hold a network of the template, but holds another")
    model = build_model(saved.network, num_outputs)
    model.load_state_dict(saved.state)
    return model


def _architecture(data: Mapping[str, Any]) -> Architecture:
    network = network_from_dict(data)
    assert isinstance(network, Architecture)
    return network
