"""What the functions of nas_edge.pareto accept, and how they refuse the rest."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from nas_edge import pareto
from nas_edge.errors import NasEdgeError, ParetoError

REFERENCE_2D = [9.0, 9.0]
ON_A_TABLE = {
    "to_losses": lambda table: pareto.to_losses(table, ["minimize"] * 2),
    "front_mask": pareto.front_mask,
    "ranks": pareto.ranks,
    "hypervolume": lambda table: pareto.hypervolume(table, REFERENCE_2D),
    "reference_point_of": pareto.reference_point_of,
    "knee": pareto.knee,
    "relations": lambda table: pareto.relations(table, REFERENCE_2D),
    "front_history": pareto.front_history,
    "hypervolume_history": lambda table: pareto.hypervolume_history(table, REFERENCE_2D),
}
on_each_function = pytest.mark.parametrize("function", ON_A_TABLE.values(), ids=ON_A_TABLE)


@on_each_function
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_value_that_is_not_finite_is_refused_with_its_row_and_column(function, bad):
    table = np.arange(10.0).reshape(5, 2)
    table[3, 1] = bad
    with pytest.raises(ParetoError, match=r"row 3, column 1 is -?(nan|inf)"):
        function(table)


@on_each_function
@pytest.mark.parametrize("shape", [(4,), (), (2, 2, 2), (3, 0), (0,)])
def test_wrong_shape_is_refused_and_named(function, shape):
    with pytest.raises(ParetoError, match=rf"but got shape \({', '.join(map(str, shape))},?\)"):
        function(np.zeros(shape))


@on_each_function
@pytest.mark.parametrize(
    "table",
    [
        [[1.0, 2.0], [3.0]],
        [["1", "2"]],
        [[None, 1.0]],
        [[1j, 2.0]],
        np.array([["2024-01-01", "2024-01-02"]], dtype="datetime64[D]"),
    ],
    ids=["ragged", "text", "none", "complex", "dates"],
)
@pytest.mark.filterwarnings("ignore:Creating an ndarray from ragged")  # NumPy before 1.24
def test_what_is_not_a_table_of_real_numbers_is_refused(function, table):
    with pytest.raises(ParetoError):
        function(table)


@on_each_function
def test_argument_is_left_as_it_was(function):
    table = np.array([[3.0, 1.0], [1.0, 2.0], [3.0, 1.0], [0.0, 8.0]])
    before = table.copy()
    function(table)
    assert np.array_equal(table, before)


@on_each_function
def test_lists_integers_float32_and_strided_views_give_the_same_answer_as_float64(function):
    rows = [[3, 1], [1, 2], [2, 2], [0, 8], [3, 1]]
    wide = np.zeros((10, 4))
    wide[::2, 1::2] = rows
    expected = repr(function(np.array(rows, dtype=np.float64)))
    for same in (
        rows,
        np.array(rows, dtype=np.int32),
        np.array(rows, dtype=np.uint64),
        np.array(rows, dtype=np.float32),
        np.array(rows, dtype=np.float64, order="F"),
        wide[::2, 1::2],
    ):
        assert repr(function(same)) == expected


def test_masked_value_is_refused_since_its_hidden_figure_would_count():
    table = np.ma.masked_array([[1.0, 2.0], [3.0, 4.0]], mask=[[False, True], [False, False]])
    with pytest.raises(ParetoError, match="masked"):
        pareto.front_mask(table)


def test_integers_that_float64_would_merge_are_refused():
    with pytest.raises(ParetoError, match=r"2\*\*53"):
        pareto.front_mask([[2**53 + 1, 1], [2**53, 1]])
    with pytest.raises(ParetoError, match=r"2\*\*53"):
        pareto.front_mask([[-(2**63), 1]])
    assert pareto.front_mask([[2**53, 1], [2**53 - 1, 1]]).tolist() == [False, True]


def test_error_is_both_a_nas_edge_error_and_a_value_error():
    with pytest.raises(NasEdgeError) as caught:
        pareto.front_mask([1.0])
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)


def test_maximised_columns_are_negated_and_others_copied():
    values = np.array([[0.7, 800.0], [0.0, 900.0]])
    losses = pareto.to_losses(values, ("maximize", "minimize"))
    assert losses.tolist() == [[-0.7, 800.0], [0.0, 900.0]]
    assert not np.shares_memory(losses, values)
    assert not np.signbit(losses[1, 0])  # a negated zero is printed as 0.0, not -0.0


def test_directions_that_do_not_fit_are_refused():
    with pytest.raises(ParetoError, match=r"column 1 must be 'minimize' or 'maximize'.*'max'"):
        pareto.to_losses([[1.0, 2.0]], ["minimize", "max"])
    with pytest.raises(ParetoError, match=r"one direction per column \(2\)"):
        pareto.to_losses([[1.0, 2.0]], ["minimize"])
    with pytest.raises(ParetoError, match=r"one direction per column \(8\)"):
        pareto.to_losses(np.zeros((1, 8)), "minimize")  # eight letters are not eight directions


def test_empty_table_keeps_its_columns():
    assert pareto.to_losses(np.zeros((0, 2)), ["maximize", "minimize"]).shape == (0, 2)


def test_all_names_every_public_function():
    for name in pareto.__all__:
        assert hasattr(pareto, name)
    of_repeats = {"confident_front", "interval_of", "probability_above", "repeated_figure"}
    assert set(ON_A_TABLE) | {"dominates", "quadrants"} | of_repeats == {
        name for name in pareto.__all__ if name[0].islower()
    }


def test_importing_the_package_brings_in_neither_torch_nor_optuna():
    code = (
        "import sys, nas_edge.pareto; "
        "print([n for n in ('torch', 'optuna', 'pandas', 'matplotlib') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
