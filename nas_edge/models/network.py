"""Any network of a study as a PyTorch model, with its counts: the template's, or a baseline.

Enters: an `Architecture` or a `Baseline`. Leaves: an untrained model of images (n, 3, h, w) in
[-1, 1] to logits (n, num_outputs), or its layers. A body and a head, so that a trained body can be
given a new head for another task.
"""

from __future__ import annotations

from typing import Dict, List, Mapping, Tuple

import torch
from torch import Tensor, nn

from nas_edge.errors import SpaceError, StudyError
from nas_edge.models.baselines import build_baseline, head_of_baseline, import_library
from nas_edge.models.counts import LayerCount, ModelCount, count_layers, total_of
from nas_edge.models.module_counts import count_module_layers, large_module_convolutions
from nas_edge.models.xception import build_model
from nas_edge.space.architecture import Architecture
from nas_edge.space.baselines import Network


def build_network(
    network: Network,
    num_outputs: int,
    *,
    dropout: float = 0.2,
    bn_momentum: float = 0.1,
    init: str = "he",
) -> nn.Module:
    """Return the untrained model of a network; the arguments are those of `build_model`.

    Raises:
        EnvironmentProblem: If a baseline's library is not installed.
    """
    if isinstance(network, Architecture):
        return build_model(
            network, num_outputs, dropout=dropout, bn_momentum=bn_momentum, init=init
        )
    return build_baseline(
        network.name, num_outputs, dropout=dropout, bn_momentum=bn_momentum, init=init
    )


def prepare_network(network: Network) -> None:
    """Import what a network is built with, so that it belongs to no measurement."""
    if not isinstance(network, Architecture):
        import_library(network.name)


def count_network_layers(network: Network, image_size: int, num_outputs: int) -> List[LayerCount]:
    """Return every layer with its output shape and counts.

    Raises:
        SpaceError: If the image is so small that a layer has no output.
    """
    if isinstance(network, Architecture):
        return count_layers(network.plan, image_size, num_outputs)
    head = head_of_baseline(network.name)
    try:
        return count_module_layers(_on_meta(network, num_outputs), image_size, head)
    except RuntimeError as err:
        raise SpaceError(
            f"image_size must be larger for {network.name}, but got {image_size}"
        ) from err


def count_network(network: Network, image_size: int, num_outputs: int) -> ModelCount:
    """Return the totals of `count_network_layers`."""
    return total_of(count_network_layers(network, image_size, num_outputs))


def large_network_convolutions(network: Network, image_size: int) -> Tuple[int, int]:
    """Return how many shapes of convolutions larger than 1x1 a baseline has, and dense weights."""
    return large_module_convolutions(_on_meta(network, 1), image_size)


def head_of(network: Network) -> str:
    """Return the name of the module that gives the logits."""
    return "head" if isinstance(network, Architecture) else head_of_baseline(network.name)


def freeze_body(model: nn.Module, head: str) -> None:
    """Leave only the head trainable."""
    for name, param in model.named_parameters():
        param.requires_grad_(name.startswith(f"{head}."))


def take_body(model: nn.Module, state: Mapping[str, Tensor], head: str, source: str) -> None:
    """Give a model another's trained weights and statistics, all but those of the head.

    Args:
        model: The new model, whose head stays as it is.
        state: The other's state.
        head: Name of the module that gives the logits, in both.
        source: Names the other in errors.
    Raises:
        StudyError: If the other is not the same network.
    """
    body = matching_body(model, state, head, source)
    model.load_state_dict({**model.state_dict(), **body})


def matching_body(
    model: nn.Module, state: Mapping[str, Tensor], head: str, source: str
) -> Dict[str, Tensor]:
    """Return what of a trained state is not the head's; the arguments are those of `take_body`.

    Raises:
        StudyError: If the state is not of the same network.
    """
    own = model.state_dict()
    body = {name: value for name, value in state.items() if not name.startswith(f"{head}.")}
    expected = {name for name in own if not name.startswith(f"{head}.")}
    if set(body) != expected or any(body[name].shape != own[name].shape for name in expected):
        raise StudyError(
            f"{source}: must hold the weights of the same network, but holds another's; name the "
            "run and trial that trained it"
        )
    return body


def _on_meta(network: Network, num_outputs: int) -> nn.Module:
    prepare_network(network)
    with torch.device("meta"):
        return build_network(network, num_outputs)
