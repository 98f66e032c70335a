"""The threads that read meters, with scripted meters, some of which misbehave."""

import threading
import time

import pytest

from nas_edge.device.meter import ENERGY, POWER, Channel
from nas_edge.device.sampling import (
    ANSWER_TIMEOUT_S,
    Sampler,
    Spacing,
    close_all,
    facts_of,
    sources_of,
)

WATT = Channel("W", "a script")
JOULE = Channel("J", "a script", is_counter=True)
BYTES = Channel("bytes", "a script", over_baseline=True)
LONG_S = 3600.0


class ScriptedMeter:
    """Returns what the script says for each reading, the last entry for ever."""

    def __init__(self, script, channels, name="scripted", interval_s=LONG_S, exact=()):
        self.name, self.interval_s, self.channels = name, interval_s, channels
        self.facts, self.problem = {f"{name} mode": "15W"}, ""
        self.script, self.exact = list(script), list(exact)
        self.num_reads = self.num_closed = 0
        self.threads = set()

    def read(self):
        self.threads.add(threading.current_thread())
        self.num_reads += 1
        entry = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(entry, Exception):
            raise entry
        if callable(entry):
            return entry()
        return entry

    def exact_peaks(self):
        self.threads.add(threading.current_thread())
        return self.exact.pop(0) if self.exact else {}

    def close(self):
        self.num_closed += 1


class Clock:
    """Stands still until it is set."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def laps_of(meters, lengths_s):
    """Return the laps of so many seconds each; every lap's end is the only reading in it."""
    clock = Clock()
    sampler = Sampler(meters, clock)
    sampler.start()
    laps = []
    for length_s in lengths_s:
        clock.now += length_s
        laps.append(sampler.lap())
    sampler.stop()
    return laps


# When a meter is read next: arithmetic alone.


def test_cheap_readings_keep_their_interval():
    spacing = Spacing(interval_s=0.02, share=0.004, overdraft_s=0.03)
    assert [spacing.next_in_s(40e-6, 0.02 * i) for i in range(500)] == [0.02] * 500


def test_one_dear_reading_among_cheap_ones_is_paid_from_the_overdraft():
    spacing = Spacing(interval_s=0.02, share=0.004, overdraft_s=0.03)
    assert spacing.next_in_s(0.029, 0.0) == 0.02


def test_dear_readings_are_spaced_until_they_cost_their_share():
    spacing, now, spent_s, times = (
        Spacing(interval_s=0.02, share=0.004, overdraft_s=0.03),
        0.0,
        0.0,
        [],
    )
    while now < 1000:
        times.append(now)
        now += spacing.next_in_s(0.01, now)
        spent_s += 0.01
    # 10 ms each at 4 ms a second: 2.5 s apart, once the overdraft is used up.
    assert times[-1] - times[-2] == pytest.approx(2.5)
    assert spent_s == pytest.approx(0.004 * now + 0.03, rel=0.02)


# The sampler: meters are read by threads, and only when the test's clock says so.


def test_laps_follow_the_script():
    script = [{"m": 100.0}, {"m": 300.0}, {"m": 200.0}]
    first, second = laps_of([ScriptedMeter(script, {"m": BYTES})], [2, 4])
    assert (first.seconds, second.seconds) == (2.0, 4.0)
    assert vars(first.levels["m"]) == {"peak": 200, "mean": 100, "last": 200, "seen_s": 2}
    assert vars(second.levels["m"]) == {"peak": 200, "mean": 150, "last": 100, "seen_s": 4}
    assert first.num_samples == {"scripted": 1}
    assert first.longest_gap_s == {"scripted": 2.0}
    assert (first.starved, first.lost) == ([], [])


def test_exact_peaks_from_before_the_start_are_forgotten():
    meter = ScriptedMeter(
        [{"m": 10.0}], {"m": BYTES}, exact=[{"m": 900.0}, {"m": 70.0}, {"m": 20.0}]
    )
    first, second = laps_of([meter], [1, 1])
    assert (first.levels["m"].peak, second.levels["m"].peak) == (60.0, 10.0)


def test_energy_is_the_counters_growth_where_there_is_one():
    script = [{ENERGY: 500.0, POWER: 10.0}, {ENERGY: 530.0, POWER: 10.0}]
    (lap,) = laps_of([ScriptedMeter(script, {ENERGY: JOULE, POWER: WATT})], [2])
    assert lap.energy_j == 30.0
    assert set(lap.levels) == {POWER}


def test_energy_is_else_the_power_over_time():
    script = [{POWER: 10.0}, {POWER: 20.0}]
    (lap,) = laps_of([ScriptedMeter(script, {POWER: WATT})], [4])
    assert lap.energy_j == 60.0  # 15 W over 4 s


def test_energy_is_not_told_from_power_that_was_seen_for_a_part_of_the_lap_only():
    script = [{POWER: 10.0}, {}, {POWER: 10.0}]
    first, second = laps_of([ScriptedMeter(script, {POWER: WATT})], [4, 4])
    assert (first.energy_j, second.energy_j) == (None, None)


def test_no_power_is_no_energy():
    (lap,) = laps_of([ScriptedMeter([{"m": 1.0}], {"m": BYTES})], [1])
    assert lap.energy_j is None


def test_of_two_meters_with_one_channel_the_first_counts_even_when_it_is_lost():
    first = ScriptedMeter(
        [{POWER: 5.0}, {POWER: 5.0}, OSError("gone")], {POWER: WATT}, name="first"
    )
    channels = {POWER: Channel("W", "another script"), "m": BYTES}
    second = ScriptedMeter([{POWER: 50.0, "m": 1.0}], channels, name="second")
    before, after = laps_of([first, second], [1, 1])
    assert before.levels[POWER].mean == 5.0
    assert (after.lost, set(after.levels)) == (["first"], {"m"})
    assert sources_of([first, second]) == {POWER: "a script", "m": "a script"}


def test_a_meter_that_raises_is_lost_with_its_reason_and_the_others_go_on():
    bad = ScriptedMeter(
        [{POWER: 5.0}, ConnectionResetError(104, "reset\nby peer")], {POWER: WATT}, name="bad"
    )
    good = ScriptedMeter([{"m": 1.0}, {"m": 5.0}], {"m": BYTES}, name="good")
    clock = Clock()
    sampler = Sampler([bad, good], clock)
    sampler.start()
    laps = []
    for _ in range(3):
        clock.now += 1
        laps.append(sampler.lap())
    sampler.stop()
    assert [lap.lost for lap in laps] == [["bad"]] * 3
    assert [lap.starved for lap in laps] == [[]] * 3
    assert bad.num_reads == 2  # never again
    assert [lap.levels["m"].last for lap in laps] == [4.0] * 3
    (problem,) = sampler.problems()
    assert problem.startswith("bad: its reading failed (ConnectionResetError")
    assert len(problem.splitlines()) == 1


def test_a_meter_that_says_that_it_is_lost_is_not_read_again():
    meter = ScriptedMeter([{POWER: 5.0}], {POWER: WATT})

    def lose():
        meter.problem = "the service has ended; start it again"
        return {}

    meter.script += [lose, {POWER: 9.0}]
    first, second = laps_of([meter], [1, 1])
    assert (first.lost, second.lost) == (["scripted"], ["scripted"])
    assert (meter.num_reads, POWER in second.levels) == (2, False)


def test_a_meter_that_hangs_holds_up_one_lap_for_a_moment_and_no_other_meter():
    release = threading.Event()

    def hang():
        release.wait(30)
        return {POWER: 7.0}

    stuck = ScriptedMeter([{POWER: 5.0}, hang, {POWER: 9.0}], {POWER: WATT}, name="stuck")
    good = ScriptedMeter([{"m": 1.0}, {"m": 2.0}, {"m": 3.0}], {"m": BYTES}, name="good")
    clock = Clock()
    sampler = Sampler([stuck, good], clock)
    sampler.start()
    laps, began = [], time.monotonic()
    for _ in range(12):
        clock.now += 1
        laps.append(sampler.lap())
    assert time.monotonic() - began < 8 * ANSWER_TIMEOUT_S  # one lap waits, not twelve
    assert [lap.levels["m"].last for lap in laps] == [1.0] + [2.0] * 11
    assert [lap.starved for lap in laps] == [["stuck"]] * 12
    assert not any(POWER in lap.levels for lap in laps)
    release.set()
    deadline = time.monotonic() + 30
    while stuck.num_reads < 3 and time.monotonic() < deadline:  # it takes its turn again
        clock.now += 1
        lap = sampler.lap()
    sampler.stop()
    assert lap.levels[POWER].last == 9.0
    assert (lap.starved, lap.lost) == ([], [])


def test_a_meter_is_called_by_one_thread_alone_and_never_by_the_one_that_works():
    meter = ScriptedMeter([{"m": 1.0}], {"m": BYTES}, interval_s=0.001)
    sampler = Sampler([meter])
    sampler.start()
    for _ in range(20):
        sampler.lap()
        time.sleep(0.002)
    sampler.stop()
    (thread,) = meter.threads
    assert thread is not threading.current_thread()
    assert not thread.is_alive()


def test_between_laps_readings_are_taken_by_themselves():
    values = iter(range(10**9))
    meter = ScriptedMeter([lambda: {"m": float(next(values))}], {"m": BYTES}, interval_s=0.005)
    sampler = Sampler([meter])
    sampler.start()
    deadline = time.monotonic() + 30
    while meter.num_reads < 10 and time.monotonic() < deadline:
        time.sleep(0.01)
    lap = sampler.stop()
    # The values count the readings, from the baseline's 0 on.
    assert lap.num_samples["scripted"] == lap.levels["m"].last >= 9
    assert lap.levels["m"].peak == lap.levels["m"].last
    assert 0 < lap.levels["m"].mean < lap.levels["m"].peak
    assert 0 < lap.cost_share < 1


def test_cost_share_is_the_cpu_time_of_the_reading():
    def burn():
        until = time.thread_time() + 0.05
        while time.thread_time() < until:
            pass
        return {"m": 1.0}

    (lap,) = laps_of([ScriptedMeter([{"m": 1.0}, burn], {"m": BYTES})], [10])
    assert lap.cost_share == pytest.approx(0.005, rel=0.2)  # 50 ms of 10 s


def test_after_the_end_there_is_nothing_more_to_see():
    meter = ScriptedMeter([{"m": 1.0}], {"m": BYTES})
    sampler = Sampler([meter])
    sampler.start()
    assert sampler.stop().levels
    num_reads = meter.num_reads
    again = sampler.stop()
    assert (again.seconds, again.levels, meter.num_reads) == (0.0, {}, num_reads)
    assert meter.num_closed == 0
    close_all([meter])
    assert meter.num_closed == 1


def test_without_meters_a_lap_has_only_its_length():
    (lap,) = laps_of([], [3])
    assert (lap.seconds, lap.levels, lap.growth, lap.energy_j) == (3.0, {}, {}, None)


def test_facts_of_all_meters_are_put_together():
    meters = [ScriptedMeter([{}], {}, name=name) for name in ("a", "b")]
    assert facts_of(meters) == {"a mode": "15W", "b mode": "15W"}
