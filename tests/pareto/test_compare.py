"""relations and dominates, case by case and against each other's definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_edge.errors import ParetoError
from nas_edge.pareto import dominates, relations


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ([1, 1], "dominates"),
        ([2, 1], "dominates"),
        ([1, 2], "dominates"),
        ([2, 2], "equal"),
        ([2, 3], "dominated"),
        ([3, 2], "dominated"),
        ([3, 3], "dominated"),
        ([1, 3], "incomparable"),
        ([3, 1], "incomparable"),
    ],
)
def test_row_around_the_reference_gets_its_word(row, word):
    assert relations([row], [2, 2]) == (word,)
    assert dominates(row, [2, 2]) is (word == "dominates")
    assert dominates([2, 2], row) is (word == "dominated")


def test_words_come_in_the_order_of_the_rows_as_plain_text():
    words = relations([[3, 3], [1, 3], [2, 2], [1, 1]], [2, 2])
    assert words == ("dominated", "incomparable", "equal", "dominates")
    assert all(type(word) is str for word in words)


def test_paper_model_dominates_xception_on_both_tasks_and_not_mobilenet():
    # Error rate in percent, average memory in MB: the paper's Figure 3 and Table 2.
    caltech = [[100 - 76.21, 847.9], [100 - 58.11, 838.6], [100 - 30.53, 823.0]]
    assert relations(caltech, [100 - 75.89, 874.6]) == (
        "dominates",
        "incomparable",
        "incomparable",
    )
    pcb = [[100 - 90.30, 865.8], [100 - 55.25, 874.8], [100 - 50.50, 849.4]]
    assert relations(pcb, [100 - 88.10, 893.6])[0] == "dominates"
    assert relations(pcb, pcb[0]) == ("equal", "dominated", "incomparable")


def test_negative_zero_is_equal_to_zero():
    assert relations([[-0.0, 1.0]], [0.0, 1.0]) == ("equal",)
    assert not dominates([-0.0], [0.0])


def test_one_objective_is_never_incomparable():
    assert relations([[1], [2], [3]], [2]) == ("dominates", "equal", "dominated")


def test_no_rows_have_no_relations():
    assert relations(np.zeros((0, 2)), [1, 2]) == ()


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=3, max_size=3))
def test_dominance_is_transitive_and_one_way(rows):
    a, b, c = rows
    assert not (dominates(a, b) and dominates(b, a))
    if dominates(a, b) and dominates(b, c):
        assert dominates(a, c)


def test_malformed_rows_are_refused_by_name():
    with pytest.raises(ParetoError, match=r"reference: must have shape \(2,\)"):
        relations([[1, 2]], [1, 2, 3])
    with pytest.raises(ParetoError, match=r"reference: .*\[0\] is nan"):
        relations([[1, 2]], [np.nan, 2])
    with pytest.raises(ParetoError, match=r"b: must have shape \(2,\), but got shape \(1,\)"):
        dominates([1, 2], [1])
    with pytest.raises(ParetoError, match=r"a: .*\[1\] is inf"):
        dominates([1, np.inf], [1, 2])
    with pytest.raises(ParetoError, match="a: must have shape"):
        dominates([[1, 2]], [[1, 2]])
