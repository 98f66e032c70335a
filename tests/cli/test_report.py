"""`nas-edge report`: several runs, other formats, and what it refuses."""

import pytest
from in_process import call

from nas_edge import Measurement, run_study


class Numbers:
    def suggest(self, trial):
        return {"n": trial.suggest_categorical("n", [1, 2, 3, 4])}

    def contains(self, point):
        return True

    def key(self, point):
        return str(point["n"])


def measure(point):
    return Measurement.of(val_accuracy=point["n"] / 10, peak_memory=point["n"] * 2**20)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name, seed in (("a", 0), ("b", 1)):
        run_study(Numbers(), measure, trials=3, out=folder / name, seed=seed, sampler="random")
    return folder / "a", folder / "b"


def test_report_of_a_run_stands_in_its_folder(runs):
    result = call("report", runs[0])
    assert result.exit_code == 0, result.output
    assert result.output == f"report: {runs[0] / 'report.html'}\n"
    assert (runs[0] / "report.html").is_file()


def test_report_of_two_runs_has_both(runs, tmp_path):
    result = call("report", *runs, "--out", tmp_path / "both.html")
    assert result.exit_code == 0, result.output
    assert "2 runs side by side" in (tmp_path / "both.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("kind", "suffix", "start"),
    [
        ("md", "md", b"| candidate |"),
        ("latex", "tex", b"% needs"),
        ("csv", "csv", b"number,name"),
        ("png", "png", b"\x89PNG"),
        ("svg", "svg", b"<?xml"),
    ],
)
def test_other_formats_stand_beside_it(runs, kind, suffix, start):
    result = call("report", runs[0], "--format", kind)
    assert result.exit_code == 0, result.output
    assert (runs[0] / f"report.{suffix}").read_bytes().startswith(start)


@pytest.mark.parametrize("kind", ["html", "md", "csv", "svg", "png"])
def test_a_dash_is_the_output(runs, kind, tmp_path):
    result = call("report", runs[0], "--format", kind, "--out", "-")
    assert result.exit_code == 0, result.output
    call("report", runs[0], "--format", kind, "--out", tmp_path / "file")
    if kind != "svg":  # its figures carry a date and ids of their own
        assert result.stdout_bytes == (tmp_path / "file").read_bytes()
    assert result.stdout_bytes.startswith((tmp_path / "file").read_bytes()[:20])


def test_a_run_given_twice_is_refused(runs):
    result = call("report", runs[0], runs[0].parent / "b" / ".." / "a")
    assert result.exit_code == 2
    assert "each RUN must be given once" in result.stderr


def test_a_picture_never_replaces_a_folder(runs, tmp_path):
    result = call("report", runs[0], "--format", "png", "--out", tmp_path)
    assert result.exit_code == 2
