"""Figures of a lap by hand from scripted readings."""

import math

import pytest

from nas_edge.device.laps import CounterTrack, LevelTrack, MeterLog
from nas_edge.device.meter import POWER, Channel

WATT = Channel("W", "a script")


def level_of(readings, over_baseline=False, end=None, exact=-math.inf):
    track = LevelTrack(over_baseline)
    for at, value in readings:
        track.take(value, at)
    return track.finish(readings[-1][0] if end is None else end, exact)


def test_the_mean_is_over_time_and_not_over_readings():
    # 1 s from 0 to 10 (area 5), 9 s at 10 (area 90): 95 / 10; the readings' own mean is 6.7.
    level = level_of([(0, 0.0), (1, 10.0), (10, 10.0)])
    assert (level.peak, level.mean, level.last, level.seen_s) == (10.0, 9.5, 10.0, 10.0)


def test_the_baseline_is_the_first_reading_and_stays_over_laps():
    track = LevelTrack(over_baseline=True)
    track.take(100.0, 0)
    track.finish(0)
    track.take(160.0, 1)
    track.take(120.0, 2)
    first = track.finish(2)
    # 30 over the first second on average, 40 over the second.
    assert (first.peak, first.mean, first.last) == (60.0, 35.0, 20.0)
    track.take(90.0, 4)
    second = track.finish(4)
    assert (second.peak, second.mean, second.last) == (20.0, 5.0, -10.0)


def test_a_lap_begins_where_the_last_one_ended():
    track = LevelTrack(False)
    track.take(4.0, 0)
    track.take(8.0, 1)
    track.finish(1)
    track.take(0.0, 3)
    level = track.finish(3)
    assert (level.peak, level.mean, level.seen_s) == (8.0, 4.0, 2.0)


def test_what_was_read_before_a_lap_but_not_in_it_is_not_shown():
    track = LevelTrack(False)
    track.take(7.0, 0)
    assert track.finish(5).last == 7.0
    assert track.finish(10) is None
    track.take(1.0, 12)
    level = track.finish(12)
    assert (level.peak, level.mean, level.seen_s) == (1.0, 1.0, 0.0)


def test_an_exact_peak_counts_over_the_baseline_and_never_below_the_samples():
    readings = [(0, 100.0), (1, 130.0)]
    assert level_of(readings, over_baseline=True, exact=175.0).peak == 75.0
    assert level_of(readings, over_baseline=True, exact=110.0).peak == 30.0


def test_the_mean_of_equal_readings_is_no_more_than_their_peak():
    for value in (0.1, 0.7, 1e9 + 0.1):
        level = level_of([(0.1 * i, value) for i in range(50)])
        assert level.mean <= level.peak == value


def test_a_counter_gives_its_growth_lap_by_lap_and_none_is_lost():
    track = CounterTrack()
    track.take(1000.0, 0)
    assert track.finish(0) is None
    track.take(1050.0, 1)
    assert track.finish(1) == 50.0
    track.take(1060.0, 1.5)
    assert track.finish(2) is None  # the lap's end was not seen: its part comes with the next
    track.take(1100.0, 3)
    assert track.finish(3) == 50.0


def test_a_counter_that_starts_anew_loses_only_what_nobody_saw():
    track = CounterTrack()
    for at, value in enumerate([500.0, 530.0, 2.0, 12.0]):
        track.take(value, at)
    assert track.finish(3) == 40.0


def test_readings_that_are_no_numbers_are_left_out():
    log = MeterLog({POWER: WATT}, began=0)
    for at, value in enumerate([4.0, math.nan, math.inf, 8.0]):
        log.take({POWER: value, "unknown": 1.0}, at, 1.0)
    log.take_exact({POWER: math.nan})
    lap = log.finish(3)
    assert set(lap.levels) == {POWER}
    assert (lap.levels[POWER].peak, lap.levels[POWER].mean) == (8.0, 6.0)
    assert lap.num_samples == 4


@pytest.mark.parametrize(
    ("times", "planned_s", "end", "longest", "is_starved"),
    [
        ([0, 1, 2], 1.0, 2, 1, False),
        ([0, 1, 12], 1.0, 12, 11, True),  # more than ten intervals
        ([0, 8, 16], 1.0, 16, 8, False),
        ([0, 50], 20.0, 50, 50, False),  # a dear meter: that far apart is what was planned
        ([0, 1], 1.0, 30, 29, True),  # no answer at the end
        ([], 1.0, 5, 5, True),  # none at all
    ],
)
def test_a_gap_of_many_planned_intervals_is_starvation(times, planned_s, end, longest, is_starved):
    log = MeterLog({POWER: WATT}, began=0)
    for at in times:
        log.take({POWER: 1.0}, at, planned_s)
    lap = log.finish(end)
    assert (lap.longest_gap_s, lap.is_starved) == (longest, is_starved)


def test_a_starved_lap_does_not_taint_the_next():
    log = MeterLog({POWER: WATT}, began=0)
    log.take({POWER: 1.0}, 0, 1.0)
    log.take({POWER: 1.0}, 20, 1.0)
    assert log.finish(20).is_starved
    log.take({POWER: 1.0}, 21, 1.0)
    lap = log.finish(21)
    assert (lap.is_starved, lap.longest_gap_s, lap.num_samples) == (False, 1, 1)
