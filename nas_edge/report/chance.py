"""How far two accuracies may lie apart by chance alone, given how many images they were read on."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Optional

from nas_edge.pareto import repeated_figure
from nas_edge.report.rows import format_metric
from nas_edge.study.records import TrialRecord

ACCURACY, TEST_ACCURACY = "val_accuracy", "test_accuracy"
_Z95 = 1.96


@dataclass(frozen=True)
class Chance:
    """Two accuracies' difference, and how far chance alone reaches (binomial, 95%), as shares."""

    difference: float
    reach: float
    num_images: int

    @property
    def is_within(self) -> bool:
        """Whether chance alone explains the difference."""
        return abs(self.difference) <= self.reach

    @property
    def sentence(self) -> str:
        """What that means, for people."""
        return (
            f"With {self.num_images} validation images two accuracies differ by up to "
            f"{100 * self.reach:.1f} points by chance (95%); the difference of "
            f"{100 * abs(self.difference):.1f} points is {'within' if self.is_within else 'beyond'}"
            " that, and seeds add to it."
        )


def chance_of(own: TrialRecord, base: TrialRecord, num_images: int) -> Optional[Chance]:
    """Return it for two networks' validation accuracy; None where that or the images are unknown.

    Args:
        own: One network.
        base: The one it is held against.
        num_images: Of validation; 0 where the run does not say.
    """
    a, b = own.value(ACCURACY), base.value(ACCURACY)
    if a is None or b is None or not num_images or not (0 <= a <= 1 and 0 <= b <= 1):
        return None
    variances = repeated_figure([[a], [b]], num_images).variances
    return Chance(a - b, _Z95 * sqrt(float(variances.sum())), num_images)


def reversal(own: TrialRecord, base: TrialRecord) -> str:
    """Return a sentence where the test images put two networks the other way round, else ""."""
    on_val, on_test = _difference(own, base, ACCURACY), _difference(own, base, TEST_ACCURACY)
    if on_val * on_test >= 0:
        return ""
    shares = [format_metric(TEST_ACCURACY, record.value(TEST_ACCURACY)) for record in (own, base)]
    return f"The test images put the two the other way round: {shares[0]} against {shares[1]}."


def _difference(own: TrialRecord, base: TrialRecord, name: str) -> float:
    """Return by how much one figure is above the other; 0 where one is unknown."""
    a, b = own.value(name), base.value(name)
    return 0.0 if a is None or b is None else a - b
