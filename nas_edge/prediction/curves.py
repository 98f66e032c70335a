"""Where a learning curve that has begun will end, learned from whole ones, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Optional

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

RIDGE = 1e-2  # penalty on the weights: keeps few curves from fitting their own noise
LAST = 3  # epochs whose mean is less noisy than the last one alone
# Of the finals' variance, for curves left out: with less, their mean says as much.
LEAST_EXPLAINED = 0.0


@dataclass(frozen=True)
class Extrapolation:
    """Where a curve is expected to end, and what it reaches at most with the given confidence."""

    expected: float
    upper: float


class CurveExtrapolation:
    """A ridge regression of the final accuracy on accuracy and loss so far.

    From the accuracy the last, the mean of the last epochs and the best count, from the loss the
    logarithm of the mean of the last epochs.

    Its bound is calibrated: the error that it made on each finished curve, were that left out, is
    exceeded by one of twenty at a confidence of 0.95, whatever the errors' distribution is.

    Args:
        curves: Accuracy and loss on the validation images by epoch of finished trainings, shape
            (n, epochs, 2).
        finals: What counted in the end, shape (n,).
        confidence: Of the upper bound, above 0.5 and below 1.
    Source:
        Leave-one-out residuals of a linear smoother; the split conformal quantile of Lei et al.
        2018, "Distribution-free predictive inference for regression".
    """

    def __init__(self, curves: Floats, finals: Floats, confidence: float) -> None:
        self._curves = np.asarray(curves, dtype=np.float64)
        self._finals = np.asarray(finals, dtype=np.float64)
        self._confidence = confidence

    def extrapolate(self, begun: Floats) -> Optional[Extrapolation]:
        """Return where a curve will end; None where the finished ones do not tell.

        Args:
            begun: The curve so far, shape (epochs so far, 2).
        """
        rows = _features(self._curves[:, : len(begun)])
        penalty = np.diag([0.0, *[RIDGE] * (rows.shape[1] - 1)])
        inverse = np.linalg.inv(rows.T @ rows + penalty)
        weights = inverse @ rows.T @ self._finals
        leverage = np.einsum("ij,jk,ik->i", rows, inverse, rows)
        left_out = (self._finals - rows @ weights) / (1.0 - np.minimum(leverage, 0.9))
        if not self._explains(left_out):
            return None
        expected = float((_features(begun[None]) @ weights)[0])
        return Extrapolation(expected, expected + self._quantile(left_out))

    def _explains(self, left_out: Floats) -> bool:
        n = len(self._finals)
        # What the mean of the others misses by.
        by_mean = (self._finals - self._finals.mean()) * n / (n - 1)
        return bool(np.sum(left_out**2) <= (1.0 - LEAST_EXPLAINED) * np.sum(by_mean**2))

    def _quantile(self, residuals: Floats) -> float:
        """Return what a new curve's residual exceeds as seldom as was asked for."""
        n = len(residuals)
        rank = min(ceil((n + 1) * self._confidence), n)
        return float(np.sort(residuals)[rank - 1])


def _features(curves: Floats) -> Floats:
    """Return what a curve's end is told from: (n, epochs, 2) to (n, 5)."""
    accuracy, recent = curves[..., 0], curves[:, -LAST:].mean(axis=1)
    log_loss = np.log(np.maximum(recent[:, 1], 1e-9))
    best = accuracy.max(axis=1)
    return np.stack([np.ones(len(curves)), accuracy[:, -1], recent[:, 0], best, log_loss], axis=1)
