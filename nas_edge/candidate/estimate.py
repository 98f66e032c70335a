"""What training a candidate will cost, before anything is allocated; by arithmetic, without torch.

The quick tier of the estimate, in milliseconds: parameters and the optimizer's state are there all
the time; the rest is largest at some operation of the backward pass (`activations.py`). The exact
tier (`simulation.py`) runs the training step itself on tensors without contents, savers included;
for the plain step the two agree within 1%. Neither sees what libraries allocate: three constants
stand for what oneDNN compiles and copies on a CPU, and a calibration by probes (`calibration.py`)
for the rest. 8-bit Adam copies a large kernel that is not contiguous, which neither sees: up to 19%
too low without a calibration (half width, 64 px).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, List, Mapping, Optional

from nas_edge.candidate.activations import (
    Moment,
    backward_moments,
    large_convolutions,
    while_accumulating,
)
from nas_edge.candidate.calibration import Calibration
from nas_edge.candidate.optimizer_states import optimizer_bytes
from nas_edge.config.study import RecipeConfig
from nas_edge.models.counts import count_model, tensor_sizes
from nas_edge.space.architecture import Architecture
from nas_edge.space.plan import Plan

QUICK, EXACT = "quick", "exact"
SOURCES = {
    QUICK: "estimate (saved tensors and gradients by operation)",
    EXACT: "estimate (a training step on tensors without contents)",
}
# Of a calibrated estimate; what exceeds a limit even so is never started. The worst error measured
# is below a tenth (benchmarks/estimate_accuracy.py).
LOWER_BOUND_SHARE = 0.9
# What oneDNN keeps and works in: code and tables, some for each shape of convolution larger
# than 1x1, and copies of the dense ones' weights and gradients. Fitted over 36 random networks
# with every saver, and references at full and half width, 64 and 96 px: 1.6% mean error.
LIBRARY_BYTES = int(2.8 * 2**20)
SHAPE_BYTES = int(0.32 * 2**20)
DENSE_WEIGHT_COPIES = 1.75
FLOWS = ("stem", "entry", "middle", "exit", "head")
BODY = "body"  # of a network of another template, in place of its flows


@dataclass(frozen=True)
class CostEstimate:
    """Counts, and bytes by part at the moment when a training step needs most.

    Args:
        num_params: Moving statistics included.
        num_trainable: Without them.
        macs: For one image.
        parts: "parameters", "gradients", "optimizer" (its state), "activations stem" to
            "activations head" (kept for the backward pass), "workspace" (gradients on their way,
            temporary results), "kernels" (what the convolution library keeps).
        tier: "quick" or "exact".
        calibration: From probes on the device that will train, or None.
    """

    num_params: int
    num_trainable: int
    macs: int
    parts: Mapping[str, int]
    tier: str = QUICK
    calibration: Optional[Calibration] = None

    @property
    def simulated_bytes(self) -> int:
        """The sum of the parts."""
        return sum(self.parts.values())

    @property
    def peak_bytes(self) -> int:
        """The peak training memory that a probe will measure; calibrated where that is possible."""
        if self.calibration is None:
            return self.simulated_bytes
        return self.calibration.predict_bytes(self.tier, self.simulated_bytes)

    @property
    def lower_bound_bytes(self) -> int:
        """What training needs at the least."""
        if self.calibration is None:
            return int((self.simulated_bytes - self.parts.get("kernels", 0)) * LOWER_BOUND_SHARE)
        return int(self.peak_bytes * LOWER_BOUND_SHARE)

    @property
    def latency_ms(self) -> Optional[float]:
        """A first guess of the inference latency from the MACs; None without a calibration."""
        return None if self.calibration is None else self.calibration.predict_latency_ms(self.macs)

    @property
    def source(self) -> str:
        """What the figures come from."""
        calibrated = "" if self.calibration is None else f", {self.calibration.source}"
        return SOURCES[self.tier] + calibrated

    def with_calibration(self, calibration: Optional[Calibration]) -> CostEstimate:
        """Return the estimate as probes of the device correct it."""
        return replace(self, calibration=calibration)


def estimate_cost(
    architecture: Architecture,
    recipe: RecipeConfig,
    num_outputs: int,
    *,
    calibration: Optional[Calibration] = None,
    device: str = "cpu",
) -> CostEstimate:
    """Return the cost of training an architecture by a recipe: the quick tier, no saver.

    Args:
        architecture: The network.
        recipe: Its image size, batch, optimizer, precision.
        num_outputs: Logits.
        calibration: From probes on the device, where there is one.
        device: "cpu" or "cuda", where no compiled kernels of oneDNN are kept.
    Raises:
        SpaceError: If the recipe's image size is too small for the network.
    """
    plan = architecture.plan
    counts = count_model(plan, recipe.image_size, num_outputs)
    peak = max(_moments(plan, recipe), key=lambda moment: moment.total)
    head = 4 * (plan.out_channels + 1) * num_outputs
    parts = {
        "parameters": 4 * counts.num_params,
        "gradients": peak.param_gradients + head,
        "optimizer": optimizer_bytes(recipe, tensor_sizes(plan, num_outputs)),
        **{f"activations {flow}": size for flow, size in peak.kept.items()},
        "workspace": peak.flowing,
        "kernels": kernel_bytes(*large_convolutions(plan, recipe.image_size), device),
    }
    return CostEstimate(
        counts.num_params, counts.num_trainable, counts.macs, in_order(parts), QUICK, calibration
    )


def kernel_bytes(num_shapes: int, dense_weights: int, device: str) -> int:
    """Return what the convolution library keeps, as far as it is known: on a CPU.

    Args:
        num_shapes: Shapes of convolutions larger than 1x1.
        dense_weights: Those of them that are not depthwise.
        device: "cpu" or "cuda".
    """
    if device != "cpu":
        return 0
    copies = int(DENSE_WEIGHT_COPIES * 4 * dense_weights)
    return LIBRARY_BYTES + SHAPE_BYTES * num_shapes + copies


def in_order(parts: Mapping[str, int]) -> Dict[str, int]:
    """Return the parts in the order in which they are shown."""
    names = ["parameters", "gradients", "optimizer"]
    flows = (BODY, "head") if f"activations {BODY}" in parts else FLOWS
    names += [*(f"activations {flow}" for flow in flows), "workspace", "kernels"]
    return {name: parts.get(name, 0) for name in names}


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
