"""The live view's frames: from a real study's events, at many sizes of a terminal."""

import io
import re

import pytest
from rich.console import Console

from nas_edge import Measurement
from nas_edge.candidate.measurement import DIVERGED, OVER_LIMIT
from nas_edge.cli.front_lines import MAX_ROWS, chosen
from nas_edge.cli.standing import Standing, Training, share_of_study, time_left_s, updated
from nas_edge.cli.view import View
from nas_edge.report.rows import front_rows

SIZES = [(10, 1), (20, 3), (40, 8), (40, 24), (80, 6), (80, 24), (120, 40), (250, 80)]
OBJECTIVES = ("val_accuracy", "peak_memory")


def draw(standing, width=100, height=40, now_s=0.0, **options):
    options = {"force_terminal": True, "color_system": "truecolor", **options}
    file = options.pop("file", None) or io.StringIO()
    console = Console(file=file, width=width, height=height, _environ={}, **options)
    with console.capture() as drawn:
        console.print(View(console).frame(standing, now_s), end="")
    return drawn.get()


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def standing_after(events, now_s=0.0):
    standing = Standing()
    for event in events:
        standing = updated(standing, event, now_s)
    return standing


def after(events, kind, times=1):
    """Return the events up to the one of a kind that comes for the n-th time."""
    places = [place for place, event in enumerate(events) if event["event"] == kind]
    return events[: places[times - 1] + 1]


def trade_off(a, b):
    """Every a is on the front where b is 0."""
    return Measurement.of(val_accuracy=0.1 * a + 0.2 - 0.02 * b, peak_memory=1e6 * (a + b + 1))


def of_records(records, **more):
    return Standing(
        study="letters", objectives=OBJECTIVES, trials=20, epochs=4, records=tuple(records), **more
    )


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_no_frame_of_a_real_study_is_wider_or_taller_than_the_terminal(real_events, size):
    width, height = size
    standing = Standing()
    for now_s, event in enumerate(real_events):
        standing = updated(standing, event, now_s)
        lines = plain(draw(standing, width, height, now_s)).splitlines()
        assert 1 <= len(lines) <= max(height - 1, 1)
        assert max(map(len, lines)) <= width


def test_a_frame_says_what_is_trained_how_far_and_how_well(real_events):
    events = after(real_events, "epoch", 3)  # the second candidate's first of two
    epoch, probed = events[-1], after(real_events, "probed", 2)[-1]
    text = plain(draw(standing_after(events)))
    assert "tiny" in text
    assert " 5/5, about" in text
    assert "epoch 2/2" in text
    assert f"val accuracy {100 * epoch['val_accuracy']:.1f}%" in text
    assert f"{probed['peak_bytes'] / 2**20:.1f} MiB" in text
    assert "4 measured: 4 finished" in text
    assert "front so far" in text


def test_a_frame_before_the_study_begins_says_what_takes_the_time():
    assert plain(draw(Standing())).strip() == "starting"
    note = {"event": "note", "text": "images: drawing 640 for train"}
    assert plain(draw(standing_after([note]))).strip() == note["text"]


def test_a_narrow_terminal_still_tells_position_epoch_and_accuracy(real_events):
    text = plain(draw(standing_after(after(real_events, "epoch", 3)), width=40, height=24))
    for needed in ("5/5", "epoch 2/2", "val accuracy", "4 measured"):
        assert needed in text


def test_a_memory_limit_stands_beside_the_need():
    training = Training("trial 1", 2, "training", 0.0, peak_bytes=3 * 2**20)
    text = plain(draw(Standing(study="a", trials=3, memory_limit_bytes=2**22, training=training)))
    assert "3.0 MiB of 4.0 MiB" in text


def test_the_paper_is_marked_and_every_row_says_how_it_stands_to_it(made_up_records):
    records = made_up_records(trade_off)
    text = plain(draw(of_records(records)))
    (paper,) = [line for line in text.splitlines() if "xception-lite" in line]
    assert paper.startswith("○★")
    relations = {row.record.name: row for row in front_rows(records, OBJECTIVES)}
    words = {"dominates": "better", "incomparable": "better and worse", "dominated": "worse"}
    others = [line for line in text.splitlines() if re.match(r"[●○] ", line)]
    assert others[:-1]
    for line in others[:-1]:
        name = re.search(r"(trial \d+|xception)", line).group()
        assert line.rstrip().endswith(words[relations[name].relation])
        assert line.startswith("●" if relations[name].is_on_front else "○")


@pytest.mark.parametrize("height", range(4, 16))
def test_a_low_terminal_shows_fewer_rows_and_always_the_paper(made_up_records, height):
    standing = of_records(made_up_records(trade_off, trials=40))
    lines = plain(draw(standing, 100, height)).splitlines()
    assert len(lines) <= height - 1
    if height >= 5:
        assert any("xception-lite" in line for line in lines)


@pytest.mark.parametrize("limit", range(1, 14))
def test_rows_that_are_shown_keep_order_and_the_ends_of_the_front(made_up_records, limit):
    rows = front_rows(made_up_records(trade_off, trials=60), OBJECTIVES)
    assert len(rows) > MAX_ROWS - 2
    shown = chosen(rows, limit)
    assert len(shown) == min(limit, len(rows))
    assert [row for row in rows if row in shown] == shown
    assert "xception-lite" in {row.record.name for row in shown}
    if limit >= 4:
        assert shown[0] is rows[0]
        assert shown[-1] is rows[-1]


def test_outcomes_are_counted_by_kind(made_up_records):
    def evaluate(a, b):
        if a == 7:
            return Measurement(outcome=OVER_LIMIT, reason="too large", details={"violation": 1.0})
        return Measurement(outcome=DIVERGED, reason="nan") if a < 3 else trade_off(a, b)

    records = made_up_records(evaluate)
    outcomes = [record.measurement.outcome for record in records]
    text = plain(draw(of_records(records)))
    for outcome in (OVER_LIMIT, DIVERGED, "finished"):
        assert f"{outcomes.count(outcome)} {outcome.replace('_', ' ')}" in text
    assert f"{len(records)} measured" in text


def test_without_colours_there_are_no_codes_for_them(made_up_records):
    standing = of_records(made_up_records(trade_off))
    coloured, plain_text = draw(standing), draw(standing, no_color=True)
    colour = re.compile(r"\x1b\[(?:[0-9]+;)*(?:3[0-8]|4[0-8]|9[0-7])(?:;[0-9]+)*m")
    assert colour.search(coloured)
    assert not colour.search(plain_text)
    assert plain(coloured) == plain(plain_text)


def test_a_terminal_that_knows_no_unicode_gets_signs_that_it_knows(made_up_records):
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    standing = of_records(
        made_up_records(trade_off), training=Training("trial 3", 4, "training", 0)
    )
    text = draw(standing, 40, 24, file=file)
    text.encode("ascii")
    assert "P" in text
    assert "#" in text


def test_time_left_is_the_engines_less_what_has_passed():
    # 30 s for three candidates, this one among them: 10 s each.
    training = Training("trial 1", 2, "training", began_s=100.0, left_s=30.0)
    standing = Standing(trials=4, training=training)
    assert time_left_s(standing, 100.0) == 30.0
    assert time_left_s(standing, 104.0) == 26.0
    assert time_left_s(standing, 500.0) == 20.0  # the other two still have their time


def test_time_left_of_the_first_candidate_comes_from_its_epochs():
    training = Training("a", 1, "training", 0.0, training_began_s=10.0, epoch=1, epoch_s=5.0)
    standing = Standing(trials=3, epochs=4, training=training)
    assert time_left_s(standing, 15.0) == 15.0 + 2 * 20.0
    limited = Standing(trials=3, epochs=4, training=training, time_budget_s=50.0)
    assert time_left_s(limited, 15.0) == 35.0
    assert time_left_s(Standing(trials=3, epochs=4), 15.0) is None


def test_the_share_of_a_study_counts_candidates_epochs_and_steps(real_events):
    assert share_of_study(standing_after(after(real_events, "candidate", 1))) == 3 / 5
    assert share_of_study(standing_after(after(real_events, "epoch", 1))) == pytest.approx(3.5 / 5)
    assert share_of_study(standing_after(real_events)) == 1.0
    step = {"event": "step", "epoch": 2, "step": 3, "steps": 4}
    standing = updated(standing_after(after(real_events, "epoch", 1)), step, 0.0)
    assert share_of_study(standing) == pytest.approx((3 + 1.75 / 2) / 5)
