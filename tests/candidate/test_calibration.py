"""Calibration by arithmetic; its probes are in test_evaluator.py."""

import numpy as np
import pytest

from nas_edge.candidate.calibration import (
    Calibration,
    CalibrationPoint,
    calibrate,
    fit,
    load_calibration,
    pick_spread,
)
from nas_edge.candidate.estimate import estimate_cost
from nas_edge.config.study import RecipeConfig
from nas_edge.space.references import reference_architecture

MIB = 2**20


def points_of(pairs, latencies=(None, None, None)):
    return [
        CalibrationPoint(f"n{i}", {"quick": q, "exact": e}, probe, 1000 * (i + 1), latency)
        for i, ((q, e, probe), latency) in enumerate(zip(pairs, latencies))
    ]


def test_an_affine_truth_is_found_for_each_tier():
    pairs = [(x, 2 * x, 5 * MIB + 3 * x // 2) for x in (20 * MIB, 50 * MIB, 90 * MIB)]
    found = calibrate(points_of(pairs), {"device": "x"})
    assert found.predict_bytes("quick", 70 * MIB) == pytest.approx(110 * MIB, rel=1e-6)
    assert found.predict_bytes("exact", 140 * MIB) == pytest.approx(110 * MIB, rel=1e-6)
    assert found.source == "calibrated by 3 probes"


def test_relative_errors_are_what_is_least():
    # Against numpy's weighted least squares, whose weights multiply the residuals.
    estimates, measured = [10.0, 40.0, 100.0, 160.0], [14.0, 43.0, 112.0, 170.0]
    slope, offset = np.polyfit(estimates, measured, 1, w=1 / np.array(measured))
    assert fit(estimates, measured, (0.5, 2.0)) == pytest.approx((offset, slope))


def test_networks_too_near_together_give_a_ratio():
    assert fit([100.0, 101.0, 102.0], [110.0, 111.0, 112.2], (0.5, 2.0)) == (
        0.0,
        pytest.approx(1.1),
    )


def test_a_slope_that_makes_no_sense_gives_a_ratio():
    offset, slope = fit([10.0, 20.0, 40.0], [30.0, 30.0, 30.0], (0.5, 2.0))
    assert (offset, slope) == (0.0, 1.5)


def test_fewer_than_three_probes_are_refused():
    with pytest.raises(ValueError, match="at least 3 probes, but got 2"):
        calibrate(points_of([(1, 1, 1), (2, 2, 2)]), {})


def test_latency_is_a_line_through_the_probes_and_unknown_without_them():
    pairs = [(x, x, x) for x in (10, 20, 40)]
    timed = calibrate(points_of(pairs, (3.0, 5.0, 7.0)), {})
    assert timed.predict_latency_ms(5000) == pytest.approx(11.0)
    assert calibrate(points_of(pairs), {}).predict_latency_ms(5000) is None


def test_it_is_read_back_as_it_was_and_only_for_the_same_device_and_recipe(tmp_path):
    pairs = [(x, x + 1, 2 * x) for x in (10, 20, 40)]
    found = calibrate(points_of(pairs, (1.0, 2.0, 3.0)), {"device": {"name": "a"}, "px": (1, 2)})
    path = tmp_path / "calibration.json"
    import json

    path.write_text(json.dumps(found.to_dict()))
    assert load_calibration(path).predict_bytes("quick", 33) == found.predict_bytes("quick", 33)
    assert load_calibration(path, {"device": {"name": "a"}, "px": (1, 2)}) is not None
    assert load_calibration(path, {"device": {"name": "b"}, "px": (1, 2)}) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"points": 3}', '{"points": [], "fits": {}}'])
def test_a_damaged_file_is_no_calibration(text, tmp_path):
    path = tmp_path / "calibration.json"
    path.write_text(text)
    assert load_calibration(path) is None
    assert load_calibration(tmp_path / "missing.json") is None


def test_an_estimate_with_a_calibration_is_corrected_and_says_so():
    network = reference_architecture("xception-lite", 0.25)
    calibration = Calibration({"quick": (1000.0, 1.5)})
    plain = estimate_cost(network, RecipeConfig(), 1)
    corrected = estimate_cost(network, RecipeConfig(), 1, calibration=calibration)
    assert corrected.peak_bytes == int(1000 + 1.5 * plain.peak_bytes)
    assert corrected.lower_bound_bytes == int(0.9 * corrected.peak_bytes)
    assert corrected.parts == plain.parts
    assert "calibrated" in corrected.source
    assert "calibrated" not in plain.source


@pytest.mark.parametrize(
    ("sizes", "count", "chosen"),
    [
        ([5, 1, 9, 3, 4], 3, [1, 4, 2]),  # 1, the median 4, 9
        ([5, 1, 9, 3, 4], 5, [1, 3, 4, 0, 2]),
        ([1, 2], 5, [0, 1]),
        ([7], 5, [0]),
    ],
)
def test_spread_picks_the_smallest_the_largest_and_quantiles_between(sizes, count, chosen):
    assert pick_spread(sizes, count) == chosen
