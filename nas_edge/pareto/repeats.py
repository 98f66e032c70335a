"""Figures that were measured several times: means, how sure they are, and a front that knows it.

In go the repeats of each point, e.g. accuracies of one network trained from several seeds; out come
means with Student's intervals, the probability that one point's true mean is above another's, and
the points that no other beats with a given confidence. A point without repeats borrows its standard
deviation: pooled over those that have some; where none has, that of so many images (binomial). The
pooled one assumes that all points scatter alike, the binomial one knows of the images alone and not
of the seeds. NumPy and SciPy only; every other objective is taken as exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, Sequence, Tuple

import numpy as np
import numpy.typing as npt

from nas_edge.errors import ParetoError
from nas_edge.pareto.losses import checked_losses, checked_vector

Floats = npt.NDArray[np.float64]
OWN = "own repeats"
POOLED = "pooled over the others' repeats"
BINOMIAL = "binomial"


@dataclass(frozen=True)
class RepeatedFigure:
    """One figure of k points, as a mean with what is known of its scatter.

    Attributes:
        means: Shape (k,).
        counts: Shape (k,), how many repeats each has.
        variances: Shape (k,), of one repeat; the mean's is this by the count.
        freedoms: Shape (k,), degrees of freedom of the variances; infinite for binomial ones.
        sources: What each variance is from: `OWN`, `POOLED` or `BINOMIAL`.
    """

    means: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]
    variances: npt.NDArray[np.float64]
    freedoms: npt.NDArray[np.float64]
    sources: Tuple[str, ...]

    @property
    def deviations(self) -> Floats:
        """Standard deviations of one repeat, shape (k,)."""
        return np.sqrt(self.variances)


def repeated_figure(values: Sequence[Any], num_images: Optional[int] = None) -> RepeatedFigure:
    """Return means and standard deviations of repeated measurements.

    Args:
        values: The repeats of each of k points, at least one a point, finite.
        num_images: Of how many images the values are shares; None for other figures. A standard
            deviation of less than half an image is taken as that: a few seeds agree by chance.
    Returns:
        Points with repeats have their own standard deviation, all others a borrowed one.
    Raises:
        ParetoError: If a point has no value or one that is not finite, or no point has repeats and
            ``num_images`` does not say what else there is.
    """
    points = [checked_vector(one, f"values[{i}]") for i, one in enumerate(values)]
    counts = np.array([len(one) for one in points], dtype=np.int64)
    if (counts == 0).any():
        raise ParetoError(f"values[{int(np.argmin(counts))}]: must hold at least one value")
    if num_images is not None and num_images < 1:
        raise ParetoError(f"num_images: must be at least 1, but got {num_images}")
    means = np.array([one.mean() for one in points], dtype=np.float64)
    squares = np.array([((one - one.mean()) ** 2).sum() for one in points], dtype=np.float64)
    freedoms = (counts - 1).astype(np.float64)
    has_own = counts > 1
    variances = np.divide(squares, freedoms, out=np.zeros_like(squares), where=has_own)
    borrowed = POOLED
    if has_own.any():
        variances[~has_own] = squares.sum() / freedoms.sum()
        freedoms[~has_own] = freedoms.sum()
    elif len(points):
        variances, borrowed = _binomial(means, num_images), BINOMIAL
        freedoms[:] = np.inf
    least = 0.0 if num_images is None else (0.5 / num_images) ** 2
    sources = tuple(OWN if own else borrowed for own in has_own)
    return RepeatedFigure(means, counts, np.maximum(variances, least), freedoms, sources)


def interval_of(figure: RepeatedFigure, level: float = 0.95) -> Tuple[Floats, Floats]:
    """Return the two ends of Student's interval for each mean.

    Args:
        figure: Of k points.
        level: How often the interval holds the true mean, above 0 and below 1.
    Returns:
        Two arrays of shape (k,).
    Raises:
        ParetoError: If the level is not between 0 and 1.
    """
    from scipy.special import ndtri, stdtrit

    if not 0 < level < 1:
        raise ParetoError(f"level: must be between 0 and 1, but got {level}")
    is_known = np.isinf(figure.freedoms)
    freedoms = np.where(is_known, 1.0, figure.freedoms)
    quantile = 0.5 + level / 2
    reach = np.where(is_known, ndtri(quantile), stdtrit(freedoms, quantile))
    half = reach * np.sqrt(figure.variances / figure.counts)
    return figure.means - half, figure.means + half


def probability_above(figure: RepeatedFigure, point: int, others: npt.ArrayLike) -> Floats:
    """Return how probable it is that one point's true mean is above others'.

    Student's distribution function of the difference of the means in units of its standard error,
    with Welch's degrees of freedom: the usual posterior where nothing is known beforehand. Two
    points that share the pooled variance have that one's degrees of freedom, exactly. Equal means
    give one half.

    Args:
        figure: Of k points.
        point: Index of the one.
        others: Indices of the others, shape (n,).
    Returns:
        Shape (n,), from 0 to 1.
    Source:
        Welch 1947, "The generalization of Student's problem when several different population
        variances are involved"; checked against simulations in test_repeats.py.
    """
    rest = np.asarray(others, dtype=np.intp)
    own = figure.variances[point] / figure.counts[point]
    theirs = figure.variances[rest] / figure.counts[rest]
    is_pooled = np.array([source == POOLED for source in figure.sources], dtype=np.bool_)
    is_shared = is_pooled[rest] & is_pooled[point]
    error = np.sqrt(own + theirs)
    difference = figure.means[point] - figure.means[rest]
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = own**2 / figure.freedoms[point] + theirs**2 / figure.freedoms[rest]
        freedoms = np.where(is_shared, figure.freedoms[point], (own + theirs) ** 2 / parts)
        score = difference / error
    score[difference == 0] = 0.0  # also where there is no scatter at all
    return _student(score, freedoms)


@dataclass(frozen=True)
class ConfidentFront:
    """Which points stay on the front, and what speaks most against each.

    Attributes:
        is_on_front: Shape (k,).
        rivals: Shape (k,), the point that is most probably better at no more cost; -1 if none is.
        probabilities: Shape (k,), how probably it is; 0 where there is none.
    """

    is_on_front: npt.NDArray[np.bool_]
    rivals: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]


def confident_front(
    figure: RepeatedFigure, costs: npt.ArrayLike, confidence: float
) -> ConfidentFront:
    """Return the points that no other beats with at least a given confidence.

    A point is dropped only if another one that costs no more, in any column, has the higher true
    mean with that probability. So the front of the means is always a part of this one.

    Args:
        figure: Of k points; higher is better.
        costs: Shape (k, c), lower is better, exact.
        confidence: At least 0.5 and below 1.
    Raises:
        ParetoError: If an argument is malformed.
    """
    table = checked_losses(costs, "costs")
    size = len(figure.means)
    if len(table) != size:
        raise ParetoError(f"costs: must have a row for each of {size} points, but has {len(table)}")
    if not 0.5 <= confidence < 1:
        raise ParetoError(f"confidence: must be at least 0.5 and below 1, but got {confidence}")
    rivals = np.full(size, -1, dtype=np.int64)
    probabilities = np.zeros(size, dtype=np.float64)
    for point in range(size):
        is_cheap = (table <= table[point]).all(axis=1)
        others = np.flatnonzero(is_cheap & (figure.means > figure.means[point]))
        if len(others):
            chances = 1.0 - probability_above(figure, point, others)
            best = int(np.argmax(chances))
            rivals[point], probabilities[point] = others[best], chances[best]
    return ConfidentFront(probabilities < confidence, rivals, probabilities)


def _binomial(shares: Floats, num_images: Optional[int]) -> Floats:
    """Return p (1 - p) / n, the variance of a share that was counted on n images."""
    if num_images is None:
        raise ParetoError(
            "values: no point has repeats to tell the scatter from; give num_images, of how many "
            "images the values are shares"
        )
    outside = (shares < 0) | (shares > 1)
    if outside.any():
        place = int(np.argmax(outside))
        raise ParetoError(f"values[{place}]: must be a share from 0 to 1, but is {shares[place]}")
    return np.asarray(shares * (1 - shares) / num_images, dtype=np.float64)


def _student(score: Floats, freedoms: Floats) -> Floats:
    """Return Student's distribution function; the normal one where the freedom is infinite."""
    from scipy.special import ndtr, stdtr

    is_known = ~np.isfinite(freedoms)
    found = np.where(is_known, ndtr(score), stdtr(np.where(is_known, 1.0, freedoms), score))
    return np.asarray(found, dtype=np.float64)
