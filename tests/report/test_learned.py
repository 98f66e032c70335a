"""Importance against SciPy's analysis of variance; shared choices by hand."""

import numpy as np
import pytest
from scipy.stats import f_oneway

from nas_edge import Measurement
from nas_edge.report.learned import (
    MIN_CANDIDATES,
    explained_share,
    importances,
    shared_choices,
)
from nas_edge.study.records import TrialRecord

OBJECTIVES = ("val_accuracy", "params")


def records_of(points, accuracy, params):
    return [
        TrialRecord(i, str(i), point, None, Measurement.of(val_accuracy=a, params=p))
        for i, (point, a, p) in enumerate(zip(points, accuracy, params))
    ]


@pytest.mark.parametrize("seed", range(5))
def test_share_is_epsilon_squared(seed):
    rng = np.random.default_rng(seed)
    labels = rng.choice(["a", "b", "c"], size=40)
    figures = rng.normal(size=40) + 2.0 * (labels == "a")
    statistic = f_oneway(*(figures[labels == label] for label in "abc")).statistic
    between, within = 2, 40 - 3  # degrees of freedom
    expected = between * (statistic - 1) / (between * statistic + within)
    assert explained_share(list(labels), figures) == pytest.approx(max(0.0, expected))


def test_share_without_spread_or_without_repeats_is_nothing():
    assert explained_share(["a", "b", "a"], np.ones(3)) == 0.0
    assert explained_share(["a", "b", "c"], np.arange(3.0)) == 0.0


def test_the_choice_that_decides_comes_first_with_its_best_value():
    points = [{"width": w, "kernel": k} for w in (8, 16) for k in (1, 3) for _ in range(3)]
    accuracy = [0.5 + 0.2 * (p["width"] == 16) + 0.001 * i for i, p in enumerate(points)]
    params = [100.0 * p["width"] + i for i, p in enumerate(points)]
    first, second = importances(records_of(points, accuracy, params), OBJECTIVES)
    assert (first.choice, first.best) == ("width", ("16", "8"))
    assert min(first.shares) > 0.9
    assert max(second.shares) < 0.1


def test_too_few_candidates_teach_nothing():
    points = [{"width": i % 2} for i in range(MIN_CANDIDATES - 1)]
    ramp = [float(i) for i in range(len(points))]
    assert importances(records_of(points, [0.5] * len(points), ramp), OBJECTIVES) == []


def test_what_the_front_shares():
    # By hand: the front is the first three (less accuracy with fewer parameters), all with "a".
    points = [{"kind": k} for k in ("a", "a", "a", "b", "b", "b")]
    records = records_of(points, [0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [30, 20, 10, 40, 50, 60])
    (shared,) = shared_choices(records, OBJECTIVES)
    assert (shared.choice, shared.value) == ("kind", "a")
    assert (shared.num_front, shared.front_size) == (3, 3)
    assert (shared.num_all, shared.all_size) == (3, 6)


def test_plain_points_and_none_at_all_are_no_error():
    records = records_of(["x", ["y"], None] * 4, [0.5] * 12, range(12))
    assert all(one.choice == "point" for one in importances(records, OBJECTIVES))
    assert importances([], OBJECTIVES) == []
    assert shared_choices([], OBJECTIVES) == []
