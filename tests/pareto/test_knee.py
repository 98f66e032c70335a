"""knee against fronts whose knee is seen at once, and against the distance to a line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_edge.errors import ParetoError
from nas_edge.pareto import knee


def test_corner_of_an_l_is_the_knee():
    assert knee([[0, 10], [1, 1], [10, 0]]) == 1


def test_unit_of_an_objective_does_not_matter():
    rows = np.array([[0, 10], [1, 4], [2, 2], [10, 0]])  # scaled sums 1, 0.5, 0.4, 1
    for scale in ([1, 1], [1, 1e9], [1e-9, 1]):
        assert knee(rows * scale) == 2
    shift = np.array([1e6, -1e6])
    assert knee(rows + shift) == 2


def test_dominated_rows_move_nothing():
    front = [[0.0, 10.0], [1.0, 1.0], [10.0, 0.0]]
    assert knee([[1000.0, 10.0], [2.0, 1.5], *front]) == 3


def test_single_row_is_its_own_knee():
    assert knee([[4.0, 5.0]]) == 0
    assert knee([[4.0, 5.0, 6.0]]) == 0
    assert knee([[4.0]]) == 0


@pytest.mark.parametrize("rows", [[[0, 1], [1, 0]], [[-5, 900], [3, 100]]])
def test_of_two_rows_the_better_in_the_first_loss_is_taken(rows):
    assert knee(rows) == 0
    assert knee(rows[::-1]) == 1


def test_of_twins_the_first_is_taken():
    assert knee([[0, 10], [10, 0], [1, 1], [1, 1]]) == 2


def test_straight_front_gives_the_best_in_the_first_loss_whatever_the_rounding():
    x = np.linspace(0, 1, 101)
    order = np.random.default_rng(3).permutation(101)
    rows = np.column_stack([x, 0.3 - 0.3 * x])[order]
    assert x[order][knee(rows)] == 0.0


def test_front_bulging_away_from_the_ideal_gives_an_extreme_row():
    angle = np.linspace(0, np.pi / 2, 21)
    rows = np.column_stack([np.cos(angle), np.sin(angle)])
    assert knee(rows) == 20


def test_objective_without_range_is_left_out():
    assert knee([[7, 0, 10], [7, 1, 1], [7, 10, 0]]) == 1
    assert knee([[0.0, 5.0], [0.0, 5.0]]) == 0


def test_knee_of_three_objectives_is_the_row_near_the_ideal():
    rows = [[0, 9, 9], [9, 0, 9], [9, 9, 0], [2, 2, 2], [1, 4, 4]]
    assert knee(rows) == 3


def test_range_beyond_float64_is_scaled_without_a_warning():
    assert knee([[-1.7e308, 1.7e308], [-1e308, -1e308], [1.7e308, -1.7e308]]) == 1


def test_no_rows_have_no_knee():
    with pytest.raises(ParetoError, match="at least one row"):
        knee(np.zeros((0, 2)))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 99), st.integers(1, 99)), max_size=30))
def test_knee_is_farthest_from_the_line_through_the_extremes(inner):
    rows = [(0, 100), (100, 0), *inner]
    front = [r for r in rows if not any(o != r and o[0] <= r[0] and o[1] <= r[1] for o in rows)]
    # Distance to the line x + y = 100, with the sign of the ideal's side.
    farthest = max(100 - x - y for x, y in front)
    x, y = rows[knee(rows)]
    assert (x, y) in front
    assert 100 - x - y == farthest
