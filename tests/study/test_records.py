"""Records: fronts by hand, what may not be mixed, tables."""

from dataclasses import replace

import pytest

from nas_edge import Measurement, run_study
from nas_edge.candidate.measurement import OVER_LIMIT, Metric
from nas_edge.errors import StudyError
from nas_edge.study.records import (
    TrialRecord,
    comparable,
    direction_of,
    front_of,
    metric_columns,
    to_frame,
)
from nas_edge.study.run import open_run

OBJECTIVES = ("val_accuracy", "peak_memory")


def record(number, accuracy, memory, source="probe", device=None, **more):
    metrics = {
        "val_accuracy": Metric(accuracy, "share", f"validation images, epoch {number + 1}"),
        "peak_memory": Metric(memory, "bytes", source),
    }
    measured = Measurement(metrics=metrics, device=device or {"kind": "cpu", "name": "x"})
    return TrialRecord(number, str(number), {"stem": {"widths": [4, 8]}}, None, measured, **more)


def test_front_is_ordered_by_the_second_objective_and_keeps_ties():
    records = [
        record(0, 0.90, 300),
        record(1, 0.80, 100),
        record(2, 0.79, 100),  # dominated by 1
        record(3, 0.80, 100),  # equal to 1
        record(4, 0.85, 300),  # dominated by 0
        record(5, 0.85, 200),
    ]

    assert [r.number for r in front_of(records, OBJECTIVES)] == [1, 3, 5, 0]


def test_front_of_nothing_is_empty():
    bad = Measurement(outcome=OVER_LIMIT, reason="needs more")
    assert front_of([TrialRecord(0, "k", {}, None, bad)], OBJECTIVES) == []


def test_epochs_of_a_source_do_not_make_it_another():
    assert len(comparable([record(0, 0.5, 1), record(7, 0.6, 2)], OBJECTIVES)) == 2


def test_figures_of_different_sources_are_refused():
    records = [record(0, 0.5, 1), record(1, 0.6, 2, source="jtop RAM fraction")]

    with pytest.raises(StudyError, match=r"different sources \(jtop RAM fraction; probe\)"):
        front_of(records, OBJECTIVES)


def test_figures_of_different_devices_are_refused():
    records = [record(0, 0.5, 1), record(1, 0.6, 2, device={"kind": "cuda", "name": "Orin"})]

    with pytest.raises(StudyError, match=r"different devices.*Orin"):
        front_of(records, OBJECTIVES)


def test_directions():
    assert direction_of("val_accuracy") == "maximize"
    assert direction_of("peak_memory") == direction_of("anything else") == "minimize"


def test_frame_has_a_row_a_record_with_figures_and_choices():
    bad = replace(record(1, 0.5, 5), measurement=Measurement(outcome=OVER_LIMIT, reason="needs 9"))
    frame = to_frame([record(0, 0.75, 1000), bad])

    assert list(frame["number"]) == [0, 1]
    assert list(frame["outcome"]) == ["finished", "over_limit"]
    assert frame["val_accuracy"][0] == 0.75
    assert frame["peak_memory_mib"].tolist()[0] == 1000 / 2**20
    assert frame["peak_memory_mib"].isna().tolist() == [False, True]
    assert list(frame["stem.widths"]) == ["4-8", "4-8"]
    assert frame["reason"][1] == "needs 9"


def test_choices_named_like_figures_stand_beside_them():
    figures = {"params": Metric(12345.0, "count", "counted"), "heat": Metric(3.0, "ms", "felt")}
    point = {"name": "resnet", "number": 104, "params": 7, "heat_ms": 1, "depth": 2}
    one = replace(record(4, 0.5, 1), point=point, measurement=Measurement(metrics=figures))
    bare = replace(one, number=5, measurement=Measurement(outcome=OVER_LIMIT, reason="needs 9"))

    frame = to_frame([bare, one])

    assert frame["number"].tolist() == [5, 4]
    assert frame["name"].tolist() == ["trial 5", "trial 4"]
    assert frame["params"].tolist()[1] == 12345
    assert frame["heat_ms"].tolist()[1] == 3.0
    for name, value in point.items():
        column = name if name == "depth" else f"choice.{name}"
        assert frame[column].tolist() == [value, value]


def test_columns_of_a_frame_end_in_their_units():
    figures = {
        "latency": Metric(3.5, "ms", "timed"),
        "epoch_time": Metric(8.0, "s", "timed"),
        "energy_per_epoch": Metric(90.0, "J", "metered"),
        "mean_memory": Metric(3 * 2**20, "bytes", "metered"),
        "params": Metric(1200.0, "count", "counted"),
        "heat": Metric(0.25, "", "felt"),
    }
    one = replace(record(0, 0.5, 1), measurement=Measurement(metrics=figures))

    assert metric_columns(one) == {
        "latency_ms": 3.5,
        "epoch_time_s": 8.0,
        "energy_per_epoch_j": 90.0,
        "mean_memory_mib": 3.0,
        "params": 1200.0,
        "heat": 0.25,
    }


def test_run_finds_references_and_trials(tmp_path, with_references, table):
    run_study(with_references, table, trials=3, out=tmp_path / "run")
    run = open_run(tmp_path / "run")

    assert run.reference("xception-lite").point == {"a": 2, "b": 2}
    assert run.reference("resnet") is None
    assert run.record(2).number == 2
    with pytest.raises(StudyError, match="has no measured trial 9; the numbers there are: 0, 1, 2"):
        run.record(9)
    assert len(run.frame()) == 3


SET = "UPDATE trial_user_attributes SET value_json = '{}' WHERE key = '{}' AND trial_id = 2"
DAMAGES = {
    "no metrics": (SET.format('{"outcome": "fine"}', "nas_edge:measurement"), "'metrics'"),
    "no JSON": (SET.format('{"outcome": ', "nas_edge:measurement"), "JSONDecodeError"),
    "no mapping": (SET.format("5", "nas_edge:measurement"), "TypeError"),
    "no key": (
        "DELETE FROM trial_user_attributes WHERE key = 'nas_edge:key' AND trial_id = 2",
        "KeyError: 'nas_edge:key'",
    ),
    "no point": (
        "DELETE FROM trial_user_attributes WHERE key = 'nas_edge:point' AND trial_id = 2",
        "KeyError: 'nas_edge:point'",
    ),
    "a list for a key": (SET.format("[1, 2]", "nas_edge:key"), "unhashable"),
    "a history of numbers": (
        "INSERT INTO trial_user_attributes (trial_id, key, value_json) "
        "VALUES (2, 'nas_edge:history', '[1, 2]')",
        "history must be rows",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_measurement_is_named_with_its_trial(
    tmp_path, with_references, table, damage, change_database
):
    run_study(with_references, table, trials=2, out=tmp_path / "run")
    statement, cause = DAMAGES[damage]
    change_database(tmp_path / "run", statement)

    with pytest.raises(StudyError, match=r"trial 1: .* is damaged \(.*\); restore") as caught:
        open_run(tmp_path / "run")
    assert cause in str(caught.value)


@pytest.mark.parametrize("damage", ["no JSON", "no key"])
def test_a_study_does_not_go_on_from_a_damaged_trial(
    tmp_path, with_references, table, damage, change_database
):
    run_study(with_references, table, trials=2, out=tmp_path / "run")
    change_database(tmp_path / "run", DAMAGES[damage][0])

    with pytest.raises(StudyError, match="is damaged"):
        run_study(with_references, table, trials=3, out=tmp_path / "run")


def test_a_repeat_without_its_key_is_damaged(tmp_path, spaces, table, change_database):
    space = spaces[1]()
    space.references = {"one": {"a": 1, "b": 1}, "same": {"a": 1, "b": 1}}
    run_study(space, table, trials=2, out=tmp_path / "run")
    change_database(
        tmp_path / "run",
        "DELETE FROM trial_user_attributes WHERE key = 'nas_edge:key' AND trial_id = 2",
    )

    with pytest.raises(StudyError, match=r"trial 1: .* is damaged"):
        open_run(tmp_path / "run")
