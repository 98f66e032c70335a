"""The front over time against the definition applied to every prefix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_edge.errors import ParetoError
from nas_edge.pareto import front_history, hypervolume_history


def is_dominating(a, b):
    return all(x <= y for x, y in zip(a, b)) and any(x < y for x, y in zip(a, b))


def count_cells(rows, reference):
    """Count the unit cells of an integer grid that some row dominates: exact."""
    axes = [np.arange(-3, end) for end in reference]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(reference))
    is_covered = np.zeros(len(grid), dtype=bool)
    for row in rows:
        is_covered |= (grid >= row).all(axis=1)
    return int(is_covered.sum())


def integer_tables(num_objectives, max_rows=15):
    row = st.lists(st.integers(-3, 5), min_size=num_objectives, max_size=num_objectives)
    return st.lists(row, min_size=1, max_size=max_rows)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 3).flatmap(integer_tables), st.lists(st.integers(-2, 6), min_size=3, max_size=3)
)
def test_every_entry_is_the_volume_of_the_rows_so_far(rows, reference):
    reference = reference[: len(rows[0])]
    expected = [count_cells(rows[: end + 1], reference) for end in range(len(rows))]
    assert hypervolume_history(rows, reference).tolist() == expected


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 4).flatmap(integer_tables))
def test_arrival_and_eviction_follow_the_definition(rows):
    history = front_history(rows)
    for index, row in enumerate(rows):
        is_new_on_front = not any(is_dominating(earlier, row) for earlier in rows[:index])
        assert history.is_on_arrival[index] == is_new_on_front
        evictors = [j for j in range(index + 1, len(rows)) if is_dominating(rows[j], row)]
        expected = evictors[0] if is_new_on_front and evictors else -1
        assert history.evicted_by[index] == expected


@pytest.mark.parametrize("num_objectives", [2, 3])
def test_last_entry_agrees_with_moocore_and_the_curve_never_falls(num_objectives):
    moocore = pytest.importorskip("moocore")
    rows = np.random.default_rng(num_objectives).random((1_000, num_objectives))
    reference = np.full(num_objectives, 0.9)
    history = hypervolume_history(rows, reference)
    assert (np.diff(history) >= 0).all()
    for end in (1, 10, 100, 1_000):
        expected = moocore.hypervolume(rows[:end], ref=reference)
        assert history[end - 1] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("num_objectives", [1, 2, 3])
def test_dominated_row_and_twin_leave_the_curve_exactly_level(num_objectives):
    low, high = [0.1] * num_objectives, [0.3] * num_objectives
    history = hypervolume_history([low, high, low, [2.0] * num_objectives], [0.7] * num_objectives)
    assert history[0] == pytest.approx(0.6**num_objectives)
    assert (history == history[0]).all()


def test_rounding_does_not_lift_the_curve_at_a_dominated_row_in_three_objectives():
    rows = np.random.default_rng(4).random((200, 3)).tolist()
    history = hypervolume_history(rows, [1.1, 1.2, 1.3])
    steps = np.diff(history)
    is_dominated = [
        any(is_dominating(earlier, row) for earlier in rows[:index])
        for index, row in enumerate(rows)
    ]
    assert 100 < sum(is_dominated) < 200
    assert (steps[is_dominated[1:]] == 0).all()
    assert (steps[~np.array(is_dominated[1:])] > 0).all()


def test_curve_is_zero_until_a_row_lies_within_the_reference():
    rows = [[3, 0], [0, 3], [1, 1], [0, 0]]
    assert hypervolume_history(rows, [3, 3]).tolist() == [0.0, 0.0, 4.0, 9.0]


def test_row_can_evict_several_and_twins_leave_together():
    history = front_history([[1, 3], [3, 1], [1, 3], [2, 2], [1, 1], [1, 1], [5, 5]])
    assert history.is_on_arrival.tolist() == [True, True, True, True, True, True, False]
    assert history.evicted_by.tolist() == [4, 4, 4, 4, -1, -1, -1]


@pytest.mark.parametrize("num_objectives", [1, 2, 3])
def test_no_rows_have_an_empty_history(num_objectives):
    table = np.zeros((0, num_objectives))
    assert hypervolume_history(table, np.ones(num_objectives)).shape == (0,)
    assert front_history(table).is_on_arrival.shape == (0,)
    assert front_history(table).evicted_by.shape == (0,)


@pytest.mark.parametrize("num_objectives", [1, 2, 3])
def test_volume_beyond_float64_is_refused_without_a_warning(num_objectives):
    rows = [[1.0] * num_objectives, [-1.5e308] * num_objectives]
    with pytest.raises(ParetoError, match="larger units"):
        hypervolume_history(rows, [1.5e308] * num_objectives)


def test_more_than_three_objectives_have_no_curve():
    with pytest.raises(ParetoError, match="at most 3 objectives, but got 4"):
        hypervolume_history(np.zeros((1, 4)), np.ones(4))


def test_malformed_reference_is_refused():
    with pytest.raises(ParetoError, match=r"reference_point: must have shape \(2,\)"):
        hypervolume_history([[1, 2]], [3])
    with pytest.raises(ParetoError, match=r"reference_point: .*\[0\] is nan"):
        hypervolume_history([[1, 2]], [np.nan, 3])
