"""hypervolume and its default reference point against arithmetic, counting and moocore."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_edge.errors import ParetoError
from nas_edge.pareto import hypervolume, reference_point_of


def count_cells(rows, reference):
    """Count the unit cells of an integer grid that some row dominates: exact."""
    sides = [range(min([row[k] for row in rows] + [end]), end) for k, end in enumerate(reference)]
    return sum(
        any(all(x <= c for x, c in zip(row, cell)) for row in rows) for cell in product(*sides)
    )


def include_and_exclude(rows, reference):
    """Add the boxes of all rows, take away those of all pairs, and so on."""
    inside = [row for row in rows if all(x < end for x, end in zip(row, reference))]
    total = 0.0
    for size in range(1, len(inside) + 1):
        for chosen in combinations(inside, size):
            worst = np.max(chosen, axis=0)
            total += float(np.prod(np.asarray(reference) - worst)) * (-1) ** (size + 1)
    return total


def integer_tables(num_objectives):
    row = st.lists(st.integers(-3, 5), min_size=num_objectives, max_size=num_objectives)
    return st.lists(row, min_size=1, max_size=12)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 3).flatmap(integer_tables), st.lists(st.integers(-2, 6), min_size=3, max_size=3)
)
def test_volume_is_the_number_of_dominated_cells(rows, reference):
    reference = reference[: len(rows[0])]
    assert hypervolume(rows, reference) == count_cells(rows, reference)


@pytest.mark.parametrize("num_objectives", [1, 2, 3])
def test_volume_agrees_with_inclusion_and_exclusion(num_objectives):
    rng = np.random.default_rng(num_objectives)
    for _ in range(20):
        rows = rng.normal(size=(8, num_objectives))
        reference = rng.normal(size=num_objectives) + 1.0
        expected = include_and_exclude(rows.tolist(), reference.tolist())
        assert hypervolume(rows, reference) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_two_steps_have_the_area_drawn_on_paper():
    # 2 x 1 for (1, 2), 1 x 2 for (2, 1), less the unit square that both cover.
    assert hypervolume([[1, 2], [2, 1]], [3, 3]) == 3.0


def test_row_on_the_edge_of_the_reference_adds_nothing():
    assert hypervolume([[3, 0], [0, 3], [4, 0]], [3, 3]) == 0.0
    assert hypervolume([[3, 0, 0], [1, 1, 1]], [3, 3, 3]) == 8.0
    assert hypervolume([[3]], [3]) == 0.0


def test_row_outside_the_reference_does_not_take_away_from_others():
    assert hypervolume([[1, 1], [-100, 5]], [3, 3]) == 4.0


@pytest.mark.parametrize("num_objectives", [1, 2, 3, 4])
def test_no_rows_have_no_volume_if_the_number_of_objectives_is_known(num_objectives):
    table, reference = np.zeros((0, num_objectives)), np.ones(num_objectives)
    if num_objectives <= 3:
        assert hypervolume(table, reference) == 0.0
    else:
        with pytest.raises(ParetoError, match="at most 3 objectives, but got 4"):
            hypervolume(table, reference)


@pytest.mark.parametrize("num_objectives", [1, 2, 3])
def test_twins_count_once(num_objectives):
    rows = [[1.0] * num_objectives] * 4
    assert hypervolume(rows, [3.0] * num_objectives) == 2.0**num_objectives


@pytest.mark.parametrize("num_objectives", [2, 3])
@pytest.mark.parametrize("kind", ["uniform", "sphere", "lattice"])
def test_volume_agrees_with_moocore(num_objectives, kind):
    moocore = pytest.importorskip("moocore")
    rng = np.random.default_rng([num_objectives, len(kind)])
    cloud = rng.random((2_000, num_objectives)) + 1e-3
    if kind == "sphere":
        cloud = 1 - cloud / np.linalg.norm(cloud, axis=1, keepdims=True)
    elif kind == "lattice":
        cloud = np.floor(cloud * 12)
    reference = cloud.max(axis=0) * 0.9
    expected = moocore.hypervolume(cloud, ref=reference)
    assert hypervolume(cloud, reference) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("num_objectives", [1, 2, 3])
def test_volume_beyond_float64_is_refused_without_a_warning(num_objectives):
    rows = [[-1.5e308] * num_objectives, [-1.6e308] * num_objectives]
    with pytest.raises(ParetoError, match="larger units"):
        hypervolume(rows, [1.5e308] * num_objectives)


@pytest.mark.parametrize("reference", [[1.0], [1.0, 2.0, 3.0], 1.0, [[1.0, 2.0]], []])
def test_reference_of_another_length_is_refused(reference):
    with pytest.raises(ParetoError, match=r"reference_point: must have shape \(2,\)"):
        hypervolume([[0.0, 0.0]], reference)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_reference_that_is_not_finite_is_refused_with_its_place(bad):
    with pytest.raises(ParetoError, match=r"reference_point: .*\[1\] is -?(nan|inf)"):
        hypervolume([[0.0, 0.0]], [1.0, bad])


def test_default_reference_is_the_nadir_and_a_tenth_of_the_range():
    rows = [[0.0, 200.0], [1.0, 100.0], [5.0, 5000.0]]  # the last one is dominated
    assert reference_point_of(rows) == pytest.approx([1.1, 210.0])
    assert reference_point_of(rows, margin=1.0) == pytest.approx([2.0, 300.0])


def test_column_without_range_is_pushed_by_its_own_size_or_by_the_margin_at_zero():
    assert reference_point_of([[-0.5, 0.0, 800.0]]) == pytest.approx([-0.45, 0.1, 880.0])


@pytest.mark.parametrize("row", [[1e16, 1e16 + 2], [-1e16, 5.0], [5e-324, -5e-324]])
def test_default_reference_is_strictly_worse_than_the_front_even_at_the_last_bit(row):
    rows = np.array([row, [row[0] + 2, row[1] - 2]])
    assert (reference_point_of(rows, margin=1e-12) > rows.max(axis=0)).all()


def test_default_reference_needs_rows_and_a_margin():
    with pytest.raises(ParetoError, match="at least one row"):
        reference_point_of(np.zeros((0, 2)))
    for margin in (0.0, -0.1, np.nan, np.inf):
        with pytest.raises(ParetoError, match="margin: must be above 0"):
            reference_point_of([[1.0, 2.0]], margin=margin)


def test_default_reference_beyond_float64_is_refused_without_a_warning():
    with pytest.raises(ParetoError, match="exceeds float64"):
        reference_point_of([[-1.7e308, 1.7e308], [1.7e308, -1.7e308]])
