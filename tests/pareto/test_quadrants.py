"""quadrants against the paper's section 5.1, and on the frontiers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nas_edge.errors import ParetoError
from nas_edge.pareto import quadrants


def test_models_of_figure_4a_lie_where_the_paper_says():
    # Optimized, Xception, EfficientNetV2B1, MobileNetV2 on Caltech-101 (section 4.1).
    found = quadrants([0.7621, 0.7589, 0.3053, 0.5811], [847.9, 874.6, 823.0, 838.6])
    assert found.labels == (
        "High Accuracy, Low Memory",
        "High Accuracy, High Memory",
        "Low Accuracy, Low Memory",
        "Low Accuracy, Low Memory",
    )
    assert found.accuracy_frontier == 0.70
    assert found.memory_frontier == pytest.approx((823.0 + 874.6) / 2)


def test_models_of_figure_4b_lie_where_the_paper_says():
    # The same models on PCB defects, not pre-trained (Table 2).
    found = quadrants([0.9030, 0.8810, 0.5525, 0.5050], [865.8, 893.6, 874.8, 849.4])
    assert found.labels == (
        "High Accuracy, Low Memory",
        "High Accuracy, High Memory",
        "Low Accuracy, High Memory",
        "Low Accuracy, Low Memory",
    )


def test_model_on_a_frontier_gets_the_better_side():
    found = quadrants([0.70, 0.70, 0.69, 0.71], [10, 11, 10, 9], memory_frontier=10)
    assert found.labels == (
        "High Accuracy, Low Memory",
        "High Accuracy, High Memory",
        "Low Accuracy, Low Memory",
        "High Accuracy, Low Memory",
    )


def test_next_float_beyond_a_frontier_is_on_the_other_side():
    found = quadrants([np.nextafter(0.7, 0), 0.7], [4.0, np.nextafter(4.0, 5)], memory_frontier=4.0)
    assert found.labels == ("Low Accuracy, Low Memory", "High Accuracy, High Memory")


def test_single_model_sits_on_its_own_memory_frontier_and_is_low():
    found = quadrants([0.9], [849.3])
    assert found.labels == ("High Accuracy, Low Memory",)
    assert found.memory_frontier == 849.3


def test_given_frontiers_are_used_and_returned():
    found = quadrants([0.55], [100], accuracy_frontier=0.5, memory_frontier=50)
    assert found.labels == ("High Accuracy, High Memory",)
    assert (found.accuracy_frontier, found.memory_frontier) == (0.5, 50.0)


def test_result_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        quadrants([0.9], [1.0]).memory_frontier = 2.0


def test_percentages_are_refused_with_the_next_step():
    with pytest.raises(ParetoError, match=r"accuracy: .*\[1\] is 76.21; divide percentages by 100"):
        quadrants([0.5, 76.21], [1, 2])
    with pytest.raises(ParetoError, match=r"accuracy_frontier: .*divide by 100"):
        quadrants([0.5], [1], accuracy_frontier=70)


def test_negative_memory_is_refused_as_a_loss_given_by_mistake():
    with pytest.raises(ParetoError, match=r"memory: .*\[0\] is -800.0"):
        quadrants([0.5], [-800])
    with pytest.raises(ParetoError, match="memory_frontier"):
        quadrants([0.5], [800], memory_frontier=-1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_by_name(bad):
    for name, arguments in {
        "accuracy": {"accuracy": [0.5, bad], "memory": [1, 2]},
        "memory": {"accuracy": [0.5, 0.6], "memory": [1, bad]},
        "accuracy_frontier": {"accuracy": [0.5], "memory": [1], "accuracy_frontier": bad},
        "memory_frontier": {"accuracy": [0.5], "memory": [1], "memory_frontier": bad},
    }.items():
        with pytest.raises(ParetoError, match=f"^{name}: every value must be finite"):
            quadrants(**arguments)


def test_accuracies_and_memories_must_pair_up():
    with pytest.raises(ParetoError, match=r"one value per accuracy \(2\), but got 1"):
        quadrants([0.5, 0.6], [1])
    with pytest.raises(ParetoError, match="accuracy: must have shape"):
        quadrants([[0.5]], [[1]])


def test_no_models_need_a_memory_frontier():
    assert quadrants([], [], memory_frontier=5).labels == ()
    with pytest.raises(ParetoError, match="memory_frontier: must be given"):
        quadrants([], [])
