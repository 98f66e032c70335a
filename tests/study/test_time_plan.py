"""What a time budget holds: said before, during and after a search."""

from dataclasses import replace

import pytest

from nas_edge import Measurement
from nas_edge.study.records import TrialRecord
from nas_edge.study.time_plan import TimePlan


def record(number, seconds, outcome="finished"):
    measured = replace(Measurement.of(val_accuracy=0.5), wall_s=seconds, outcome=outcome)
    return TrialRecord(number, str(number), number, None, measured)


def notes(plan, *events):
    heard = []
    listen = plan.told_to(heard.append)
    for event in events:
        listen(event)
    return [event["text"] for event in heard if event["event"] == "note"]


def known(*records):
    return {"event": "known", "records": records}


STUDY = {"event": "study"}
EPOCH = {"event": "epoch", "seconds": 10.0}
ENDED = {"event": "ended", "why": "time_budget", "text": ""}


def test_the_split_is_said_first():
    assert notes(TimePlan(8 * 3600, 0.25, 20), STUDY) == [
        "time budget: 6 h 00 min to search, 2 h 00 min kept for nas-edge finalize"
    ]
    assert notes(TimePlan(60, 0.0, 20), STUDY) == [
        "time budget: 1 min 00 s to search, nothing kept for finalists"
    ]


def test_how_many_fit_is_said_once_a_training_has_shown_how_long_it_takes():
    refused = record(0, 1.0, "over_limit")
    events = [known(), known(refused), known(refused, record(1, 99.0)), known(record(1, 99.0))]
    # 1,000 s of 2,000 are the search's; 100 are spent, and the median training takes 99.
    assert notes(TimePlan(2000, 0.5, 20), *events) == [
        "time budget: a training takes about 1 min 39 s: about 9 more fit into the 15 min 00 s "
        "that the search has left"
    ]


@pytest.mark.parametrize(
    ("budget", "said"), [(100.0, "hardly one training fits"), (300.0, "one training fits")]
)
def test_a_budget_too_small_for_two_is_said_after_an_epoch(budget, said):
    (text,) = notes(TimePlan(budget, 0.0, 20), known(), EPOCH, EPOCH, known(record(0, 200.0)))
    assert text == (
        f"time budget: {said}, each takes about 3 min 20 s; raise time_budget, or lower "
        "recipe.epochs or recipe.image_size"
    )


def test_a_budget_for_two_is_no_reason_to_worry():
    assert notes(TimePlan(401.0, 0.0, 20), known(), EPOCH) == []


def test_what_is_left_for_the_finalists_is_said_at_the_end():
    plan = TimePlan(1000, 0.25, 20)
    said = notes(plan, known(record(0, 300.0), record(1, 300.0), record(2, 100.0)), ENDED)
    assert said[-1] == (
        "time budget: 5 min 00 s are left for nas-edge finalize; a training takes about 5 min 00 s"
    )
    all_done = {**ENDED, "why": "all"}
    assert "11 min 40 s are left" in notes(plan, known(record(0, 300.0)), all_done)[-1]


def test_nothing_left_is_said_so():
    plan = TimePlan(700, 0.1, 20)
    (_, last) = notes(plan, known(record(0, 300.0), record(1, 350.0)), ENDED)
    assert last == (
        "time budget: nothing is left for nas-edge finalize, a training takes 5 min 25 s"
    )
