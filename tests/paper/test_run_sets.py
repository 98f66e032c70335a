"""Runs sorted into sets, and their means, against arithmetic."""

import statistics

import pytest

from nas_edge import Measurement, open_run
from nas_edge.candidate.measurement import OUT_OF_MEMORY
from nas_edge.errors import StudyError
from nas_edge.paper.run_sets import Amount, format_amount, open_sets, run_sets

MIB = 2**20


def row_of(run_set, name):
    return next(row for row in run_set.rows if row.name == name)


def test_runs_that_differ_in_the_seed_become_a_mean_with_its_deviation(three_seeds):
    (one,) = open_sets(three_seeds)

    assert one.title == "pcb, scratch"
    assert one.seeds == [0, 1, 2]
    lite = row_of(one, "xception-lite")
    amount = lite.amount("test_accuracy")
    assert amount.mean == pytest.approx(statistics.mean([0.80, 0.81, 0.82]))
    assert amount.deviation == pytest.approx(statistics.stdev([0.80, 0.81, 0.82]))
    assert (amount.n, amount.unit) == (3, "share")
    assert lite.amount("epoch_time").mean == 11
    assert lite.amount("peak_memory").mean == 700 * MIB
    assert lite.amount("board_ram_fraction") is None


def test_a_run_that_is_named_twice_counts_once(three_seeds):
    (one,) = open_sets([three_seeds[0], three_seeds[0], three_seeds[1]])
    assert row_of(one, "xception").amount("params").n == 2


def test_other_settings_are_other_sets(make_run, three_seeds):
    one = ("xception",)
    others = {
        "synthetic, scratch": make_run("a", task="synthetic", names=one),
        "pcb, frozen": make_run("b", setting="frozen", names=one),
        "pcb, scratch #2": make_run("c", batch_size=32, names=one),
        "pcb, scratch #3": make_run("d", device="Other CPU", names=one),
        "mine": make_run("mine", task=None, names=one),
    }

    sets = open_sets([*three_seeds, *map(str, others.values())])

    assert [one.title for one in sets] == ["pcb, scratch", *others]
    assert [len(one.runs) for one in sets] == [3, 1, 1, 1, 1, 1]


def frozen(make_run, *runs):
    """Return the sets of runs of (seed, whose weights they begin with): seeds and origins."""
    folders = [
        str(make_run("f", seed, setting="frozen", names=("xception",), origin=origin))
        for seed, origin in runs
    ]
    sets = open_sets(folders)
    assert [one.title for one in sets] == [
        "pcb, frozen" + (f" #{i}" if i > 1 else "") for i in range(1, len(sets) + 1)
    ]
    return [(one.seeds, one.origins) for one in sets]


def test_transfers_whose_seed_goes_with_their_sources_become_one_mean(make_run):
    assert frozen(make_run, (0, "a"), (1, "b"), (2, "c")) == [
        ([0, 1, 2], ["a:0", "b:0", "c:0"]),
    ]


def test_transfers_of_one_seed_are_never_pooled(make_run):
    assert frozen(make_run, (0, "a"), (0, "b")) == [([0], ["a:0"]), ([0], ["b:0"])]


def test_weights_tell_transfers_apart_where_seeds_do_not_in_any_order(make_run):
    runs = ((0, "a"), (0, "b"), (1, "b"), (1, "a"))
    assert frozen(make_run, *runs) == [([0, 1], ["a:0"]), ([0, 1], ["b:0"])]


def test_a_repetition_of_one_seed_does_not_break_up_the_others(make_run):
    assert frozen(make_run, (0, "a"), (0, "a"), (1, "b")) == [
        ([0, 1], ["a:0", "b:0"]),
        ([0], ["a:0"]),
    ]


def test_other_networks_of_one_seed_may_stand_in_runs_of_their_own(make_run):
    folders = [str(make_run("one", names=(name,))) for name in ("xception", "mobilenetv2")]

    (one,) = open_sets(folders)

    assert [len(row.records) for row in one.rows] == [1, 1]


def test_figures_of_different_sources_have_no_mean(make_run):
    networks = ("xception-lite",)
    folders = [make_run("v", 0, names=networks), make_run("n", 1, names=networks, source="NVML")]
    (one,) = run_sets([open_run(folder) for folder in folders])

    lite = row_of(one, "xception-lite")

    with pytest.raises(StudyError, match=r"different sources \(NVML; VmHWM\)"):
        lite.amount("peak_memory")
    assert lite.amount("test_accuracy").n == 2
    assert "different sources" in lite.to_dict()["figures"]["peak_memory"]["problem"]


def test_a_network_that_did_not_finish_says_why(make_run):
    def fails(point):
        return Measurement(outcome=OUT_OF_MEMORY, reason=f"{point} needs more")

    folder = make_run("fails", names=("xception",), evaluate=fails)
    (one,) = open_sets([str(folder)])

    row = row_of(one, "xception")
    assert row.finished == []
    assert row.failures == ["out of memory: xception needs more"]
    assert row.amount("peak_memory") is None


def test_what_is_no_run_is_one_line(tmp_path):
    with pytest.raises(StudyError, match=r"folder of a run, as .* but it holds no run\.json"):
        open_sets([str(tmp_path)])


@pytest.mark.parametrize(
    ("metric", "mean", "deviation", "unit", "text"),
    [
        ("test_accuracy", 0.76214, 0.00449, "share", "76.2 ± 0.4%"),
        ("test_accuracy", 0.76214, None, "share", "76.2%"),
        ("peak_memory", 707 * MIB, 7 * MIB, "bytes", "707.0 ± 7.0 MiB"),
        ("peak_memory", 20480 * MIB, 7 * MIB, "bytes", "20.0 GiB ± 7.0 MiB"),
        ("params", 15.8e6, 0.0, "count", "15.80M"),
        ("epoch_time", 523.9, 12.34, "s", "524 ± 12 s"),
    ],
)
def test_means_are_printed_with_their_unit_once(metric, mean, deviation, unit, text):
    assert format_amount(metric, Amount(mean, deviation, 3, unit, "")) == text
    assert format_amount(metric, None) == "–"
