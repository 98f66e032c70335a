"""Ways to train the same network, to the same weights, in less memory and more time.

A saver is a checkpointing scheme with or without the optimizer's step in the backward pass. None
changes a loss, a gradient or a running statistic by a bit, so none is ever searched: the fastest
one that fits the memory limit is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Tuple

from nas_edge.config.study import RecipeConfig


@dataclass(frozen=True)
class Saver:
    """``checkpointing`` is "none", "unit" or "block" (nas_edge/models/checkpointing.py)."""

    checkpointing: str = "none"
    optimizer_in_backward: bool = False

    @property
    def name(self) -> str:
        """What files and options call it: none, unit, block, each with or without +optimizer."""
        if not self.optimizer_in_backward:
            return self.checkpointing
        return "optimizer" if self.checkpointing == "none" else f"{self.checkpointing}+optimizer"

    @classmethod
    def of(cls, name: str) -> Saver:
        """Return the saver of a name.

        Raises:
            ValueError: If there is none.
        """
        for saver in SAVERS:
            if saver.name == name:
                return saver
        known = ", ".join(saver.name for saver in SAVERS)
        raise ValueError(f"memory_saver must be auto or one of {known}, but got {name!r}")


# The fastest first (benchmarks/memory_savers.py).
SAVERS: Tuple[Saver, ...] = (
    Saver(),
    Saver("none", True),
    Saver("unit"),
    Saver("unit", True),
    Saver("block"),
    Saver("block", True),
)
PLAIN = SAVERS[0]


def usable_savers(recipe: RecipeConfig) -> List[Saver]:
    """Return the savers that a recipe allows, the fastest first.

    Accumulated gradients and loss scaling need every gradient before the optimizer's step. A frozen
    body keeps no activations, so that there is nothing to save.
    """
    if recipe.trainable == "head":
        return [PLAIN]
    needs_all = recipe.precision == "fp16" or recipe.micro_batch is not None
    return [saver for saver in SAVERS if not (saver.optimizer_in_backward and needs_all)]
