"""front_mask against the definition, against known fronts, and against moocore."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_edge.pareto import front_mask


def brute_force(rows):
    """The definition, row by row."""

    def is_dominating(a, b):
        return all(x <= y for x, y in zip(a, b)) and any(x < y for x, y in zip(a, b))

    return [not any(is_dominating(other, row) for other in rows) for row in rows]


def tables(num_objectives, values, max_rows=40):
    row = st.lists(values, min_size=num_objectives, max_size=num_objectives)
    return st.lists(row, min_size=1, max_size=max_rows)


FEW_VALUES = st.integers(-3, 3)  # nearly every example has ties and twins
ANY_FLOAT = st.floats(allow_nan=False, allow_infinity=False)
EDGES = st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 1.0, 1.0 + 2**-52, 1.7e308, -1.7e308])
TABLES = st.integers(1, 5).flatmap(
    lambda m: st.one_of(tables(m, FEW_VALUES), tables(m, ANY_FLOAT), tables(m, EDGES))
)


@settings(max_examples=300, deadline=None)
@given(TABLES)
def test_mask_is_the_definition(rows):
    mask = front_mask(rows)
    assert mask.dtype == np.bool_
    assert mask.tolist() == brute_force(rows)


@settings(max_examples=50, deadline=None)
@given(TABLES, st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(rows, random):
    order = list(range(len(rows)))
    random.shuffle(order)
    shuffled = front_mask([rows[index] for index in order])
    assert shuffled.tolist() == front_mask(rows)[order].tolist()


@settings(max_examples=100, deadline=None)
@given(tables(2, FEW_VALUES), st.booleans(), st.booleans())
def test_rows_that_come_sorted_either_way_are_treated_alike(rows, is_falling, is_second):
    rows.sort(key=lambda row: row[is_second], reverse=is_falling)
    assert front_mask(rows).tolist() == brute_force(rows)


@pytest.mark.parametrize("num_objectives", [1, 2, 3, 4])
def test_table_without_rows_has_an_empty_mask(num_objectives):
    mask = front_mask(np.zeros((0, num_objectives)))
    assert mask.shape == (0,)
    assert mask.dtype == np.bool_


@pytest.mark.parametrize("num_objectives", [1, 2, 3, 4])
def test_single_row_is_the_front(num_objectives):
    assert front_mask([[7.0] * num_objectives]).tolist() == [True]


@pytest.mark.parametrize("num_objectives", [1, 2, 3, 4])
def test_equal_rows_do_not_dominate_each_other(num_objectives):
    assert front_mask([[7.0] * num_objectives] * 5).all()


def test_twins_of_a_front_row_stay_and_twins_of_a_dominated_row_go():
    rows = [[1, 2], [2, 1], [1, 2], [2, 2], [2, 2], [1, 2]]
    assert front_mask(rows).tolist() == [True, True, True, False, False, True]


def test_row_that_ties_in_one_objective_and_loses_in_the_other_is_dominated():
    assert front_mask([[1, 5], [1, 4], [2, 4], [3, 4]]).tolist() == [False, True, False, False]


def test_negative_zero_equals_zero():
    assert front_mask([[0.0, 1.0], [-0.0, 1.0]]).tolist() == [True, True]
    assert front_mask([[0.0, 1.0], [-0.0, 2.0]]).tolist() == [True, False]
    assert front_mask([[1.0, 0.0, 1.0], [1.0, -0.0, 1.0]]).tolist() == [True, True]


def test_difference_in_the_last_bit_counts():
    above = np.nextafter(1.0, 2.0)
    assert front_mask([[1.0, above], [1.0, 1.0]]).tolist() == [False, True]


def test_range_beyond_float64_is_compared_without_a_warning():
    rows = [[-1.7e308, 1.7e308], [1.7e308, -1.7e308], [1.7e308, 1.7e308], [0.0, 0.0]]
    assert front_mask(rows).tolist() == [True, True, False, True]


def test_objective_without_range_leaves_the_others_to_decide():
    assert front_mask([[5, 3], [5, 1], [5, 2]]).tolist() == [False, True, False]
    assert front_mask([[5, 3, 1], [5, 1, 3], [5, 3, 3]]).tolist() == [True, True, False]


def test_straight_line_is_all_front_and_its_shifted_copy_is_not():
    x = np.random.default_rng(1).permutation(50_000).astype(float)
    line = np.column_stack([x, -x])
    mask = front_mask(np.concatenate([line + 0.5, line]))
    assert not mask[:50_000].any()
    assert mask[50_000:].all()


def test_integers_on_a_lattice_reach_the_sweep_with_ties_in_both_columns():
    # Twins along a falling line: nothing is cut off before the sort.
    rng = np.random.default_rng(2)
    x = rng.integers(0, 50, 500)
    rows = np.column_stack([x, 50 - x + rng.integers(0, 2, 500)])
    assert front_mask(rows).tolist() == brute_force(rows.tolist())


@pytest.mark.parametrize("num_objectives", [2, 3, 4])
@pytest.mark.parametrize("kind", ["uniform", "sphere", "lattice", "plane"])
def test_mask_agrees_with_moocore(num_objectives, kind):
    moocore = pytest.importorskip("moocore")
    rng = np.random.default_rng([num_objectives, len(kind)])
    cloud = rng.random((4_000, num_objectives)) + 1e-3
    if kind == "sphere":
        cloud = 1 - cloud / np.linalg.norm(cloud, axis=1, keepdims=True)
    elif kind == "lattice":
        cloud = np.floor(cloud * 12)
    elif kind == "plane":
        cloud = np.round(cloud / cloud.sum(axis=1, keepdims=True), 2)
    expected = moocore.is_nondominated(cloud, keep_weakly=True)
    assert np.array_equal(front_mask(cloud), expected)
