"""What decides the crops, and what their classes are called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

from nas_edge.data.synthetic.defects import DEFECT_KINDS

NORMAL, DEFECT = "normal", "defect"  # as the synthetic set names them
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class PrepareOptions:
    """What decides the crops.

    Attributes:
        defects: "binary" (normal, defect) or "six" (normal and each of the six defects).
        size: Side of a crop in pixels; it shows about as many pixels of the board.
        count: Crops of all splits together, at most.
        seed: Decides the split of the boards and every crop.
        val: Share of the boards, and of the crops, for validation.
        test: Likewise for the test.
        per_defect: Most crops of one and the same defect.
    """

    defects: str = "binary"
    size: int = 224
    count: int = 20_000
    seed: int = 0
    val: float = 0.2
    test: float = 0.1
    per_defect: int = 20

    @property
    def class_names(self) -> Tuple[str, ...]:
        """The classes, in the order of their folders."""
        kinds = DEFECT_KINDS if self.defects == "six" else (DEFECT,)
        return tuple(sorted((NORMAL, *kinds)))
