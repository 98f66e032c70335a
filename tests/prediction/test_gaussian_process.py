"""The Gaussian process against its equations, worked out the long way."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from nas_edge.prediction import gaussian_process as module
from nas_edge.prediction.gaussian_process import GaussianProcess

RNG = np.random.default_rng(0)
POINTS = RNG.random((25, 3))
CHOICE_OF = np.array([0, 1, 1])


def test_what_was_seen_is_given_back_where_values_have_no_noise():
    values = np.sin(3 * POINTS[:, 0]) + POINTS[:, 1]
    mean, deviation = GaussianProcess(POINTS, values, CHOICE_OF).predict(POINTS)
    assert mean == pytest.approx(values, abs=0.05)
    assert deviation.max() < 0.1 * values.std()


def test_prediction_is_that_of_the_normal_distribution_conditioned_on_what_was_seen():
    values = POINTS @ [1.0, -2.0, 0.5] + RNG.normal(0, 0.1, 25)
    model = GaussianProcess(POINTS, values, CHOICE_OF)
    rates, signal, noise, slope = module._unpacked(model._log_parameters)
    new = RNG.random((7, 3))
    centre = POINTS.mean(axis=0)

    def kernel(a, b):
        squares = (a[:, None, :] - b[None, :, :]) ** 2
        alike = signal * np.exp(-(squares * rates[CHOICE_OF]).sum(axis=2))
        return alike + slope * (a - centre) @ (b - centre).T

    inverse = np.linalg.inv(kernel(POINTS, POINTS) + noise * np.eye(25))
    standard = (values - values.mean()) / values.std()
    cross = kernel(new, POINTS)
    expected = values.mean() + values.std() * cross @ inverse @ standard
    variance = np.diag(kernel(new, new)) - np.einsum("ij,jk,ik->i", cross, inverse, cross)

    mean, deviation = model.predict(new)
    assert mean == pytest.approx(expected)
    assert deviation == pytest.approx(values.std() * np.sqrt(variance))


def test_gradient_is_that_of_the_value():
    distances = module._by_choice(POINTS, CHOICE_OF)
    products = (POINTS - 0.5) @ (POINTS - 0.5).T
    values = RNG.normal(size=25)
    priors = np.array([module._RATE] * 2 + [module._SIGNAL, module._NOISE, module._SLOPE])
    at = np.array([0.3, -1.0, 0.2, -2.0, -0.5])
    given = (distances, products, values, priors)
    _, gradient = module._negative_log_posterior(at, *given)
    found = approx_fprime(at, lambda x: module._negative_log_posterior(x, *given)[0], 1e-6)
    assert gradient == pytest.approx(found, rel=1e-3, abs=1e-3)


def test_a_choice_that_matters_not_has_a_low_rate():
    points = RNG.random((60, 2))
    values = np.sin(6 * points[:, 0])
    model = GaussianProcess(points, values, np.array([0, 1]))
    rates, *_ = module._unpacked(model._log_parameters)
    assert rates[0] > 5 * rates[1]


def test_a_trend_goes_on_beyond_what_was_seen():
    points = RNG.random((40, 3)) * 0.5
    values = points @ [1.0, -2.0, 0.5] + RNG.normal(0, 0.05, 40)
    mean, _ = GaussianProcess(points, values, CHOICE_OF).predict(np.ones((1, 3)))
    assert mean[0] == pytest.approx(-0.5, abs=0.25)  # the nearest seen is at about -0.25


def test_one_who_knows_nothing_is_unsure():
    points = RNG.random((30, 2)) * 0.2
    values = np.sin(20 * points[:, 0]) + np.cos(20 * points[:, 1])
    model = GaussianProcess(points, values, np.array([0, 1]))
    _, near = model.predict(points)
    _, far = model.predict(np.ones((1, 2)))
    assert far[0] > 5 * near.max()


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5, 0.5]])
def test_equal_values_give_no_nan(values):
    mean, deviation = GaussianProcess(
        RNG.random((len(values), 3)), np.array(values), CHOICE_OF
    ).predict(RNG.random((4, 3)))
    assert mean == pytest.approx([0.5] * 4)
    assert np.isfinite(deviation).all()


def test_many_points_are_fitted_by_the_best_and_a_spread_of_the_others():
    values = RNG.permutation(1000).astype(float)
    part = module._spread_by_value(values, 100)
    assert len(set(part.tolist())) == 100
    chosen = np.sort(values[part])
    assert chosen[:50].tolist() == list(range(50))
    assert chosen[-1] == 999
    assert np.diff(chosen[50:]).max() < 21
