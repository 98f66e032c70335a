"""What is said of finalists, and of a front with its noise: made-up figures, sums by hand."""

import csv
import io
import json
from dataclasses import replace

import pytest
import scipy.stats

from nas_edge import Measurement, Metric, finalists_frame
from nas_edge.candidate.infeasible import over_limit
from nas_edge.errors import ConfigError, StudyError
from nas_edge.report.confident import noisy_csv, noisy_front, noisy_json, noisy_table
from nas_edge.report.finalists import best_finalist, finalists_of
from nas_edge.report.finalists_table import finalists_table
from nas_edge.report.finalists_verdict import finalist_line
from nas_edge.report.html import render_report
from nas_edge.report.verdict import verdict_of
from nas_edge.study.records import TrialRecord
from nas_edge.study.run import Run
from nas_edge.study.run_folder import RunFolder

OBJECTIVES = ("val_accuracy", "peak_memory")
MIB = 2**20
PAPER = "xception-lite x0.25"
# By network: test accuracies of the finalists, and memory in MiB.
TRAINED = {
    "paper": ([0.70, 0.72, 0.74], 50),
    "good": ([0.75, 0.77, 0.76], 30),
    "large": ([0.90, 0.91, 0.92], 60),
}


def measured(test, val, mib, seed=0, device="board"):
    metrics = {
        "val_accuracy": Metric(val, "share", "validation images, epoch 3"),
        "test_accuracy": Metric(test, "share", "test images; for reporting only"),
        "peak_memory": Metric(mib * MIB, "bytes", "probe"),
    }
    about = {"kind": "cpu", "name": device}
    return Measurement(metrics=metrics, seed=seed, device=about, wall_s=10.0)


def identity_of(seed=0, epochs=3, device="board", test=400):
    counts = {"train": 10, "val": 400, **({"test": test} if test else {})}
    return {
        "seed": seed,
        "data": {"identity": "set", "classes": ["a", "b"], "counts": counts},
        "recipe": {"epochs": epochs},
        "device": {"kind": "cpu", "name": device},
        "space": {},
    }


@pytest.fixture
def make(tmp_path):
    """Return a function: a search of three networks with the finalists that TRAINED has."""

    def make(trained=TRAINED, name="a", seed=0, val=None, **about):
        searched = {"paper": (0.7, 50), "good": (0.8, 30), "large": (0.9, 60), **(val or {})}
        records = tuple(
            TrialRecord(i, key, {"k": key}, PAPER if key == "paper" else None, measured(0.5, *one))
            for i, (key, one) in enumerate(searched.items())
        )
        finalists = tuple(
            TrialRecord(
                100 * i + place,
                f"{key}#{place}",
                {"k": key, "repeat": {"of": key, "place": place, "seed": place}},
                f"{key}, seed {place}",
                measured(test, test - 0.05, mib, place, about.get("device", "board")),
            )
            for i, (key, (tests, mib)) in enumerate(trained.items())
            for place, test in enumerate(tests, 1)
        )
        folder = RunFolder(tmp_path / name, "study", "worker", None)
        inner = Run(
            replace(folder, path=folder.finalists),
            OBJECTIVES,
            identity_of(seed, **about),
            finalists,
        )
        run = Run(folder, OBJECTIVES, identity_of(seed), records, inner)
        return run if trained else replace(run, finalists=None)

    return make


def rows_of(run):
    return {row.name: row for row in finalists_of(run).rows}


def test_probability_is_welchs_where_memory_is_lower_and_nothing_where_not(make):
    rows = rows_of(make())
    good, paper = TRAINED["good"][0], TRAINED["paper"][0]
    expected = scipy.stats.ttest_ind(good, paper, equal_var=False, alternative="greater")
    assert rows["trial 1"].probability == pytest.approx(1 - expected.pvalue)
    assert rows["trial 2"].probability == 0.0
    assert rows[PAPER].probability is None


def test_mean_and_interval_are_students(make):
    # 70, 72 and 74: mean 72, deviation 2, t(2) at 97.5% is 4.3027: 4.3027 * 2 / sqrt(3) is 4.968.
    mean = rows_of(make())[PAPER].means["test_accuracy"]
    assert (mean.low, mean.high) == (pytest.approx(0.67032, 1e-4), pytest.approx(0.76968, 1e-4))
    assert mean.text("test_accuracy") == "72.0% (67.0 to 77.0%)"


def test_sentence_that_matters_first_speaks_of_test_images(make):
    run = make()
    verdict = verdict_of(run)
    assert verdict.sentence.startswith(f"Trial 1 beats the paper's configuration ({PAPER}) with a")
    assert "test accuracy 76.0% (73.5 to 78.5%) against 72.0% (67.0 to 77.0%)" in verdict.sentence
    assert "30.0 MiB against 50.0 MiB (-40%)" in verdict.sentence
    assert verdict.number == 1
    assert "Means over 3 seeds" in verdict.certainty
    assert "It is the highest of 2" in verdict.certainty
    assert "test images" in verdict.measured
    assert "test" not in verdict_of(replace(run, finalists=None)).sentence


def test_a_finalist_that_is_hardly_as_accurate_beats_nothing(make):
    run = make({**TRAINED, "good": ([0.60, 0.62, 0.61], 30)})
    sentence = verdict_of(run).sentence
    assert sentence.startswith("No finalist is as accurate")
    assert "trial 1" in sentence


def test_a_smaller_one_without_any_chance_is_no_larger_one(make):
    near = [0.7200000, 0.7200001, 0.7199999]
    run = make({**TRAINED, "paper": (near, 50), "good": ([0.1, 0.1, 0.1], 30)})
    found = rows_of(run)["trial 1"]
    assert 0 < found.probability < 1e-4
    assert best_finalist(finalists_of(run)) == found
    assert verdict_of(run).sentence.startswith("No finalist is as accurate")


def test_where_none_is_smaller_that_is_said(make):
    run = make({"paper": TRAINED["paper"], "large": TRAINED["large"]})
    assert best_finalist(finalists_of(run)) is None
    assert verdict_of(run).sentence.startswith("No finalist trains in less memory")


def test_one_seed_has_no_interval_and_says_what_the_probability_rests_on(make):
    run = make({key: (tests[:1], mib) for key, (tests, mib) in TRAINED.items()})
    found = finalists_of(run)
    row = next(row for row in found.rows if row.name == "trial 1")
    assert row.means["test_accuracy"].text("test_accuracy") == "75.0%"
    # sqrt((0.75 * 0.25 + 0.7 * 0.3) / 400) is 3.15 points: 5 points are 1.586 of them.
    assert row.probability == pytest.approx(scipy.stats.norm.cdf(1.586), abs=1e-3)
    assert "gives no interval" in " ".join(found.notes)
    assert finalists_frame(run)["test_accuracy_low"].isna().all()


def test_one_that_has_fewer_seeds_so_far_takes_the_pooled_deviation(make):
    run = make({**TRAINED, "good": ([0.75], 30)})
    assert "pooled" in " ".join(finalists_of(run).notes)
    assert 0.5 < rows_of(run)["trial 1"].probability < 1


def test_other_epochs_and_another_device_are_named(make):
    notes = " ".join(finalists_of(make(epochs=60)).notes)
    assert "60 epochs, not 3 as in the search" in notes
    notes = " ".join(finalists_of(make(device="a GPU")).notes)
    assert "Trained on a GPU, the search on board: accuracies compare, memory does not" in notes


def test_without_test_images_the_validation_images_judge(make):
    found = finalists_of(make(test=None))
    assert found.judge == "val_accuracy"
    assert "no test images" in " ".join(found.notes)


def test_a_failed_training_is_said_and_the_others_count(make):
    run = make()
    inner = run.finalists
    lost = replace(inner.records[3], measurement=over_limit({}, "much", 9, "made up", 4))
    records = (*inner.records[:3], lost, *inner.records[4:])
    row = rows_of(replace(run, finalists=replace(inner, records=records)))["trial 1"]
    assert len(row.seeds) == 2
    assert row.failures[0].startswith("over limit: ")
    gone = tuple(
        replace(r, measurement=lost.measurement) if r.key.startswith("good") else r
        for r in inner.records
    )
    run = replace(run, finalists=replace(inner, records=gone))
    assert not rows_of(run)["trial 1"].means
    assert finalist_line(rows_of(run)["trial 1"], "test_accuracy").startswith(
        "finalist: no figures (over limit"
    )
    assert "over limit" in render_report(run)


def test_a_run_without_finalists_has_an_empty_frame_and_no_section(make):
    run = make({})
    assert finalists_of(run) is None
    assert len(finalists_frame(run)) == 0
    assert 'id="finalists"' not in render_report(run)


def test_page_and_table_show_every_finalist(make):
    from rich.console import Console

    run = make()
    page = render_report(run)
    assert "76.0% (73.5 to 78.5%)" in page
    assert "the paper&#39;s" in page
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(finalists_table(finalists_of(run), "study"))
    text = console.export_text()
    assert "P(dominates) = 0 where peak memory is not lower" in text
    assert "76.0% (73.5 to 78.5%)" in text
    assert finalists_frame(run)["name"].tolist() == ["trial 1", PAPER, "trial 2"]


@pytest.mark.parametrize("width", [60, 80, 200])
def test_table_fits_its_terminal(make, width):
    from rich.console import Console

    console = Console(width=width, record=True, file=io.StringIO())
    console.print(finalists_table(finalists_of(make()), "study", width))
    text = console.export_text()
    assert all(len(line) <= width for line in text.splitlines())
    assert "…" not in text
    assert "76.0% (73.5 to 78.5%)" in text
    assert "●" in text.partition("on the search")[0]


def test_bars_are_means_with_intervals_of_the_seeds(make):
    page = render_report(make())
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    assert len(data["bars"]) == 3
    mean, low, high, source = data["bars"][0]["figures"]["test_accuracy"]
    assert (mean, low, high) == (0.72, pytest.approx(0.67032, 1e-4), pytest.approx(0.76968, 1e-4))
    assert data["texts"][source] == "test images; for reporting only"


def test_bars_end_where_accuracies_do_and_know_how_few_images_there_are(make):
    page = render_report(make({"paper": ([0.97, 1.0, 0.99], 50), "good": ([0.5, 0.5, 0.5], 30)}))
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    ends = [bar["figures"]["test_accuracy"][1:3] for bar in data["bars"]]
    assert ends[0][1] == 1.0
    # Half of 400 images' share, over the root of three seeds, times Student's 4.3027.
    assert ends[1][1] - ends[1][0] == pytest.approx(2 * 4.3027 * 0.5 / 400 / 3**0.5, 1e-3)


def test_finalists_of_another_length_are_no_repeats_of_the_search(make):
    page = render_report(make(epochs=60))
    assert json.loads(page.partition('id="data">')[2].partition("</script>")[0])["bars"] == []
    assert {row.mean.num_seeds for row in noisy_front([make(epochs=60)], ["a"], 0.9).rows} == {1}


def test_front_with_confidence_takes_the_finalists_for_the_searchs_own_training(make):
    # Searched, "good" has 80%; its finalists have 70, 72 and 71% on the validation images.
    rows = {row.name: row for row in noisy_front([make()], ["a"], 0.9).rows}
    assert rows["trial 1"].mean.value == pytest.approx(0.71)
    assert rows["trial 1"].mean.num_seeds == 3
    assert rows["trial 1"].costs == {"peak_memory": 30 * MIB}


def test_front_leaves_out_what_another_surely_beats(make):
    # Without repeats: 80% against 70% on 400 images are 3.3 of the difference's standard errors.
    run = make({})
    rows = {row.name: row for row in noisy_front([run], ["a"], 0.9).rows}
    assert not rows[PAPER].is_on_front
    assert rows[PAPER].rival == "trial 1"
    # sqrt((0.8 * 0.2 + 0.7 * 0.3) / 400) is 3.04 points.
    assert rows[PAPER].probability == pytest.approx(scipy.stats.norm.cdf(10 / 3.0414), abs=1e-4)
    close = make({}, val={"good": (0.71, 30)})
    rows = {row.name: row for row in noisy_front([close], ["a"], 0.9).rows}
    assert rows[PAPER].is_on_front
    assert not {r.name: r for r in noisy_front([close], ["a"]).rows}[PAPER].is_on_front
    assert "400 validation images (binomial)" in noisy_front([close], ["a"], 0.9).note


def test_runs_of_several_seeds_are_one_front_with_means(make):
    runs = [make({}), make({}, name="b", seed=1, val={"good": (0.9, 32)})]
    front = noisy_front(runs, ["a", "b"])
    rows = {row.name: row for row in front.rows}
    assert rows["trial 1 (a)"].mean.value == pytest.approx(0.85)
    assert rows["trial 1 (a)"].costs["peak_memory"] == 31 * MIB
    assert rows[PAPER].mean.num_seeds == 2
    data = json.loads(noisy_json(front, {"runs": ["a", "b"]}))
    assert data["rows"][0]["val_accuracy"]["mean"] == pytest.approx(0.85)
    table = list(csv.DictReader(io.StringIO(noisy_csv(front))))
    assert [row["name"] for row in table] == [row.name for row in front.rows]


def test_runs_that_differ_in_more_than_the_seed_are_refused(make):
    one, other = make({}), make({}, name="b")
    with pytest.raises(StudyError, match="its seed is the same"):
        noisy_front([one, other], ["a", "b"])
    odd = replace(other, identity={**identity_of(1), "recipe": {"epochs": 9}})
    with pytest.raises(StudyError, match=r"recipe\.epochs was 3 and is now 9"):
        noisy_front([one, odd], ["a", "b"])


def test_a_front_without_accuracy_has_no_noise_to_consider(make):
    run = replace(make({}), objectives=("latency", "peak_memory"))
    with pytest.raises(ConfigError, match="must have val_accuracy among its objectives"):
        noisy_front([run], ["a"], 0.9)


def test_a_front_that_nothing_tells_the_noise_of_is_refused(make):
    run = make({})
    with pytest.raises(StudyError, match="nothing tells the noise"):
        noisy_front([replace(run, identity={**run.identity, "data": {}})], ["a"], 0.9)


def test_an_empty_run_has_an_empty_front(make):
    from rich.console import Console

    front = noisy_front([replace(make({}), records=())], ["a"], 0.9)
    assert front.rows == ()
    Console(file=io.StringIO()).print(noisy_table(front, "study"))
