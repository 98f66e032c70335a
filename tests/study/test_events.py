"""What a study tells its listener: what is known before each candidate, and why it ended."""

from dataclasses import replace

import pytest

from nas_edge import Measurement, build_study_config, run_study, run_training_study
from nas_edge.study.budget import ALL, EXHAUSTED, TIME_BUDGET


def run(spaces, out, size=4, **options):
    """Return the events of a study whose evaluations take ten made-up seconds each."""
    events = []
    run_study(
        spaces[0](size),
        lambda point: replace(spaces[2].result(point), wall_s=10.0),
        out=out,
        sampler="random",
        on_event=events.append,
        **options,
    )
    return events


def known(events):
    return [
        [record.number for record in event["records"]]
        for event in events
        if event["event"] == "known"
    ]


def test_what_is_known_is_told_before_each_candidate_and_at_the_end(spaces, tmp_path):
    events = run(spaces, tmp_path / "run", trials=3)
    kinds = [event["event"] for event in events]
    assert kinds == ["known", "candidate", "measured"] * 3 + ["known", "ended"]
    assert known(events) == [[], [0], [0, 1], [0, 1, 2]]


def test_a_study_that_goes_on_tells_what_earlier_sittings_found(spaces, tmp_path):
    run(spaces, tmp_path / "run", trials=2)
    assert known(run(spaces, tmp_path / "run", trials=3)) == [[0, 1], [0, 1, 2]]


@pytest.mark.parametrize(
    ("options", "why", "text"),
    [
        ({"trials": 2}, ALL, ""),
        ({"trials": 9, "time_budget_s": 25.0}, TIME_BUDGET, "no further candidate fits"),
        ({"trials": 9, "size": 1}, EXHAUSTED, "every point of the space has been tried"),
    ],
)
def test_the_last_event_says_why_no_further_candidate_is_started(
    spaces, tmp_path, options, why, text
):
    last = run(spaces, tmp_path / "run", **options)[-1]
    assert (last["event"], last["why"]) == ("ended", why)
    assert last["text"].startswith(text)


def test_a_study_whose_evaluator_gives_up_has_told_what_it_knew(letters, tmp_path):
    events = []

    def evaluate(point):
        if known(events)[-1]:
            raise KeyboardInterrupt
        return Measurement.of(val_accuracy=0.5, peak_memory=1.0)

    with pytest.raises(KeyboardInterrupt):
        run_study(letters, evaluate, out=tmp_path / "run", on_event=events.append)
    assert known(events)[-1] == [0]
    assert events[-1]["event"] == "candidate"


@pytest.mark.parametrize(
    "error",
    [BrokenPipeError(32, "Broken pipe"), OSError(28, "No space left on device"), ValueError("x")],
    ids=lambda error: type(error).__name__,
)
def test_what_a_listener_raises_comes_through_as_it_is(spaces, tmp_path, error):
    """While images are made as while candidates are: neither takes it for its own disk's."""
    config = build_study_config(
        name="heard",
        space="xception_cnd_small",
        data={"source": "synthetic-pcb", "synthetic": {"train": 8, "val": 4, "test": 4}},
        recipe={"epochs": 1, "image_size": 24, "batch_size": 4},
    )

    def listen(event):
        raise error

    with pytest.raises(type(error)) as caught:
        run_training_study(config, out=tmp_path / "images", on_event=listen)
    assert caught.value is error
    with pytest.raises(type(error)) as caught:
        run_study(spaces[0](), spaces[2](), trials=1, out=tmp_path / "run", on_event=listen)
    assert caught.value is error
