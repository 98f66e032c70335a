"""One network's published row beside a run's."""

import io
from dataclasses import replace

import pytest

from nas_edge import Measurement, open_run
from nas_edge.candidate.measurement import OVER_LIMIT
from nas_edge.paper.side_by_side import compare, comparison_view, side_by_side


def printed(run, name, width=100):
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=width).print(side_by_side(run.reference(name), run))
    return out.getvalue()


def lines_of(run, name):
    view = comparison_view(compare(run.reference(name), run))
    rows = [row for block in view.blocks for row in block]
    strip = "⁰¹²³⁴⁵⁶⁷⁸⁹ "
    return {row[0].rstrip(strip): [cell.rstrip(strip) for cell in row[1:]] for row in rows}, view


def test_the_papers_row_and_the_runs_stand_side_by_side(make_run):
    run = open_run(make_run("one"))

    rows, view = lines_of(run, "xception-lite")

    assert rows == {
        "parameters": ["–", "15.60M"],
        "train accuracy": ["97.81%", "96.0%"],
        "test accuracy": ["90.30%", "80.0%"],
        "memory as the paper's: board RAM": ["865.8", "–"],
        "memory measured: mean in training": ["–", "630.0 MiB"],
        "memory measured: training's peak": ["–", "700.0 MiB"],
        "time per epoch": ["–", "10 s"],
        "inference time of a batch": ["465ms", "50 ms"],
    }
    assert view.heads[2] == "pcb, scratch"
    assert "Not in this table. Table 1, with 101 classes: 15.8M↓" in view.notes
    assert view.remarks == (
        "Other than in the paper: 3 epochs (paper: 60); 64 px (paper: 224); on Some CPU "
        "(paper: Jetson Xavier NX 8GB); 2,000 / 500 / 500 images "
        "(paper: 14,000 / 4,000 / 2,000).",
    )


def with_history(record, accuracies):
    rows = tuple({"epoch": n + 1, "val_accuracy": a} for n, a in enumerate(accuracies))
    return replace(record, measurement=replace(record.measurement, history=rows))


def test_how_steady_the_runs_validation_was_is_said(make_run):
    run = open_run(make_run("swinging"))
    record = with_history(run.reference("xception-lite"), [0.5, 0.9, 0.5, 0.7, 0.4, 0.75, 0.52])

    comparison = compare(record, run)

    assert comparison.to_dict()["validation"] == [0.5, 0.9, 0.5, 0.7, 0.4, 0.75, 0.52]
    assert comparison_view(comparison).remarks[-1] == (
        "In this run's last 2 epochs the validation accuracy lies between 52.0% and 75.0%; "
        "the last is 52.0%."
    )


@pytest.mark.parametrize("accuracies", [[], [0.5] * 5, [0.5] * 6 + [None] + [0.5] * 6])
def test_of_few_epochs_or_a_history_with_gaps_nothing_is_said(make_run, accuracies):
    run = open_run(make_run("short"))
    record = with_history(run.reference("xception-lite"), accuracies)

    assert len(comparison_view(compare(record, run)).remarks) == 1


def test_both_figures_are_told_in_the_metrics_unit(make_run):
    run = open_run(make_run("caltech", task="caltech101"))

    data = compare(run.reference("xception"), run).to_dict()

    figures = {line["metric"]: line for line in data["figures"]}
    assert figures["params"] == {
        "metric": "params",
        "paper": 21_100_000,
        "printed": "21.1M",
        "run": 21_000_000,
    }
    assert (figures["test_accuracy"]["paper"], figures["test_accuracy"]["run"]) == (0.7589, 0.78)
    assert (figures["epoch_time"]["paper"], figures["epoch_time"]["run"]) == (702.19, 13)
    assert figures["board_ram_fraction"]["paper"] == 0.8746
    assert figures["board_ram_fraction"]["run"] is None
    assert data["published"] is True


@pytest.mark.parametrize("name", ["squeezenet", "xception-lite-text"])
def test_a_network_without_a_published_row_has_dashes_and_says_so(make_run, name):
    def same(point):
        return Measurement.of(val_accuracy=0.6, test_accuracy=0.5, peak_memory=1e6)

    run = open_run(make_run("none", names=(name,), evaluate=same))

    rows, view = lines_of(run, name)

    assert {cells[0] for cells in rows.values()} == {"–"}
    assert rows["test accuracy"] == ["–", "50.0%"]
    assert "The paper reports no figures of this network." in view.notes


def test_a_network_of_other_widths_stands_beside_the_published_one(make_run):
    run = open_run(make_run("quarter", task=None, names=("xception x0.25",)))

    rows, view = lines_of(run, "xception x0.25")

    assert rows["test accuracy"] == ["88.10%", "78.0%"]
    assert "widths x0.25 (paper: x1)" in view.remarks[0]
    assert view.heads[2] == "quarter"


def test_a_network_without_figures_says_why(make_run):
    def fails(point):
        return Measurement(outcome=OVER_LIMIT, reason="needs 9 GiB")

    run = open_run(make_run("over", names=("xception",), evaluate=fails))

    assert "This run has no figures: over limit: needs 9 GiB" in printed(run, "xception")


@pytest.mark.parametrize("width", [60, 80, 160])
def test_it_can_be_printed_at_any_width(make_run, width):
    text = printed(open_run(make_run("wide")), "mobilenetv2", width)

    assert max(len(line) for line in text.splitlines()) <= width
    assert "50.50%" in text
