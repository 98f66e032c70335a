"""Several runs in one report: what may share an axis, and what repeated seeds say."""

from dataclasses import replace

import pytest

from nas_edge import Measurement, Metric
from nas_edge.report.html import render_report
from nas_edge.report.side_by_side import axis_groups, labels_of, side_by_side
from nas_edge.report.verdict import verdict_of
from nas_edge.study.records import TrialRecord
from nas_edge.study.run import Run
from nas_edge.study.run_folder import RunFolder

OBJECTIVES = ("val_accuracy", "peak_memory")
MIB = 2**20


def measured(accuracy, mib, source="probe", device="board"):
    metrics = {
        "val_accuracy": Metric(accuracy, "share", "validation images, epoch 3"),
        "peak_memory": Metric(mib * MIB, "bytes", source),
    }
    return Measurement(metrics=metrics, device={"kind": "cpu", "name": device}, wall_s=10.0)


@pytest.fixture
def make(tmp_path):
    def make(name, results, seed=0, images="set", num_val=400, **about):
        records = [
            TrialRecord(i, key, {"kind": key}, reference, measured(*result, **about))
            for i, (key, reference, result) in enumerate(results)
        ]
        data = {"identity": images, "classes": ["a", "b"], "counts": {"val": num_val}}
        identity = {"seed": seed, "data": data, "recipe": {"epochs": 3}, "space": {}}
        folder = RunFolder(tmp_path / name, "study", "worker", None)
        return Run(folder, OBJECTIVES, identity, tuple(records))

    return make


def results(accuracy=0.8, mib=20, paper_mib=30):
    paper = ("paper", "xception-lite", (0.7, paper_mib))
    return [paper, ("mine", None, (accuracy, mib))]


def test_runs_share_an_axis_only_on_one_device_with_one_source_and_the_same_images(make):
    runs = [
        make("a", results()),
        make("b", results(), seed=1),
        make("c", results(), source="torch.cuda peak_reserved"),
        make("d", results(), device="another board"),
        make("e", results(), images="another set"),
    ]
    assert axis_groups(runs, OBJECTIVES) == [[0, 1], [2], [3], [4]]


def test_page_of_runs_that_do_not_compare_says_so(make):
    one, other = make("a", results()), make("b", results(), source="torch.cuda peak_reserved")
    assert "do not all compare" in render_report([one, other])
    assert "do not all compare" not in render_report([one, make("c", results(), seed=1)])


def test_table_leaves_out_what_is_equal_everywhere(make):
    runs = [make("a", results()), make("b", results(), seed=7)]
    table = side_by_side(runs)
    assert table["labels"] == ["study (a)", "study (b)"]
    assert dict(table["rows"])["seed"] == ["0", "7"]
    assert "recipe: epochs" not in dict(table["rows"])


def test_labels_are_told_apart_even_in_folders_of_one_name(make):
    runs = [make("a/run", results()), make("b/run", results())]
    assert len(set(labels_of(runs))) == 2


def test_repeated_seeds_become_a_mean_with_its_deviation(make):
    # Gains by hand: 10 and 20 points, -20% and -40%: means 15 and -30, deviations 7.07 and 14.14.
    runs = [make("a", results(0.8, 24)), make("b", results(0.9, 18), seed=1)]
    assert verdict_of(runs[0], runs).certainty == (
        "Over 2 seeds, mean ± standard deviation: +15.0 ± 7.1 points val accuracy, "
        "-30.0 ± 14.1% peak training memory."
    )


def test_a_copy_of_a_run_is_no_further_seed(make):
    runs = [make("a", results(0.8, 24)), make("b", results(0.9, 18), seed=1)]
    copied = make("copy of b", results(0.9, 18), seed=1)

    for shown in ([*runs, copied], [copied, *runs]):
        for run in shown:
            alone = [run, next(one for one in runs if one.identity != run.identity)]
            assert verdict_of(run, shown).certainty == verdict_of(run, alone).certainty
            assert "Over 2 seeds" in verdict_of(run, shown).certainty


def test_runs_of_other_images_are_no_repeats(make):
    runs = [make("a", results()), make("b", results(), seed=1, images="another set")]
    assert "one seed" in verdict_of(runs[0], runs).certainty


@pytest.mark.parametrize(("num_val", "place"), [(50, "within"), (5000, "beyond")])
def test_verdict_says_what_chance_alone_can_do(make, num_val, place):
    # sqrt((0.8*0.2 + 0.7*0.3) / n) * 1.96 is 16.9 points for 50 images and 1.7 for 5,000.
    verdict = verdict_of(make("a", results(), num_val=num_val))
    reach = {50: "16.9", 5000: "1.7"}[num_val]
    assert (
        f"{num_val} validation images two accuracies differ by up to {reach}" in verdict.certainty
    )
    assert f"the difference of 10.0 points is {place} that" in verdict.certainty


@pytest.mark.parametrize(
    ("num_val", "begins"),
    [
        (
            50,
            "Trial 1 is as accurate as the paper's configuration (xception-lite) within chance "
            "(+10.0 points val accuracy, chance is 16.9): peak training memory 20.0 MiB against "
            "30.0 MiB (-33%).",
        ),
        (5000, "Trial 1 beats the paper's configuration (xception-lite): val accuracy 80.0%"),
    ],
)
def test_only_a_difference_beyond_chance_beats_the_paper(make, num_val, begins):
    assert verdict_of(make("a", results(), num_val=num_val)).sentence.startswith(begins)


def test_others_that_beat_the_paper_do_so_beyond_chance(make):
    # Of 400 images, 1.96 * sqrt((0.9*0.1 + 0.7*0.3) / 400) is 5.4 points, and about 6 for 0.71.
    others = [("b", None, (0.71, 25)), ("c", None, (0.8, 26))]
    run = make("a", [*results(0.9), *others])
    assert verdict_of(run).sentence.endswith("(-33%); 1 other does, too.")


@pytest.mark.parametrize(("test_accuracy", "is_said"), [(0.6, True), (0.75, False), (None, False)])
def test_verdict_says_where_the_test_images_say_otherwise(make, test_accuracy, is_said):
    run = make("a", results())
    tests = {"xception-lite": 0.7, "trial 1": test_accuracy}
    records = []
    for record in run.records:
        metrics = dict(record.measurement.metrics)
        if tests[record.name] is not None:
            metrics["test_accuracy"] = Metric(tests[record.name], "share", "test images")
        records.append(replace(record, measurement=replace(record.measurement, metrics=metrics)))
    sentence = verdict_of(replace(run, records=tuple(records))).sentence
    said = "The test images put the two the other way round: 60.0% against 70.0%."
    assert (said in sentence) == is_said


def test_verdict_says_device_and_sources(make):
    measured = verdict_of(make("a", results())).measured
    assert measured == ("On board – val accuracy: validation images; peak training memory: probe.")


def test_a_run_with_no_finished_candidate_stands_beside_others(make):
    empty = replace(make("a", results()), records=())
    assert "has no figures" not in render_report([empty, make("b", results())])


def test_a_space_that_tells_its_choices_in_another_form_stands_beside_others(make):
    run = make("a", results())
    odd = replace(run, identity={**run.identity, "space": ["a list"], "data": {}})
    assert "2 runs side by side" in render_report([odd, make("b", results())])
    assert "one seed" in render_report(odd)


def test_baselines_and_plain_points_have_no_drawing_and_no_error(make):
    run = make("a", results())
    points = [{"baseline": "mobilenetv2"}, "a plain text"]
    records = tuple(replace(r, point=p) for r, p in zip(run.records, points))
    page = render_report(replace(run, records=records))
    assert "nas-edge show" in page  # of the baseline, which is a network
    assert "a plain text" in page
