"""What the notes of a study and of its trials say."""

from dataclasses import replace

import pytest

from nas_edge.candidate.measurement import CRASHED, FINISHED, OVER_LIMIT, Metric
from nas_edge.dashboard.markdown import escape
from nas_edge.dashboard.study_note import KEPT_BELOW, study_note, with_kept
from nas_edge.dashboard.trial_note import candidate_note, other_note
from nas_edge.study.records import front_of

pytest.importorskip("optuna_dashboard")


def of_outcome(snapshot, outcome):
    return [r for r in snapshot.records if r.measurement.outcome == outcome]


def lines_with(note, start):
    return [line for line in note.splitlines() if line.startswith(f"| {start}")]


def test_study_note_says_what_is_searched_on_what(snapshot):
    note = study_note(snapshot)

    assert "70 train, 30 val" in note.replace("\\", "")
    assert "3 epochs, 64 px, batch 8, adam" in note.replace("\\", "")
    assert "abacus (cpu)" in note.replace("\\", "")
    assert "45.8 MiB" in note.replace("\\", "")  # 48e6 / 2**20
    assert "xception-lite x0.25" in note.replace("\\", "")
    objectives = [line.replace("\\", "") for line in lines_with(note, "peak training memory")]
    assert [["peak_memory" in o, "bytes" in o, "four bytes a MAC" in o] for o in objectives] == [
        [True] * 3
    ]


def test_study_note_says_how_sure_its_first_sentence_is(snapshot):
    best = max(of_outcome(snapshot, FINISHED), key=lambda r: r.value("val_accuracy"))
    finished = replace(best.measurement, metrics=dict(best.measurement.metrics))
    finished.metrics["peak_memory"] = Metric(1e9, "bytes", "four bytes a MAC")
    records = [
        replace(r, measurement=finished) if (r.reference or "").startswith("xception-lite") else r
        for r in snapshot.records
    ]
    note = study_note(replace(snapshot, records=records)).replace("\\", "")
    assert "With 30 validation images two accuracies differ" in note


def test_an_epoch_is_one(snapshot):
    identity = {**snapshot.identity, "recipe": {**snapshot.identity["recipe"], "epochs": 1}}
    note = study_note(replace(snapshot, identity=identity))
    assert "1 epoch, 64 px" in note.replace("\\", "")


def test_study_note_counts_every_outcome_and_says_why(snapshot):
    note = study_note(snapshot)

    for outcome in (FINISHED, OVER_LIMIT, CRASHED):
        count = len(of_outcome(snapshot, outcome))
        assert count > 0
        (line,) = lines_with(note, outcome.replace("_", " "))
        assert f"| {count}&ensp; |" in line
    over = of_outcome(snapshot, OVER_LIMIT)
    assert "e\\.g\\. needs" in note
    assert f"trials?numbers={over[0].number}" in note


def test_study_note_links_every_trial_of_the_front(snapshot):
    front = study_note(snapshot).partition("## The front")[2].partition("## ")[0]

    for record in front_of(snapshot.records, snapshot.objectives):
        assert f"/dashboard/studies/{snapshot.study_id}/trials?numbers={record.number})" in front
    assert front.count("| ●") == len(front_of(snapshot.records, snapshot.objectives))


def test_names_from_files_are_escaped(snapshot):
    note = study_note(snapshot)

    assert "<img" not in note.replace("\\<img", "")
    assert "\\<img src\\=x onerror\\=alert\\(1\\)\\>\\|\\*\\*b\\*\\*" in note


def test_study_without_records_says_so(snapshot):
    note = study_note(replace(snapshot, records=(), trials=[]))

    assert "No candidate has begun." in note
    assert "## The front" not in note


def test_figures_of_two_meters_are_not_compared(snapshot):
    first, *others = of_outcome(snapshot, FINISHED)
    metrics = {**first.measurement.metrics, "peak_memory": Metric(1.0, "bytes", "another meter")}
    other = replace(first, measurement=replace(first.measurement, metrics=metrics))

    note = study_note(replace(snapshot, records=(other, *others)))

    assert "do not compare" in note
    assert "another meter" in note
    assert "## The front" not in note


def test_what_a_reader_wrote_is_kept():
    first = with_kept("one", "")
    mine = first + "\n\nmy own words"

    second = with_kept("two", mine)

    assert second.startswith("two\n")
    assert second.endswith(f"{KEPT_BELOW}\n\nmy own words")
    assert with_kept("two", second) == second


def test_trial_note_has_figures_network_and_configuration(snapshot):
    record = of_outcome(snapshot, FINISHED)[0]

    note = candidate_note(snapshot, record, "/artifacts/1/2/abc")

    assert "Finished after 6 min 00 s." in note.replace("\\", "")
    assert "![accuracy and memory by epoch](/artifacts/1/2/abc)" in note
    assert "four bytes a MAC" in note
    assert "Middle flow: " in note.replace("\\", "")
    assert "█" in note
    assert "epochs 3, batch_size 8" in note.replace("\\", "")
    assert "memory_saver none" in note.replace("\\", "")
    assert f"`nas-edge show runs/counted:{record.number}`" in note


def test_trial_note_gives_the_reason_of_a_failure_escaped(snapshot):
    record = of_outcome(snapshot, CRASHED)[0]

    note = candidate_note(snapshot, record)

    assert f"Crashed after 1 min 00 s: **{escape(record.measurement.reason)}**" in note
    assert "<img" not in note.replace("\\<img", "")


def test_point_of_another_space_is_shown_as_it_is(snapshot):
    record = replace(of_outcome(snapshot, FINISHED)[0], point={"a": 1, "b": "```"})

    note = candidate_note(snapshot, record)

    assert "````\na: 1\nb: '```'\n````" in note


def test_repeat_links_the_trial_that_was_trained(snapshot):
    class Repeat:
        number = 9
        user_attrs = {"nas_edge:duplicate_of": 4}  # noqa: RUF012

    assert f"/dashboard/studies/{snapshot.study_id}/trials?numbers=4" in other_note(
        snapshot, Repeat()
    )
