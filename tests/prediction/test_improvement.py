"""Expected hypervolume improvement against errors evenly drawn and their hypervolumes."""

import numpy as np
import pytest
from scipy.stats import norm

from nas_edge.pareto import hypervolume
from nas_edge.prediction.improvement import expected_hypervolume_improvement

# Errors and costs; the third is dominated.
FRONT = np.array([[0.4, 1.0], [0.2, 3.0], [0.3, 3.5], [0.1, 6.0]])
REFERENCE = (0.6, 8.0)


def drawn(mean, deviation, cost, front=FRONT, reference=REFERENCE, draws=2_000):
    before = hypervolume(front, reference) if len(front) else 0.0
    errors = np.exp(norm.ppf((np.arange(draws) + 0.5) / draws, mean, deviation))
    grown = [hypervolume(np.vstack([front, [[e, cost]]]), reference) - before for e in errors]
    return np.mean(grown)


@pytest.mark.parametrize(
    ("error", "deviation", "cost"),
    [(0.25, 0.3, 2.0), (0.5, 0.5, 0.5), (0.09, 0.2, 7.0), (0.3, 0.01, 5.0), (0.55, 1.0, 7.9)],
)
def test_is_the_mean_of_what_draws_add(error, deviation, cost):
    (found,) = expected_hypervolume_improvement(
        np.log([error]), np.array([deviation]), np.array([cost]), *FRONT.T, *REFERENCE
    )
    assert found == pytest.approx(drawn(np.log(error), deviation, cost), rel=0.005, abs=1e-4)


def test_beyond_the_reference_is_worth_nothing():
    found = expected_hypervolume_improvement(
        np.log([0.1, 0.9]), np.full(2, 1e-6), np.array([8.0, 0.5]), *FRONT.T, *REFERENCE
    )
    assert found == pytest.approx([0.0, 0.0])


def test_a_first_point_is_worth_its_rectangle():
    found = expected_hypervolume_improvement(
        np.log([0.2]), np.full(1, 1e-6), np.array([3.0]), np.array([]), np.array([]), *REFERENCE
    )
    assert found == pytest.approx([0.4 * 5.0])


def test_a_front_beyond_the_reference_does_not_count():
    front = np.array([[0.7, 0.5], [0.3, 9.0]])
    (found,) = expected_hypervolume_improvement(
        np.log([0.2]), np.full(1, 1e-6), np.array([3.0]), *front.T, *REFERENCE
    )
    assert found == pytest.approx(0.4 * 5.0)
