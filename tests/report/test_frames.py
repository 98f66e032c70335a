"""Tables for notebooks, against the made-up run's records and arithmetic on them."""

import pytest

from nas_edge import (
    Measurement,
    RecipeConfig,
    cost_frame,
    count_model,
    estimate_frame,
    front_frame,
    importance_frame,
    metrics_frame,
    reference_architecture,
    shared_choices_frame,
)
from nas_edge.report.learned import MIN_CANDIDATES
from nas_edge.study.records import TrialRecord
from nas_edge.study.run import Run
from nas_edge.study.run_folder import RunFolder

MIB = 2**20


@pytest.fixture(scope="module")
def run(made_up_run, tmp_path_factory):
    return made_up_run(40, tmp_path_factory.mktemp("made up"))


def run_of(records, folder, objectives=("val_accuracy", "peak_memory")):
    return Run(RunFolder(folder, "by hand", "worker", None), objectives, {}, tuple(records))


def test_the_front_has_the_front_and_every_reference_by_memory(run):
    frame = front_frame(run)

    references = {record.number for record in run.records if record.reference}
    on_front = {record.number for record in run.front()}
    assert set(frame["number"]) == references | on_front
    assert set(frame["number"][frame["on_front"]]) == on_front
    assert frame["peak_memory_mib"].is_monotonic_increasing
    first = run.record(int(frame["number"][0]))
    assert frame["peak_memory_mib"][0] == first.value("peak_memory") / MIB
    assert frame["latency_ms"][0] == first.value("latency")
    paper = frame[frame["name"] == "xception-lite x0.25"].iloc[0]
    assert paper["against_paper"] == "equal"


def test_a_table_without_rows_has_its_columns(tmp_path):
    bad = Measurement("crashed", "RuntimeError: no")
    nothing = run_of([TrialRecord(0, "a", {}, None, bad)], tmp_path)

    assert list(front_frame(nothing)["peak_memory_mib"]) == []
    assert list(front_frame(nothing)["on_front"]) == []
    assert list(estimate_frame(nothing)["error_percent"]) == []
    assert list(importance_frame(nothing)["share of val_accuracy"]) == []
    assert list(metrics_frame(nothing.records[0])["figure"]) == []
    assert list(run_of([], tmp_path).frame()["outcome"]) == []


def test_a_reference_without_figures_keeps_its_row(tmp_path):
    good = Measurement.of(val_accuracy=0.5, peak_memory=MIB)
    bad = Measurement("crashed", "RuntimeError: no")
    records = [TrialRecord(0, "a", {}, None, good), TrialRecord(1, "b", {}, "xception", bad)]

    frame = front_frame(run_of(records, tmp_path))

    assert list(frame["name"]) == ["trial 0", "xception"]
    assert list(frame["on_front"]) == [True, False]
    assert frame["peak_memory_mib"].isna().tolist() == [False, True]


def test_nothing_measured_is_an_empty_front(tmp_path):
    assert len(front_frame(run_of([], tmp_path))) == 0
    assert len(estimate_frame(run_of([], tmp_path))) == 0


def test_every_figure_says_what_it_was_read_from(run):
    frame = metrics_frame(run.record(1))

    by_title = frame.set_index("figure")
    assert by_title.loc["peak training memory", "read from"] == "made up"
    assert by_title.loc["peak training memory", "value"].endswith(" MiB")
    assert len(frame) == len(run.record(1).measurement.metrics)


def test_importance_has_a_share_and_a_best_value_for_each_objective(run):
    frame = importance_frame(run)

    assert list(frame.columns) == [
        "choice",
        "share of val_accuracy",
        "share of peak_memory",
        "best for val_accuracy",
        "best for peak_memory",
    ]
    assert frame["share of peak_memory"].between(0, 1).all()
    few = run_of(run.records[: MIN_CANDIDATES - 1], run.folder.path)
    assert len(importance_frame(few)) == 0


def test_shared_choices_are_shares_of_front_and_all(tmp_path):
    # By hand: the front is the first three (less accuracy with less memory), all with "a".
    figures = [(0.9, 30), (0.8, 20), (0.7, 10), (0.6, 40), (0.5, 50), (0.4, 60)]
    records = [
        TrialRecord(
            i, str(i), {"kind": kind}, None, Measurement.of(val_accuracy=one, peak_memory=other)
        )
        for i, (kind, (one, other)) in enumerate(zip("aaabbb", figures))
    ]

    frame = shared_choices_frame(run_of(records, tmp_path))

    assert frame.to_dict("records") == [
        {"choice": "kind", "value": "a", "share of the front": 1.0, "share of all": 0.5}
    ]
    assert list(shared_choices_frame(run_of([], tmp_path)).columns) == list(frame.columns)


def test_estimate_stands_beside_what_was_measured(tmp_path):
    measured = Measurement.of(val_accuracy=0.5, peak_memory=40 * MIB)
    estimated = measured.with_details(estimate={"peak_bytes": 42 * MIB})
    records = [
        TrialRecord(0, "a", {}, None, estimated),
        TrialRecord(1, "b", {}, None, measured),  # no estimate
        TrialRecord(2, "c", {}, None, Measurement("crashed", "no")),
    ]

    (row,) = estimate_frame(run_of(records, tmp_path)).to_dict("records")

    assert (row["number"], row["estimated_mib"], row["measured_mib"]) == (0, 42.0, 40.0)
    assert row["error_percent"] == pytest.approx(5.0)


def test_costs_are_the_counts_and_parts_that_add_up():
    networks = {name: reference_architecture(name, 0.25) for name in ("xception", "xception-lite")}
    recipe = RecipeConfig(image_size=48, batch_size=16)

    frame = cost_frame(networks, recipe, num_classes=7).set_index("name")

    for name, network in networks.items():
        counts = count_model(network.plan, 48, 7)
        assert frame.loc[name, "params"] == counts.num_params
        assert frame.loc[name, "macs"] == counts.macs
        parts = frame.loc[name].drop(["params", "macs", "peak_mib"])
        assert parts.sum() == pytest.approx(frame.loc[name, "peak_mib"])
    two = cost_frame(networks, recipe).set_index("name")
    assert two.loc["xception", "params"] == count_model(networks["xception"].plan, 48, 1).num_params
