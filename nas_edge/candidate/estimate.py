"""What training a candidate will cost, before anything is allocated; by arithmetic, without torch.

Parameters and the optimizer's state are there all the time; the rest is largest at some operation
of the backward pass (`nas_edge.candidate.activations`). A constant for each shape of dense 3x3
convolution stands for what oneDNN compiles and copies. Within 7% of the measured probe, in fp32 and
bf16 (benchmarks/estimate_accuracy.py: 2-core AVX2 CPU, torch 2.13, channels_last, 48 to 96 px,
batch 16 and 32). With micro-batches the same constants weigh more: within 11%, and with 8-bit Adam,
which copies a large kernel that is not contiguous, up to 19% too low (64 px, quarter and half
width, parts of 4 and 8). On CUDA the libraries' workspaces are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import List

from nas_edge.candidate.activations import (
    Moment,
    backward_moments,
    num_dense_convolutions,
    while_accumulating,
)
from nas_edge.candidate.optimizer_states import optimizer_bytes
from nas_edge.config.study import RecipeConfig
from nas_edge.models.counts import count_model, tensor_sizes
from nas_edge.space.architecture import Architecture
from nas_edge.space.plan import Plan

SOURCE = "estimate (saved tensors and gradients by operation)"
# Of the estimate without the compiled kernels; what exceeds a limit even so is never started.
LOWER_BOUND_SHARE = 0.9
# What oneDNN keeps and works in for one shape of dense convolution, forward and backward: fitted
# over 9 networks, 48 to 96 px. For depthwise ones the fit gave nothing.
KERNEL_BYTES = 2860 * 1024


@dataclass(frozen=True)
class CostEstimate:
    """Counts, and bytes by part at the moment when a training step needs most."""

    num_params: int
    num_trainable: int
    macs: int
    parameter_bytes: int
    gradient_bytes: int
    optimizer_bytes: int
    activation_bytes: int
    workspace_bytes: int
    kernel_bytes: int

    @property
    def peak_bytes(self) -> int:
        """The sum of the parts."""
        return (
            self.parameter_bytes
            + self.gradient_bytes
            + self.optimizer_bytes
            + self.activation_bytes
            + self.workspace_bytes
            + self.kernel_bytes
        )

    @property
    def lower_bound_bytes(self) -> int:
        """What training needs at the least."""
        return int((self.peak_bytes - self.kernel_bytes) * LOWER_BOUND_SHARE)


def estimate_cost(
    architecture: Architecture, recipe: RecipeConfig, num_outputs: int
) -> CostEstimate:
    """Return the cost of training an architecture by a recipe.

    Raises:
        SpaceError: If the recipe's image size is too small for the network.
    """
    plan = architecture.plan
    counts = count_model(plan, recipe.image_size, num_outputs)
    peak = max(_moments(plan, recipe), key=lambda moment: moment.total)
    head = 4 * (plan.out_channels + 1) * num_outputs
    return CostEstimate(
        num_params=counts.num_params,
        num_trainable=counts.num_trainable,
        macs=counts.macs,
        parameter_bytes=4 * counts.num_params,
        gradient_bytes=peak.param_gradients + head,
        optimizer_bytes=optimizer_bytes(recipe, tensor_sizes(plan, num_outputs)),
        activation_bytes=peak.saved,
        workspace_bytes=peak.flowing,
        kernel_bytes=KERNEL_BYTES * num_dense_convolutions(plan, recipe.image_size),
    )


def _moments(plan: Plan, recipe: RecipeConfig) -> List[Moment]:
    """Return what is alive at each operation of a step's backward pass, or of its dearest part."""
    element_bytes = 4 if recipe.precision == "fp32" else 2
    num_parts = recipe.num_micro_batches(recipe.batch_size)
    largest = -(-recipe.batch_size // num_parts)
    moments = backward_moments(plan, recipe.image_size, largest, element_bytes)
    if num_parts == 1:
        return moments
    waiting = (recipe.batch_size - largest) * 3 * recipe.image_size**2
    return while_accumulating(moments, 4 * waiting)
