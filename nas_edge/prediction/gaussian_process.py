"""A Gaussian process over the choices of a space: a mean and a deviation for every point.

SciPy's linear algebra and optimizer do the work. (scikit-learn has the same model, but its OpenMP
library cannot be loaded beside torch's on JetPack 5.)
"""

from __future__ import annotations

from typing import Any, Tuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

Floats = npt.NDArray[np.float64]

# Of the logarithms of the kernel's parameters: mean and deviation of a normal prior, and bounds.
_RATE = (-2.0, 1.2, -7.0, 4.0)  # of a choice: how fast points that differ in it stop being alike
_SIGNAL = (0.0, 1.0, -3.0, 4.0)  # variance of standardised values
_NOISE = (-2.0, 2.0, -9.0, 1.0)  # variance from training to training, of standardised values
_SLOPE = (-2.0, 2.0, -9.0, 3.0)  # variance of a linear trend's slopes, the same for all coordinates
_JITTER = 1e-6
_MAX_ITERATIONS = 40


class GaussianProcess:
    """Fitted to values at points; the kernel is exp(-sum of a rate times the squared distance).

    Every choice has a rate of its own: a Gaussian kernel where values are ordered, a Hamming kernel
    where two are equal or differ. To it a linear trend in the coordinates is added, so that few
    points tell what lies beyond them. The parameters maximise the posterior; where there are many
    points, that of a part of them.

    Args:
        points: Coordinates by `Encoding`, shape (n, k).
        values: Shape (n,).
        choice_of: Which choice each coordinate belongs to, shape (k,).
        max_fitted: From how many points at most the parameters are found; the best and an even
            spread of the others. All points count in a prediction.
    Source:
        Rasmussen and Williams 2006, "Gaussian Processes for Machine Learning", algorithm 2.1 and
        equations 4.1 (the trend's kernel, around the points' mean) and 5.9.
    """

    def __init__(
        self,
        points: Floats,
        values: Floats,
        choice_of: npt.NDArray[np.int64],
        *,
        max_fitted: int = 150,
    ) -> None:
        self._mean = float(np.mean(values))
        self._scale = float(np.std(values)) or 1.0
        standard = (values - self._mean) / self._scale
        part = _spread_by_value(standard, max_fitted)
        self._centre = points.mean(axis=0)
        self._centred = points - self._centre
        distances = _by_choice(points[part], choice_of)
        products = self._centred[part] @ self._centred[part].T
        self._log_parameters = _fit(distances, products, standard[part])
        rates, self._signal, noise, self._slope = _unpacked(self._log_parameters)
        self._weights = np.sqrt(rates[choice_of])
        self._points = points * self._weights
        covariance = self._signal * np.exp(-cdist(self._points, self._points, "sqeuclidean"))
        covariance += self._slope * self._centred @ self._centred.T
        covariance[np.diag_indices_from(covariance)] += noise
        self._factor = cho_factor(covariance, lower=True)
        self._solved = cho_solve(self._factor, standard)

    def predict(self, points: Floats) -> Tuple[Floats, Floats]:
        """Return mean and standard deviation of the values without a training's noise.

        Args:
            points: Shape (m, k).
        Returns:
            Two arrays of shape (m,), in the values' unit.
        """
        distances = cdist(points * self._weights, self._points, "sqeuclidean")
        centred = points - self._centre
        cross = self._signal * np.exp(-distances) + self._slope * centred @ self._centred.T
        mean = cross @ self._solved
        explained = solve_triangular(self._factor[0], cross.T, lower=True)
        known = self._signal + self._slope * np.sum(centred**2, axis=1)
        variance = np.maximum(known - np.sum(explained**2, axis=0), 1e-12)
        return self._mean + self._scale * mean, self._scale * np.sqrt(variance)


def _spread_by_value(values: Floats, at_most: int) -> npt.NDArray[np.intp]:
    """Return the lowest half of so many, and the others at even steps, in their order."""
    if len(values) <= at_most:
        return np.arange(len(values))
    order = np.argsort(values, kind="stable")
    lowest = at_most // 2
    others = np.linspace(lowest, len(values) - 1, at_most - lowest).round().astype(np.intp)
    return np.sort(order[np.concatenate([np.arange(lowest), others])])


def _by_choice(points: Floats, choice_of: npt.NDArray[np.int64]) -> Floats:
    """Return the squared distances in every choice, shape (choices, n, n)."""
    found = np.zeros((int(choice_of.max()) + 1, len(points), len(points)))
    for column, choice in zip(points.T, choice_of):
        found[choice] += (column[:, None] - column[None, :]) ** 2
    return found


def _fit(distances: Floats, products: Floats, values: Floats) -> Floats:
    num_choices = len(distances)
    priors = np.array([_RATE] * num_choices + [_SIGNAL, _NOISE, _SLOPE])
    found = minimize(
        _negative_log_posterior,
        priors[:, 0],
        (distances, products, values, priors),
        jac=True,
        method="L-BFGS-B",
        bounds=priors[:, 2:],
        options={"maxiter": _MAX_ITERATIONS},
    )
    return np.asarray(found.x)


def _negative_log_posterior(
    log_parameters: Floats, distances: Floats, products: Floats, values: Floats, priors: Floats
) -> Tuple[float, Floats]:
    """Return the value and its gradient by the logarithms of the parameters."""
    rates, signal, noise, slope = _unpacked(log_parameters)
    correlated = signal * np.exp(-np.tensordot(rates, distances, 1))
    covariance = correlated + slope * products + noise * np.eye(len(values))
    factor = cho_factor(covariance, lower=True)
    solved = cho_solve(factor, values)
    inverse: Any = cho_solve(factor, np.eye(len(values)))
    value = 0.5 * values @ solved + np.sum(np.log(np.diag(factor[0])))
    outer = np.outer(solved, solved) - inverse
    by_correlation = outer * correlated
    gradient = np.empty_like(log_parameters)
    gradient[:-3] = 0.5 * rates * np.tensordot(distances, by_correlation, ([1, 2], [0, 1]))
    gradient[-3] = -0.5 * by_correlation.sum()
    gradient[-2] = -0.5 * np.trace(outer) * (noise - _JITTER)
    gradient[-1] = -0.5 * slope * np.sum(outer * products)
    off = (log_parameters - priors[:, 0]) / priors[:, 1]
    return float(value + 0.5 * off @ off), gradient + off / priors[:, 1]


def _unpacked(log_parameters: Floats) -> Tuple[Floats, float, float, float]:
    """Return a rate for every choice, the signal's variance, the noise's and the slopes'."""
    parameters = np.exp(log_parameters)
    signal, noise, slope = (float(value) for value in parameters[-3:])
    return parameters[:-3], signal, noise + _JITTER, slope
