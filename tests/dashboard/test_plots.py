"""The saved plots, against arithmetic on the run they show."""

from dataclasses import replace

import pytest

from nas_edge.dashboard.importance import LEAST_TRIALS, importances
from nas_edge.dashboard.plots import study_plots
from nas_edge.study.records import comparable, front_of

pytest.importorskip("optuna_dashboard")


@pytest.fixture
def finished(snapshot):
    return comparable(snapshot.records, snapshot.objectives)


def test_every_plot_is_there(snapshot):
    assert set(study_plots(snapshot)) == {
        "front",
        "hypervolume-by-candidate",
        "hypervolume-by-hours",
        "importance",
        "memory-by-part",
    }


def test_device_hours_count_every_candidate(snapshot, finished):
    (line,) = study_plots(snapshot)["hypervolume-by-hours"].data

    # Six minutes for a finished candidate, one for each other, in the order of their numbers.
    minutes, expected = 0, []
    for record in snapshot.records:
        minutes += 6 if record.measurement.is_finished else 1
        if record.measurement.is_finished:
            expected.append(minutes / 60)
    assert list(line.x) == pytest.approx(expected)
    assert list(line.y) == sorted(line.y)
    assert line.y[-1] == 1


def test_memory_of_the_front_is_stacked_by_part_with_what_was_measured(snapshot):
    bars = {bar.name: bar for bar in study_plots(snapshot)["memory-by-part"].data}
    front = front_of(snapshot.records, snapshot.objectives)

    assert list(bars["workspace"].y) == [1.0] * len(front)
    assert list(bars["measured"].y) == [r.value("peak_memory") / 2**20 for r in front]
    assert list(bars["parameters"].x) == [r.name for r in front]


def test_importance_finds_the_choice_that_decides():
    import optuna

    from nas_edge.dashboard.importance import _shares

    distribution = optuna.distributions.CategoricalDistribution((1, 2, 3, 4))
    trials = [
        optuna.trial.create_trial(
            params={"decides": a, "idle": b},
            distributions={"decides": distribution, "idle": distribution},
            value=float(a),
        )
        for a in (1, 2, 3, 4)
        for b in (1, 2, 3, 4)
    ]

    shares = _shares(trials)

    assert shares["decides"] > 0.9
    assert sum(shares.values()) == pytest.approx(1.0)


def test_importance_leaves_infeasible_candidates_out_and_needs_enough_of_the_others(
    snapshot, finished
):
    assert set(importances(snapshot)) == {"val_accuracy", "peak_memory"}
    fewer = replace(snapshot, records=tuple(finished[: LEAST_TRIALS - 1]))
    assert importances(fewer) == {}


def test_nothing_is_plotted_where_nothing_finished(snapshot):
    assert study_plots(replace(snapshot, records=())) == {}
