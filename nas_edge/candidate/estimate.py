"""What training a candidate will cost, before anything is allocated.

The network runs on the meta device (shapes without memory); the tensors that autograd keeps for the
backward pass are summed once per storage. Parameters, gradients and the optimizer's state are
added, and the two largest layer outputs for what a layer needs while it works. Within about 10% of
the measured peak; the calibrated estimate of a device comes from its probe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Set

from nas_edge.config.study import RecipeConfig
from nas_edge.models.counts import count_model
from nas_edge.space.architecture import Architecture

SOURCE = "estimate (meta device, saved tensors)"
LOWER_BOUND_SHARE = 0.8  # of the estimate; what exceeds a limit even so is never started


@dataclass(frozen=True)
class CostEstimate:
    """Counts, and bytes by part for one training step at the recipe's batch size."""

    num_params: int
    num_trainable: int
    macs: int
    parameter_bytes: int
    gradient_bytes: int
    optimizer_bytes: int
    activation_bytes: int
    workspace_bytes: int

    @property
    def peak_bytes(self) -> int:
        """The sum of the parts."""
        return (
            self.parameter_bytes
            + self.gradient_bytes
            + self.optimizer_bytes
            + self.activation_bytes
            + self.workspace_bytes
        )

    @property
    def lower_bound_bytes(self) -> int:
        """What training needs at the least."""
        return int(self.peak_bytes * LOWER_BOUND_SHARE)


def estimate_cost(architecture: Architecture, recipe: RecipeConfig, num_outputs: int) -> CostEstimate:
    """Return the cost of training an architecture by a recipe.

    Raises:
        SpaceError: If the recipe's image size is too small for the network.
    """
    import torch

    from nas_edge.models.xception import XceptionNet

    counts = count_model(architecture.plan, recipe.image_size, num_outputs)
    with torch.device("meta"):
        model = XceptionNet(architecture.plan, num_outputs, recipe.dropout, recipe.bn_momentum)
        images = torch.empty(recipe.batch_size, 3, recipe.image_size, recipe.image_size)
        labels = torch.zeros(recipe.batch_size, dtype=torch.int64)
    own = {_storage(t) for t in [*model.parameters(), *model.buffers()]}
    saved: Dict[Any, int] = {}
    outputs: List[int] = []

    def keep(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            saved[storage._cdata] = storage.nbytes()
            alive.append(storage)
        return tensor

    def note(module: Any, inputs: Any, output: Any) -> None:
        outputs.append(output.numel() * output.element_size())

    alive: List[Any] = []  # so that no storage's address is used twice
    handles = [m.register_forward_hook(note) for m in model.modules() if not list(m.children())]
    scale = 0.5 if recipe.precision != "fp32" else 1.0
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = model(images)
        torch.nn.functional.cross_entropy(logits.expand(-1, 2) if num_outputs == 1 else logits, labels)
    for handle in handles:
        handle.remove()
    trainable = sum(p.numel() for p in model.parameters()) * 4
    states = {"adam": 2, "adamw": 2, "sgd": 1 if recipe.momentum else 0}[recipe.optimizer]
    return CostEstimate(
        num_params=counts.num_params,
        num_trainable=counts.num_trainable,
        macs=counts.macs,
        parameter_bytes=sum(t.numel() * 4 for t in [*model.parameters(), *model.buffers()]),
        gradient_bytes=trainable,
        optimizer_bytes=trainable * states,
        activation_bytes=int(sum(saved.values()) * scale),
        workspace_bytes=int(sum(sorted(outputs)[-2:]) * scale),
    )


def _storage(tensor: Any) -> Any:
    return tensor.untyped_storage()._cdata


def estimated_needs(architectures: Set[Architecture], recipe: RecipeConfig, num_outputs: int) -> int:
    """Return the least lower bound of some architectures, in bytes."""
    return min(estimate_cost(a, recipe, num_outputs).lower_bound_bytes for a in architectures)
