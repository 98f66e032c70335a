"""Every meter keeps the contract of nas_edge/device/meter.py; meters_under_test.py lists them."""

import math
import threading

import pytest
from meters_under_test import METERS

from nas_edge.device.meter import OPEN_TIMEOUT_S, UNITS, MeterProblem
from nas_edge.device.sampling import Sampler, facts_of, sources_of

MIB = 2**20
HANG_S = 5.0  # what no reading takes, however busy the machine is
LOSS_READINGS = 50  # a meter may need a few readings to be sure that its device is gone


@pytest.fixture(params=METERS, ids=lambda entry: entry.name)
def entry(request):
    return request.param


@pytest.fixture
def bench(entry):
    with entry.bench() as bench:
        yield bench


def within(limit_s, call):
    """Return the call's result, or raise what it raised; fail if it does not come back in time."""
    end = {}

    def run():
        try:
            end["result"] = call()
        except BaseException as err:
            end["error"] = err

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        pytest.fail(f"{call} did not return within {limit_s} s")
    if "error" in end:
        raise end["error"]
    return end["result"]


def break_and_read_until_lost(bench):
    bench.break_device()
    pause = threading.Event()
    for _ in range(LOSS_READINGS):
        values = within(HANG_S, bench.meter.read)
        assert all(math.isfinite(value) for value in values.values())
        if bench.meter.problem:
            return
        pause.wait(bench.meter.interval_s)
    pytest.fail(f"{bench.meter.name}: its device is broken, but it names no problem")


def is_one_line(text):
    return bool(text.strip()) and len(text.splitlines()) == 1


def test_says_what_it_reads_in_which_unit_and_from_where(bench):
    meter = bench.meter
    assert meter.name
    assert 0 < meter.interval_s <= 60
    assert meter.channels
    for channel in meter.channels.values():
        assert channel.unit in UNITS
        assert is_one_line(channel.source)
        assert not (channel.over_baseline and channel.is_counter)
    assert all(isinstance(word, str) for fact in meter.facts.items() for word in fact)


def test_reads_finite_numbers_of_its_own_channels(bench):
    for read in (bench.meter.read, bench.meter.exact_peaks, bench.meter.read):
        values = within(HANG_S, read)
        assert set(values) <= set(bench.meter.channels)
        assert all(isinstance(value, float) and math.isfinite(value) for value in values.values())
    assert within(HANG_S, bench.meter.read)
    assert bench.meter.problem == ""


def test_reads_levels_that_can_be(bench):
    values = within(HANG_S, bench.meter.read)
    units = {name: bench.meter.channels[name].unit for name in values}
    for name, value in values.items():
        if units[name] in ("bytes", "J", "W"):
            assert value >= 0, name
        if units[name] == "share":
            assert 0 <= value <= 1, name
        if units[name] == "celsius":
            assert -60 < value < 200, name


def test_counters_do_not_fall(bench):
    counters = [name for name, channel in bench.meter.channels.items() if channel.is_counter]
    before, after = within(HANG_S, bench.meter.read), within(HANG_S, bench.meter.read)
    assert all(after[name] >= before[name] for name in counters if name in before and name in after)


def test_sees_an_allocation_of_100_mib(bench):
    if bench.memory is None:
        pytest.skip("reads no memory that a test can take")
    channel, hold = bench.memory
    before = within(HANG_S, bench.meter.read)[channel]
    hold(100 * MIB)
    pause = threading.Event()
    for _ in range(LOSS_READINGS):  # some devices tell only every so often
        gain = within(HANG_S, bench.meter.read)[channel] - before
        if gain > 90 * MIB:
            break
        pause.wait(bench.meter.interval_s)
    assert gain == pytest.approx(100 * MIB, rel=0.1)


def test_a_broken_device_ends_in_one_line_and_neither_raises_nor_hangs(bench):
    break_and_read_until_lost(bench)
    assert is_one_line(bench.meter.problem)
    assert within(HANG_S, bench.meter.read) == {}
    assert within(HANG_S, bench.meter.exact_peaks) == {}
    assert is_one_line(bench.meter.problem)
    assert within(HANG_S, bench.meter.close) is None


def test_can_be_closed_twice_and_reads_nothing_then(bench):
    assert within(HANG_S, bench.meter.close) is None
    assert within(HANG_S, bench.meter.close) is None
    assert within(HANG_S, bench.meter.read) == {}
    assert within(HANG_S, bench.meter.exact_peaks) == {}


def test_a_missing_device_is_a_problem_in_one_line_and_never_a_hang(entry):
    with pytest.raises(MeterProblem) as raised:
        within(OPEN_TIMEOUT_S + HANG_S, entry.open_missing)
    assert is_one_line(str(raised.value))
    assert raised.value.exit_code == 3


def test_a_sampler_over_it_gives_a_lap_with_a_source_for_each_figure(bench):
    sampler = Sampler([bench.meter])
    sampler.start()
    threading.Event().wait(min(5 * bench.meter.interval_s, 2.0))
    lap = within(HANG_S, sampler.stop)
    assert lap.levels or lap.growth
    assert lap.lost == [] == sampler.problems()
    assert lap.num_samples[bench.meter.name] >= 1
    for level in lap.levels.values():
        assert level.peak >= level.mean
        assert level.peak >= level.last
    assert all(grown >= 0 for grown in lap.growth.values())
    assert {*lap.levels, *lap.growth} <= set(sources_of([bench.meter]))
    assert facts_of([bench.meter]) == dict(bench.meter.facts)


def test_a_device_that_breaks_while_it_is_sampled_is_lost_with_its_reason(bench):
    sampler = Sampler([bench.meter])
    sampler.start()
    bench.break_device()
    pause = threading.Event()
    for _ in range(LOSS_READINGS):
        lap = within(HANG_S, sampler.lap)
        if lap.lost:
            break
        pause.wait(bench.meter.interval_s)
    within(HANG_S, sampler.stop)
    assert lap.lost == [bench.meter.name]
    (problem,) = sampler.problems()
    assert is_one_line(problem)
