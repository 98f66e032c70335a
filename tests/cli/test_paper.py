"""`nas-edge paper tables` and `nas-edge paper figures`."""

import json

import pytest
from in_process import call, error_of


def test_tables_are_printed_with_their_footnotes():
    result = call("paper", "tables")

    assert result.exit_code == 0
    for text in ("Table 1: Caltech-101", "847.9MB↓", "96.95% ⁷", "30.52% in the abstract"):
        assert text in result.stdout


@pytest.mark.parametrize(
    ("options", "begins"),
    [
        (["--json"], "{"),
        (["--csv"], "of,table,section,network"),
        (["--format", "md"], "**Table 1"),
        (["--format", "latex"], "\\begin{table}"),
    ],
    ids=" ".join,
)
def test_every_form_can_be_asked_for(options, begins):
    result = call("paper", "tables", *options)

    assert result.exit_code == 0
    assert result.stdout.startswith(begins)


def test_a_study_of_ones_own_stands_beside_the_tables(finished):
    result = call("paper", "tables", finished.run_folder, "--json")

    (one,) = json.loads(result.stdout)["runs"]
    assert one["set"] == "tiny"
    assert "2 epochs (paper: 60)" in one["differences"]
    shown = call("paper", "tables", finished.run_folder).stdout
    assert "tiny: 3 searched candidates are not shown." in shown
    assert "tiny: holds none of the handcrafted networks." in shown


def test_figures_are_written_and_named(tmp_path):
    result = call("paper", "figures", "--out", tmp_path / "out")

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        str(tmp_path / "out" / name) for name in ("figures.html", "figure4a.png", "figure4b.png")
    ]
    assert "Figure 3 needs the authors' logs" in result.stderr


def test_a_run_of_which_nothing_is_drawn_is_named(finished, tmp_path):
    result = call("paper", "figures", finished.run_folder, "--out", tmp_path / "out")

    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 3
    assert result.stderr == (
        f"{finished.run_folder}: nothing is drawn; no handcrafted network has epochs, or test "
        "accuracy and peak memory\n"
    )


def test_mistakes_are_one_line(tmp_path):
    (tmp_path / "file").write_text("")

    assert "given together" in error_of(call("paper", "tables", "--json", "--format", "md"))
    assert "no such folder" in error_of(call("paper", "tables", "--history", tmp_path / "no"))
    assert "holds none of them" in error_of(call("paper", "figures", "--history", tmp_path))
    assert "folder of a run" in error_of(call("paper", "tables", tmp_path))
    where = tmp_path / "file" / "out"
    assert "cannot be written" in error_of(call("paper", "figures", "--out", where), code=3)
