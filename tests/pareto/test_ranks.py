"""ranks against peeling by the definition, and against moocore."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_edge.pareto import ranks


def peel(rows):
    """Take away one front after the other, each by the definition."""

    def is_dominating(a, b):
        return all(x <= y for x, y in zip(a, b)) and any(x < y for x, y in zip(a, b))

    found = [None] * len(rows)
    rank = 0
    while None in found:
        left = [index for index, value in enumerate(found) if value is None]
        front = [i for i in left if not any(is_dominating(rows[j], rows[i]) for j in left)]
        for index in front:
            found[index] = rank
        rank += 1
    return found


def tables(num_objectives):
    values = st.one_of(st.integers(-4, 4), st.sampled_from([0.0, -0.0, 1e308, -1e308, 5e-324]))
    row = st.lists(values, min_size=num_objectives, max_size=num_objectives)
    return st.lists(row, min_size=1, max_size=40)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 4).flatmap(tables))
def test_ranks_are_what_peeling_gives(rows):
    found = ranks(rows)
    assert np.issubdtype(found.dtype, np.integer)
    assert found.tolist() == peel(rows)


@pytest.mark.parametrize("num_objectives", [1, 2, 3])
def test_table_without_rows_has_no_ranks(num_objectives):
    assert ranks(np.zeros((0, num_objectives))).shape == (0,)


@pytest.mark.parametrize("num_objectives", [1, 2, 3])
def test_chain_has_a_rank_per_row_and_twins_share_theirs(num_objectives):
    column = np.array([2.0, 0.0, 1.0, 1.0, 3.0])
    rows = np.column_stack([column] * num_objectives)
    assert ranks(rows).tolist() == [2, 0, 1, 1, 3]


def test_row_on_a_straight_front_with_ties_is_pushed_back_by_one():
    assert ranks([[0, 1], [1, 0], [1, 1], [0, 2], [2, 2]]).tolist() == [0, 0, 1, 1, 2]


@pytest.mark.parametrize("num_objectives", [2, 3])
@pytest.mark.parametrize("levels", [10, 10**9])
def test_ranks_agree_with_moocore(num_objectives, levels):
    moocore = pytest.importorskip("moocore")
    rng = np.random.default_rng([num_objectives, levels])
    rows = rng.integers(0, levels, (2_000, num_objectives))
    assert np.array_equal(ranks(rows), moocore.pareto_rank(rows))
