"""What came of candidates: infeasible, failed, crashed, over budget; how a study ends."""

import optuna
import pytest

from nas_edge import Measurement, NasEdgeError, open_run, run_study
from nas_edge.candidate.measurement import CRASHED, DIVERGED, OUT_OF_MEMORY, OVER_LIMIT
from nas_edge.errors import SpaceError, StudyError

SAMPLERS = ("tpe", "nsga2", "nsga3", "gp", "random", "grid")


def trials_of(run):
    path = (run / "study.db").resolve()
    return optuna.load_study(study_name=None, storage=f"sqlite:///{path}").get_trials()


def notes_into(notes):
    return lambda event: notes.append(event["text"]) if event["event"] == "note" else None


def infeasible(point, kind=OVER_LIMIT):
    return Measurement(
        outcome=kind,
        reason="needs 900.0 MiB of training memory, more than the limit of 500.0 MiB",
        details={"needs_bytes": 900 * 2**20, "violation": 0.8},
    )


@pytest.mark.parametrize(
    ("sampler", "kind"),
    [("tpe", OVER_LIMIT), ("nsga2", OVER_LIMIT), ("random", OVER_LIMIT), ("tpe", OUT_OF_MEMORY)],
)
def test_infeasible_trial_carries_a_constraint_and_reaches_no_front(
    tmp_path, spaces, table, sampler, kind
):
    def evaluate(point):
        return infeasible(point, kind) if point["a"] == 3 else table(point)

    records = run_study(spaces[0](), evaluate, trials=9, out=tmp_path / "run", sampler=sampler)

    run = open_run(tmp_path / "run")
    bad = {r.number for r in records if r.measurement.outcome == kind}
    assert bad
    assert not bad & {r.number for r in run.front()}
    trials = trials_of(tmp_path / "run")
    for number in bad:
        trial = trials[number]
        assert trial.state.name == "COMPLETE"
        assert trial.system_attrs["constraints"] == [0.8]
        assert trial.values == [0.0, 900 * 2**20]
    path = (tmp_path / "run" / "study.db").resolve()
    study = optuna.load_study(study_name="run", storage=f"sqlite:///{path}")
    assert study.best_trials
    assert all(t.params["a"] != 3 for t in study.best_trials)


def test_infeasible_trial_is_never_told_the_best_cost(tmp_path, letters):
    run = tmp_path / "run"
    run_study(letters, infeasible, objectives=("val_accuracy", "latency"), trials=2, out=run)
    for trial in trials_of(run):
        assert trial.values[0] == 0.0
        assert trial.values[1] >= 1e6


def test_reference_outside_the_space_is_refused(tmp_path, with_references, table):
    with_references.references["xception"] = {"a": 9, "b": 9}
    with pytest.raises(SpaceError, match="the reference 'xception' must be a point of the space"):
        run_study(with_references, table, out=tmp_path / "run")


def test_failed_trial_is_failed_with_its_reason_and_the_study_goes_on(tmp_path, spaces, table):
    def evaluate(point):
        if point["a"] == 0:
            return Measurement(outcome=DIVERGED, reason="the loss is NaN in epoch 2")
        return table(point)

    records = run_study(spaces[0](), evaluate, trials=14, out=tmp_path / "run", sampler="random")

    failed = [t for t in trials_of(tmp_path / "run") if t.state.name == "FAIL"]
    assert failed
    assert {t.user_attrs["nas_edge:failure"] for t in failed} == {
        "diverged: the loss is NaN in epoch 2"
    }
    assert len(records) == 14
    assert {r.measurement.reason for r in records if r.point["a"] == 0} == {
        "the loss is NaN in epoch 2"
    }


def test_three_crashes_at_the_start_end_the_study(tmp_path, letters):
    calls = []

    def evaluate(point):
        calls.append(point)
        return Measurement(outcome=CRASHED, reason="ValueError: no such layer")

    with pytest.raises(StudyError, match=r"first 3 candidates all crashed.*no such layer"):
        run_study(letters, evaluate, trials=9, out=tmp_path / "run", sampler="random")
    assert len(calls) == 3


def test_crashes_after_a_finished_candidate_do_not_end_the_study(tmp_path, spaces, table):
    def evaluate(point):
        return table(point) if not table.calls else Measurement(outcome=CRASHED, reason="x")

    assert len(run_study(spaces[0](), evaluate, trials=8, out=tmp_path / "run")) == 8


def test_time_budget_counts_evaluations_of_earlier_sessions(tmp_path, spaces):
    from dataclasses import replace

    def evaluate(point):
        return replace(spaces[2].result(point), wall_s=10.0)

    notes = []
    options = {"trials": 15, "out": tmp_path / "run", "sampler": "random"}
    run_study(spaces[0](), evaluate, time_budget_s=35.0, **options)
    records = run_study(
        spaces[0](), evaluate, time_budget_s=35.0, on_event=notes_into(notes), **options
    )

    assert len(records) == 3
    assert notes == [
        "no further candidate fits into the time budget (30 of 35 s used by 3 candidates)"
    ]
    assert len(run_study(spaces[0](), evaluate, time_budget_s=50.0, **options)) == 5


def test_what_one_more_takes_is_what_whole_trainings_took(tmp_path, spaces):
    from dataclasses import replace

    def evaluate(point):
        if point["a"] % 2:
            return Measurement(outcome=CRASHED, reason="ValueError: odd", wall_s=0.1)
        return replace(spaces[2].result(point), wall_s=10.0)

    records = run_study(
        spaces[0](), evaluate, trials=15, out=tmp_path / "run", sampler="random", time_budget_s=25.0
    )
    assert sum(record.measurement.wall_s for record in records) <= 25.0
    assert 0 < sum(record.measurement.is_finished for record in records) <= 2


def test_three_objectives_make_a_front_of_three(tmp_path, spaces):
    def evaluate(point):
        a, b = point["a"], point["b"]
        return Measurement.of(val_accuracy=a / 3, peak_memory=1 + b, latency=1 + (a - b) ** 2)

    objectives = ("val_accuracy", "peak_memory", "latency")
    run_study(spaces[0](3), evaluate, objectives=objectives, trials=9, out=tmp_path / "run")

    run = open_run(tmp_path / "run")
    losses = {(-a / 3, 1 + b, 1 + (a - b) ** 2) for a in range(3) for b in range(3)}
    best = {
        one
        for one in losses
        if not any(o != one and all(x <= y for x, y in zip(o, one)) for o in losses)
    }
    shown = {
        (-r.value("val_accuracy"), r.value("peak_memory"), r.value("latency")) for r in run.front()
    }
    assert run.objectives == objectives
    assert shown == best


def test_error_of_the_evaluator_keeps_its_type_and_its_trial(tmp_path, spaces, table):
    def broken(point):
        raise ConnectionRefusedError(111, "the meter does not answer")

    with pytest.raises(ConnectionRefusedError, match="meter") as caught:
        run_study(spaces[0](), broken, trials=3, out=tmp_path / "run", sampler="random")
    assert not isinstance(caught.value, NasEdgeError)

    records = run_study(spaces[0](), table, trials=3, out=tmp_path / "run", sampler="random")
    assert [r.number for r in records] == [0, 1, 2]


def test_wall_time_is_measured_where_the_evaluator_gives_none(tmp_path, spaces):
    import time

    def evaluate(point):
        time.sleep(0.05)
        return spaces[2].result(point)

    (record,) = run_study(spaces[0](), evaluate, trials=1, out=tmp_path / "run")

    assert 0.05 <= record.measurement.wall_s < 5.0
