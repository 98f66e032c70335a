"""Runs of evaluators of one's own, and runs changed by hand: shown, or refused in one line."""

from dataclasses import replace

import pytest

from nas_edge import (
    Measurement,
    Metric,
    estimate_frame,
    metrics_frame,
    open_run,
    plot_front,
    plot_memory,
    run_study,
    write_report,
)
from nas_edge.cli.fronts import print_front
from nas_edge.dashboard.plots import study_plots
from nas_edge.dashboard.snapshot import take_snapshot
from nas_edge.dashboard.study_note import study_note
from nas_edge.dashboard.target import Target, find_target, open_studies, open_target
from nas_edge.dashboard.trial_note import candidate_note
from nas_edge.errors import ConfigError
from nas_edge.report.formats import table_text, write_format
from nas_edge.report.progress import ProgressLines

NAN = float("nan")
# The parts of a run that an evaluator of one's own may fill as it likes.
ODD = {
    "images without counts": {"identity": {"data": {"name": "x"}, "recipe": {"epochs": 2}}},
    "counts in a list": {"identity": {"data": {"counts": [1, 2], "classes": 5}}},
    "no estimate": {"details": {"estimate": None}},
    "an estimate in words": {"details": {"estimate": {"peak_bytes": "much", "parts": {"a": "b"}}}},
    "an estimate of NaN": {"details": {"estimate": {"peak_bytes": NAN, "parts": {"a": NAN}}}},
    "parts in a list": {"details": {"estimate": {"peak_bytes": 5e5, "parts": [1]}}},
    "gaps in the history": {
        "history": (
            {"epoch": 1, "val_accuracy": None, "peak_memory_bytes": float("inf")},
            {"epoch": 2, "val_accuracy": "0.5", "mean_memory_bytes": NAN},
            {"epoch": 3, "val_accuracy": 0.5, "train_accuracy": True},
        )
    },
    "no epoch's number": {"history": ({"epoch": None, "val_accuracy": 0.5},)},
}


class Squares:
    """Points are numbers."""

    references = {"xception-lite": 4}  # noqa: RUF012

    def suggest(self, trial):
        return trial.suggest_int("side", 0, 9)

    def contains(self, point):
        return True

    def key(self, point):
        return str(point)

    def parameters(self, point):
        return {"side": point}


@pytest.fixture
def make_run(tmp_path):
    def make(identity=None, **odd):
        def evaluate(side):
            plain = Measurement.of(val_accuracy=0.5 + side / 20, peak_memory=1e6 * (1 + side))
            return Measurement(metrics=plain.metrics, **odd)

        run_study(Squares(), evaluate, trials=4, out=tmp_path / "run", identity=identity)
        return open_run(tmp_path / "run")

    return make


@pytest.mark.parametrize("odd", ODD)
def test_a_run_of_odd_parts_is_shown_everywhere(make_run, odd):
    pytest.importorskip("optuna_dashboard")
    run = make_run(**ODD[odd])

    assert "beats the paper" in write_report(run).read_text()
    assert len(plot_front(run).data) > 1
    estimated = estimate_frame(run)
    assert list(estimated["estimated_mib"]) == (
        [5e5 / 2**20] * 4 if odd == "parts in a list" else []
    )
    target = find_target(str(run.folder.path))
    storage = open_target(target)
    snapshot = take_snapshot(open_studies(target, storage)[0], "run")
    assert "## The front" in study_note(snapshot)
    assert "front" in study_plots(snapshot)
    assert "memory-by-part" not in study_plots(snapshot)
    assert all("### Network" in candidate_note(snapshot, record) for record in run.records)
    storage.engine.dispose()


def test_figures_of_own_names_keep_their_units_everywhere(tmp_path):
    pytest.importorskip("optuna_dashboard")

    def evaluate(side):
        figures = {"own_accuracy": (0.5 + side / 20, "share"), "own_memory": (2**20, "bytes")}
        figures["heat"] = (40 + side, "kelvin")
        return Measurement(metrics={n: Metric(float(v), u, "x") for n, (v, u) in figures.items()})

    run_study(
        Squares(),
        evaluate,
        trials=3,
        out=tmp_path / "own",
        objectives=("own_accuracy", "own_memory", "heat"),
    )
    run = open_run(tmp_path / "own")
    best = run.front()[0]
    figures = [
        f"{100 * best.value('own_accuracy'):.1f}%",
        "1.0 MiB",
        f"{best.value('heat'):g} kelvin",
    ]

    assert list(metrics_frame(best)["value"]) == figures
    assert all(figure in write_report(run).read_text() for figure in figures)
    assert " | ".join(figures) in table_text([run], "md")
    target = find_target(str(run.folder.path))
    storage = open_target(target)
    snapshot = take_snapshot(open_studies(target, storage)[0], "run")
    assert figures[2] in study_note(snapshot)
    assert figures[2] in candidate_note(snapshot, best)
    storage.engine.dispose()
    figure = plot_front(run)
    assert figure.layout.xaxis.title.text == "own_memory (MiB)"
    assert figure.layout.yaxis.tickformat == ".0%"
    assert {x for trace in figure.data for x in trace.x} == {1.0}
    assert {line.x0 for line in figure.layout.shapes} == {0, 1.0}
    heat = replace(run, objectives=("own_accuracy", "heat"))
    svg = write_format([heat], "svg", tmp_path / "a.svg").read_text()
    assert "heat (kelvin)" in svg
    lines = []
    telling = ProgressLines(lines.append)
    about = {"name": "own", "space": "squares", "num_points": 3, "counts": {}, "classes": []}
    device = {"name": "abacus", "kind": "cpu"}
    telling({"event": "study", "objectives": ["heat"], "device": device, **about})
    telling({"event": "measured", "measurement": best.measurement})
    assert figures[2] in lines[-1]


def test_no_run_is_no_report(tmp_path):
    with pytest.raises(ConfigError, match="needs a run, but got none"):
        write_report([])
    for kind in ("md", "latex", "csv", "png", "svg"):
        with pytest.raises(ConfigError, match="needs a run, but got none"):
            write_format([], kind, tmp_path / "a")


def test_a_front_of_no_candidate_says_so(capsys):
    print_front("mine", [], ("val_accuracy", "peak_memory"))

    assert capsys.readouterr().out.splitlines()[-1] == "0 candidates"


def test_parts_that_are_numbers_are_shown_beside_others(make_run):
    run = make_run(details={"estimate": {"parts": {"weights": 2**20, "luck": "some", "x": NAN}}})

    names = [trace.name for trace in plot_memory(run).data]
    assert names == ["weights", "measured"]


@pytest.mark.parametrize("value", ["high", "[0.7]", "7", "-0.1", ".nan", "null", "true"])
def test_an_accuracy_frontier_changed_by_hand_is_refused_in_one_line(make_run, value):
    run = make_run()
    study = run.folder.path / "study.yaml"
    study.write_text(f"accuracy_frontier: {value}\n")
    says = r"study\.yaml: accuracy_frontier must be a number from 0 to 1, but got .*; mend it"

    with pytest.raises(ConfigError, match=says):
        write_report(run)
    with pytest.raises(ConfigError, match=says):
        Target("sqlite:///x", run.folder.path).accuracy_frontier  # noqa: B018
    assert write_report(run, accuracy_frontier=0.6).is_file()


def test_a_study_file_without_accuracy_frontier_has_the_papers(make_run):
    run = make_run()
    (run.folder.path / "study.yaml").write_text("description: mine\ndata: [1]\n")

    assert "70%" in write_report(run).read_text()
    target = Target("sqlite:///x", run.folder.path)
    assert (target.accuracy_frontier, target.task) == (0.7, "mine")
