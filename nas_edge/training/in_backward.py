"""An optimizer that steps inside the backward pass, so that gradients never stand all at once.

As soon as a group of parameters has its gradients it takes its step, and they are freed. The
weights are the plain optimizer's, bit by bit: every update is element-wise. Not with accumulated
gradients (micro-batches) nor with loss scaling (fp16), which need all gradients first.

Source:
    Lv et al. 2023, "Full parameter fine-tuning for large language models with limited resources"
    (LOMO), section 3.1; torch's hooks after a gradient's accumulation.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Sequence, Union

import torch
from torch import Tensor, nn

from nas_edge.config.study import RecipeConfig
from nas_edge.models.xception import XceptionNet
from nas_edge.training.recipe import build_optimizer
from nas_edge.training.savers import Saver


class InBackwardOptimizer:
    """One optimizer a group; has the methods of an optimizer that the training step uses.

    Args:
        groups: Parameters that step together, e.g. those of a residual block.
        make: From parameters to their optimizer.
    """

    def __init__(
        self,
        groups: Sequence[Sequence[Tensor]],
        make: Callable[[Sequence[Tensor]], torch.optim.Optimizer],
    ) -> None:
        self.optimizers = [make(group) for group in groups if group]
        self._missing = [len(_params(optimizer)) for optimizer in self.optimizers]
        for i, optimizer in enumerate(self.optimizers):
            for param in _params(optimizer):
                param.register_post_accumulate_grad_hook(self._hook(i))  # type: ignore[no-untyped-call]

    @property
    def param_groups(self) -> List[Dict[str, Any]]:
        """All groups; a learning rate set in them counts."""
        return [group for one in self.optimizers for group in one.param_groups]

    @property
    def state(self) -> Dict[Tensor, Any]:
        """Each parameter's state."""
        return {param: state for one in self.optimizers for param, state in one.state.items()}

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget gradients of a backward pass that was cut off."""
        for i, optimizer in enumerate(self.optimizers):
            optimizer.zero_grad(set_to_none=set_to_none)
            self._missing[i] = len(_params(optimizer))

    def step(self) -> None:
        """Do nothing: the steps were taken in the backward pass."""

    def state_dict(self) -> Dict[str, Any]:
        """Return every group's state."""
        return {"in_backward": [one.state_dict() for one in self.optimizers]}

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """Take up the state of `state_dict`."""
        for optimizer, one in zip(self.optimizers, state["in_backward"]):
            optimizer.load_state_dict(one)

    def _hook(self, group: int) -> Callable[[Tensor], None]:
        def on_gradient(_: Tensor) -> None:
            self._missing[group] -= 1
            if self._missing[group] == 0:
                optimizer = self.optimizers[group]
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                self._missing[group] = len(_params(optimizer))

        return on_gradient


def _params(optimizer: torch.optim.Optimizer) -> List[Tensor]:
    return [param for group in optimizer.param_groups for param in group["params"]]


AnyOptimizer = Union[torch.optim.Optimizer, InBackwardOptimizer]


def build_saving_optimizer(
    model: nn.Module, recipe: RecipeConfig, device: torch.device, saver: Saver
) -> AnyOptimizer:
    """Return the recipe's optimizer, in the backward pass where the saver has it there."""
    if not saver.optimizer_in_backward:
        return build_optimizer(model, recipe, device)
    assert isinstance(model, XceptionNet)
    parts: List[List[nn.Module]] = [[model.stem], *([block] for block in model.blocks)]
    parts.append([model.tail, model.head])
    groups = [
        [p for module in part for p in module.parameters() if p.requires_grad] for part in parts
    ]
    return InBackwardOptimizer(
        groups, lambda group: build_optimizer(nn.ParameterList(group), recipe, device)
    )
