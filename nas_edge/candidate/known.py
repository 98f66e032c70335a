"""What is known of a candidate before it trains: parameters, MACs, estimated peak memory."""

from __future__ import annotations

from typing import Dict, Mapping, Optional, Sequence, Union

from nas_edge.candidate.estimate import estimate_cost
from nas_edge.config.study import RecipeConfig
from nas_edge.errors import SpaceError
from nas_edge.space.architecture import Architecture
from nas_edge.space.training_choices import TrainedArchitecture

KNOWN_BEFORE_TRAINING = ("peak_memory", "params", "macs")


class KnownFigures:
    """From a point to `KNOWN_BEFORE_TRAINING` by name, in milliseconds.

    Args:
        recipe: The study's; a point that was chosen with its training brings values of its own.
        num_outputs: Logits.
        device: "cpu" or "cuda".
    """

    names: Sequence[str] = KNOWN_BEFORE_TRAINING

    def __init__(self, recipe: RecipeConfig, num_outputs: int, device: str) -> None:
        self._recipe = recipe
        self._num_outputs = num_outputs
        self._device = device

    def __call__(
        self, point: Union[Architecture, TrainedArchitecture]
    ) -> Optional[Mapping[str, float]]:
        """Return the figures; None for a point that cannot be trained at this image size."""
        recipe = self._recipe
        if isinstance(point, TrainedArchitecture):
            network, recipe = point.architecture, point.recipe(recipe)
        else:
            network = point
        try:
            found = estimate_cost(network, recipe, self._num_outputs, device=self._device)
        except SpaceError:
            return None
        figures: Dict[str, float] = {
            "peak_memory": found.peak_bytes,
            "params": found.num_params,
            "macs": found.macs,
        }
        return figures
