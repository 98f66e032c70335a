"""Means, intervals and probabilities of repeats: against simulations and against SciPy's tests."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from nas_edge.errors import ParetoError
from nas_edge.pareto import (
    confident_front,
    front_mask,
    interval_of,
    probability_above,
    repeated_figure,
)
from nas_edge.pareto.repeats import BINOMIAL, OWN, POOLED

TIMES = 4000


def rng():
    return np.random.default_rng(0)


def chance_above(one, other, **options):
    """What SciPy's t-test says: one minus the one-sided p-value."""
    return 1 - scipy.stats.ttest_ind(one, other, alternative="greater", **options).pvalue


def test_mean_and_deviation_are_by_hand():
    # 1, 2, 6: mean 3, squares 4 + 1 + 9 over two degrees of freedom.
    found = repeated_figure([[1.0, 2.0, 6.0], [5.0]])
    assert found.means.tolist() == [3.0, 5.0]
    assert found.deviations.tolist() == pytest.approx([7**0.5, 7**0.5])
    assert found.freedoms.tolist() == [2.0, 2.0]
    assert found.sources == (OWN, POOLED)


def test_pooled_variance_weighs_by_degrees_of_freedom():
    # Squares 2 (one degree of freedom) and 8 (two): 10 over 3.
    found = repeated_figure([[0.0, 2.0], [0.0, 2.0, 4.0], [9.0]])
    assert found.variances.tolist() == pytest.approx([2.0, 4.0, 10 / 3])
    assert found.freedoms.tolist() == [1.0, 2.0, 3.0]


def test_without_any_repeats_the_noise_is_that_of_the_images():
    # sqrt(0.8 * 0.2 / 400) is two points.
    found = repeated_figure([[0.8], [0.5]], num_images=400)
    assert found.deviations.tolist() == pytest.approx([0.02, 0.025])
    assert found.sources == (BINOMIAL, BINOMIAL)
    low, high = interval_of(found)
    assert (low[0], high[0]) == (pytest.approx(0.8 - 1.959964 * 0.02), pytest.approx(0.8392, 1e-4))


def test_seeds_that_agree_by_chance_keep_half_an_image_of_noise():
    found = repeated_figure([[0.5, 0.5], [1.0]], num_images=50)
    assert found.deviations.tolist() == pytest.approx([0.01, 0.01])
    assert repeated_figure([[1.0]], num_images=50).deviations.tolist() == pytest.approx([0.01])


def test_binomial_noise_is_what_counting_images_gives():
    counted = rng().binomial(320, 0.7, size=20_000) / 320
    found = repeated_figure([[0.7]], num_images=320)
    assert found.deviations[0] == pytest.approx(counted.std(), rel=0.02)


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
def test_interval_holds_the_true_mean_as_often_as_it_says(num_seeds):
    samples = rng().normal(0.7, 0.03, size=(TIMES, num_seeds))
    low, high = interval_of(repeated_figure(list(samples)), 0.9)
    # Three standard errors of a share of 0.9 in 4,000 draws are 0.014.
    assert np.mean((low <= 0.7) & (high >= 0.7)) == pytest.approx(0.9, abs=0.015)


@given(
    st.lists(st.floats(-1, 1), min_size=2, max_size=6, unique=True),
    st.lists(st.floats(-1, 1), min_size=2, max_size=6, unique=True),
)
def test_probability_of_own_repeats_is_welchs(one, other):
    if max(np.ptp(one), np.ptp(other)) < 1e-6:
        return
    found = probability_above(repeated_figure([one, other]), 0, [1])[0]
    assert found == pytest.approx(chance_above(one, other, equal_var=False), abs=1e-6)


def test_probability_of_equal_networks_is_as_often_high_as_it_says():
    # Equal true means, unequal noise, three seeds each: 95% sure and wrong about one time in 20.
    first = rng().normal(0.7, 0.01, size=(TIMES, 3))
    second = np.random.default_rng(1).normal(0.7, 0.05, size=(TIMES, 3))
    found = [probability_above(repeated_figure(pair), 0, [1])[0] for pair in zip(first, second)]
    assert np.mean(np.array(found) >= 0.95) == pytest.approx(0.05, abs=0.015)


def test_probability_of_points_that_share_a_pooled_variance_is_exact():
    # Five networks with two seeds each tell the noise; two others were trained once.
    draws = rng().normal(0.7, 0.02, size=(TIMES, 12))
    found = []
    for row in draws:
        figure = repeated_figure([*row[:10].reshape(5, 2), row[10:11], row[11:]])
        found.append(probability_above(figure, 5, [6])[0])
    for level in (0.8, 0.95):
        assert np.mean(np.array(found) >= level) == pytest.approx(1 - level, abs=0.02)


def test_probability_of_a_point_with_and_one_without_repeats_is_about_right():
    draws = rng().normal(0.7, 0.02, size=(TIMES, 10))
    found = []
    for row in draws:
        figure = repeated_figure([*row[:9].reshape(3, 3), row[9:]])
        found.append(probability_above(figure, 3, [0])[0])
    assert np.mean(np.array(found) >= 0.9) == pytest.approx(0.1, abs=0.03)


def test_probability_is_that_of_drawn_posteriors_where_seeds_are_many():
    # mean + deviation / sqrt(n) * t(n - 1) is the posterior where nothing is known before.
    values = [rng().normal(0.70, 0.02, 20), np.random.default_rng(1).normal(0.69, 0.04, 15)]
    draw = np.random.default_rng(2)
    posteriors = [
        one.mean() + one.std(ddof=1) / len(one) ** 0.5 * draw.standard_t(len(one) - 1, 200_000)
        for one in values
    ]
    found = probability_above(repeated_figure(values), 0, [1])[0]
    assert found == pytest.approx(np.mean(posteriors[0] > posteriors[1]), abs=0.01)


def test_without_scatter_the_higher_mean_is_sure_and_equal_ones_are_even():
    figure = repeated_figure([[0.5, 0.5], [0.6, 0.6], [0.5, 0.5]])
    assert probability_above(figure, 0, [0, 1, 2]).tolist() == [0.5, 0.0, 0.5]


def brute_force_front(values, costs, confidence):
    """Point by point with SciPy's Welch test."""
    kept = []
    for one, cost in zip(values, costs):
        rivals = [
            chance_above(other, one, equal_var=False)
            for other, its_cost in zip(values, costs)
            if all(a <= b for a, b in zip(its_cost, cost)) and np.mean(other) > np.mean(one)
        ]
        kept.append(not any(chance >= confidence for chance in rivals))
    return kept


@pytest.mark.parametrize("confidence", [0.6, 0.9, 0.99])
@pytest.mark.parametrize("num_costs", [1, 2])
def test_front_is_the_definition(confidence, num_costs):
    draw = rng()
    for _ in range(20):
        values = draw.normal(draw.normal(0.7, 0.03, size=(15, 1)), 0.02, size=(15, 3))
        costs = draw.integers(1, 6, size=(15, num_costs)).astype(float)  # with ties
        found = confident_front(repeated_figure(list(values)), costs, confidence)
        assert found.is_on_front.tolist() == brute_force_front(values, costs, confidence)


def test_front_of_the_means_is_a_part_and_confidence_widens_it():
    draw = rng()
    values = list(draw.normal(draw.normal(0.7, 0.03, size=(40, 1)), 0.02, size=(40, 3)))
    costs = draw.random((40, 1))
    figure = repeated_figure(values)
    fronts = [confident_front(figure, costs, c).is_on_front for c in (0.5, 0.7, 0.9, 0.99)]
    fronts.insert(0, front_mask(np.column_stack([-figure.means, costs])))
    for narrow, wide in zip(fronts, fronts[1:]):
        assert not (narrow & ~wide).any()
    assert fronts[0].tolist() == fronts[1].tolist()  # at one half, without ties, the same


def test_front_holds_the_truly_best_as_often_as_it_says():
    # Two networks of equal cost and equal truth: each leaves the front one time in ten.
    draws = rng().normal(0.7, 0.02, size=(TIMES, 2, 3))
    dropped = [
        ~confident_front(repeated_figure(list(pair)), [[1.0], [1.0]], 0.9).is_on_front
        for pair in draws
    ]
    assert np.mean(dropped, axis=0) == pytest.approx([0.1, 0.1], abs=0.025)


def test_most_dangerous_rival_is_named():
    figure = repeated_figure([[0.70, 0.72], [0.80, 0.82], [0.60, 0.62]])
    found = confident_front(figure, [[2.0], [1.0], [3.0]], 0.9)
    assert found.is_on_front.tolist() == [False, True, False]
    assert found.rivals.tolist() == [1, -1, 1]
    assert found.probabilities[1] == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: repeated_figure([[0.5], []]), r"values\[1\]: must hold at least one value"),
        (
            lambda: repeated_figure([[0.5, float("nan")]]),
            r"values\[0\]: every value must be finite",
        ),
        (lambda: repeated_figure([[0.5]]), "no point has repeats"),
        (lambda: repeated_figure([[1.5]], 10), "must be a share from 0 to 1, but is 1.5"),
        (lambda: repeated_figure([[0.5]], 0), "num_images: must be at least 1"),
        (lambda: interval_of(repeated_figure([[0.5]], 9), 1.0), "level: must be between 0 and 1"),
        (lambda: confident_front(repeated_figure([[0.5]], 9), [[1.0]], 0.4), "at least 0.5"),
        (lambda: confident_front(repeated_figure([[0.5]], 9), [[1.0]], 1.0), "below 1"),
        (lambda: confident_front(repeated_figure([[0.5]], 9), [[1], [2]], 0.9), "has 2"),
    ],
)
def test_malformed_arguments_are_refused(call, message):
    with pytest.raises(ParetoError, match=message):
        call()


def test_no_points_have_an_empty_front():
    found = confident_front(repeated_figure([]), np.empty((0, 1)), 0.9)
    assert found.is_on_front.tolist() == []
