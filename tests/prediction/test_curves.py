"""Extrapolated learning curves: against least squares, and their bound on real curves."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nas_edge.prediction.curves import CurveExtrapolation

TABLES = Path(__file__).resolve().parents[2] / "benchmarks" / "curves"


def curves_of(finals, epochs=10, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    share = 1 - np.exp(-np.arange(1, epochs + 1) / 3)
    accuracy = np.asarray(finals)[:, None] * share + rng.normal(0, noise, (len(finals), epochs))
    return np.stack([accuracy, 2 * np.exp(-2 * accuracy)], axis=2)


FINALS = np.linspace(0.5, 0.9, 20)


def test_curves_of_one_shape_end_where_the_others_did():
    known = CurveExtrapolation(curves_of(FINALS), FINALS, 0.95)
    found = known.extrapolate(curves_of([0.73])[0, :4])
    assert found.expected == pytest.approx(0.73, abs=0.01)
    assert found.expected <= found.upper < 0.76


def test_the_expectation_is_that_of_a_ridge_regression():
    rng = np.random.default_rng(1)
    finals = rng.uniform(0.5, 0.9, 30)
    curves = curves_of(finals, noise=0.02)
    found = CurveExtrapolation(curves, finals, 0.9).extrapolate(curves[3, :5])

    accuracy, loss = curves[:, :5, 0], curves[:, :5, 1]
    columns = [accuracy[:, -1], accuracy[:, -3:].mean(1), accuracy.max(1)]
    rows = np.stack([np.ones(30), *columns, np.log(loss[:, -3:].mean(1))], axis=1)
    # Least squares with four more rows is the same as a penalty on four weights.
    more = 0.1 * np.eye(5)[1:]
    weights, *_ = np.linalg.lstsq(
        np.vstack([rows, more]), np.append(finals, np.zeros(4)), rcond=None
    )
    assert found.expected == pytest.approx(rows[3] @ weights)
    errors = []
    for one in range(30):
        others = np.arange(30) != one
        fitted, *_ = np.linalg.lstsq(
            np.vstack([rows[others], more]), np.append(finals[others], np.zeros(4)), rcond=None
        )
        errors.append(finals[one] - rows[one] @ fitted)
    # Of 31 residuals, the 28th is the first that nine tenths do not exceed.
    assert found.upper == pytest.approx(found.expected + np.sort(errors)[27])


def test_curves_that_tell_nothing_are_not_extrapolated():
    rng = np.random.default_rng(2)
    finals = rng.uniform(0.5, 0.9, 30)
    curves = curves_of(rng.uniform(0.5, 0.9, 30), noise=0.1)
    assert CurveExtrapolation(curves, finals, 0.95).extrapolate(curves[0, :5]) is None


def test_equal_curves_are_no_division_by_zero():
    same = np.full(10, 0.7)
    found = CurveExtrapolation(curves_of(same), same, 0.95).extrapolate(curves_of([0.7])[0, :5])
    assert found is None or found.expected == pytest.approx(0.7)


@pytest.mark.parametrize("name", ["synthetic", "pcb", "pcb_128"])
def test_the_bound_holds_as_often_as_it_says_on_real_curves(name):
    rows = pd.read_csv(TABLES / f"{name}_curves.csv")
    rows, columns = rows[rows["seed"] == 0], ("val_accuracy", "val_loss")
    tables = [rows.pivot(index="candidate", columns="epoch", values=v) for v in columns]
    curves = np.stack([table.to_numpy() for table in tables], axis=2)
    finals, rng, held = curves[:, -1, 0], np.random.default_rng(0), []
    for _ in range(20):
        order = rng.permutation(len(curves))
        known, rest = order[:25], order[25:]
        extrapolation = CurveExtrapolation(curves[known], finals[known], 0.9)
        for one in rest:
            found = extrapolation.extrapolate(curves[one, :5])
            held.append(found is None or finals[one] <= found.upper)
    assert 0.85 < np.mean(held) < 0.99
