"""The tables beside runs, in every form that they are given in."""

import csv
import io
import json
import re
import shutil
import subprocess

import pytest

from nas_edge.paper.checks import check_cells
from nas_edge.paper.listing import tables_csv, tables_json
from nas_edge.paper.logs import load_logs
from nas_edge.paper.run_sets import open_sets
from nas_edge.paper.tables import checks_view, logs_view, table_views
from nas_edge.paper.views import Footnotes, View, latex_view, markdown_view, terminal_view

EXAMPLE = View(
    "A & B_1 ¹",
    ("Model", "Of", "100%", "none"),
    "llrr",
    ((("a|b", "paper", "96.16%↓ ¹²", "–"), ("c", "x", "1 ± 2", "–")), (("d", "y", "–", "–"),)),
    ("a note", "another"),
    ("a remark: $5 {x}",),
)


def printed(view, width=160):
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=width).print(terminal_view(view))
    return out.getvalue()


def rows_of(view):
    return [row for block in view.blocks for row in block]


def test_without_runs_the_tables_are_the_papers_alone():
    first, scratch, pretrained = table_views([])

    assert len(rows_of(first)) == len(rows_of(scratch)) == len(rows_of(pretrained)) == 4
    # Column heads without their footnotes' marks.
    assert [head.split(" ¹")[0].rstrip("¹²³⁴⁵⁶⁷⁸⁹ ") for head in first.heads] == [
        "Model",
        "#Params",
        "Train Acc",
        "Test Acc",
        "Avg Mem. per Epoch",
        "Avg Time per Epoch",
        "Avg Inf. Time",
    ]
    assert len(scratch.heads) == 5  # Table 2 has no parameters and no times
    cell = rows_of(first)[1][2]
    number = "⁰¹²³⁴⁵⁶⁷⁸⁹".index(cell.rpartition(" ")[2])
    assert cell.startswith("96.95% ")
    assert "another training than this row" in first.notes[number - 1]


def test_runs_stand_under_the_papers_row_of_their_network(make_run, three_seeds):
    own = make_run("own", task=None, names=("xception x0.25",))
    _, view, _ = table_views(open_sets([*three_seeds, str(own)]))

    rows = {(row[0].split(" ¹")[0], row[1]): row for row in rows_of(view)}
    heads = [head.rstrip("⁰¹²³⁴⁵⁶⁷⁸⁹ ") for head in view.heads]
    lite = dict(zip(heads, rows["xception-lite", "pcb, scratch, n=3"]))
    assert lite["Params"] == "15.60M"
    assert lite["Test Acc."] == "81.0 ± 1.0%"
    # The paper's memory and bytes are never in one column.
    assert lite["Avg Mem. (MB)"] == "–"
    assert lite["Peak Memory"] == "700.0 MiB"
    assert lite["Mean Memory"] == "630.0 MiB"
    assert lite["Time per Epoch"] == "11 ± 1 s"
    assert lite["Avg Inf. Time"] == "50 ms"
    paper = dict(zip(heads, rows["Optimized Model", "paper"]))
    assert (paper["Avg Mem. (MB)"], paper["Peak Memory"]) == ("865.8", "–")
    names = [row[0].rstrip("⁰¹²³⁴⁵⁶⁷⁸⁹ ") for row in rows_of(view)]
    assert names[:5] == [
        "Optimized Model",
        "xception-lite",
        "Xception (Original)",
        "xception",
        "xception x0.25",
    ]
    assert names[-1] == "squeezenet"
    assert "The paper reports no figures of this network." in view.notes
    assert view.remarks[0].startswith(
        "pcb, scratch: 3 runs (seed 0, 1, 2). Other than in the paper"
    )
    assert "3 epochs (paper: 60); 64 px (paper: 224); on Some CPU" in view.remarks[0]
    assert "widths x0.25 (paper: x1)" in view.remarks[1]


def test_transfers_of_one_seed_stand_apart_with_whose_weights_they_began_with(make_run):
    folders = [
        str(make_run("f", setting="frozen", names=("xception",), origin=origin))
        for origin in ("runs/a", "runs/b")
    ]
    _, _, view = table_views(open_sets(folders))

    assert [row[1] for row in rows_of(view) if row[0].startswith("xception")] == [
        "pcb, frozen, n=1",
        "pcb, frozen #2, n=1",
    ]
    for remark, run in zip(view.remarks, ("runs/a", "runs/b")):
        assert f": 1 run (seed 0), begun with the weights of {run}:0. Other than" in remark


def test_a_mean_over_different_sources_is_a_dash_with_its_reason(make_run):
    networks = ("xception-lite",)
    folders = [make_run("v", 0, names=networks), make_run("n", 1, names=networks, source="NVML")]
    _, view, _ = table_views(open_sets([str(folder) for folder in folders]))

    assert any("read from different sources (NVML; VmHWM)" in note for note in view.notes)


def test_json_has_place_unit_and_notes_of_every_cell_and_every_runs_figure(three_seeds):
    data = json.loads(tables_json(open_sets(three_seeds), [], []))

    cells = [cell for table in data["tables"] for cell in table["cells"]]
    assert len(cells) == 4 * 6 + 4 * 4 + 4 * 4
    assert len({cell["place"] for cell in cells}) == len(cells)
    assert all(cell["unit"] and cell["metric"] and cell["printed"] for cell in cells)
    (one,) = data["runs"]
    assert (one["set"], one["beside"], one["seeds"]) == (
        "pcb, scratch",
        "Table 2 (Not Pre-trained)",
        [0, 1, 2],
    )
    lite = next(row for row in one["rows"] if row["network"] == "xception-lite")
    assert lite["figures"]["epoch_time"] == {
        "mean": 11.0,
        "standard_deviation": 1.0,
        "n": 3,
        "unit": "s",
        "source": "mean wall time an epoch",
    }
    assert "checks" not in data


def test_csv_has_one_line_a_figure(three_seeds, write_log):
    log = [[0, 1.0, 0.9616, 0.5, 0.8479, 99.0, 9000, 523.88]]
    logs = load_logs(write_log("caltech101", "xception-lite", log))
    text = tables_csv(open_sets(three_seeds), check_cells(logs))

    rows = list(csv.DictReader(io.StringIO(text)))

    papers = [row for row in rows if row["of"] == "paper"]
    assert len(papers) == 56
    assert papers[1]["printed"] == "96.16%↓"
    assert (papers[1]["recomputed"], papers[1]["verdict"]) == ("96.16", "follows")
    assert papers[20]["verdict"] == "cannot be checked"
    lite = [r for r in rows if r["of"] == "pcb, scratch" and r["network"] == "xception-lite"]
    time = next(row for row in lite if row["metric"] == "epoch_time")
    assert [time[name] for name in ("value", "standard_deviation", "n", "unit")] == [
        "11",
        "1",
        "3",
        "s",
    ]


def test_the_logs_are_shown_with_the_verdict_on_every_cell(history):
    logs = load_logs(history)

    view, told = checks_view(check_cells(logs)), logs_view(logs)

    assert len(rows_of(view)) == 56
    assert len(view.blocks) == 12
    assert rows_of(view)[9] == (
        "Table 1",
        "Xception (Original)",
        "Avg Mem. per Epoch",
        "874.6MB",
        "884.374",
        "does not follow",
    )
    assert len(rows_of(told)) == 15
    assert rows_of(told)[1][:5] == (
        "caltech101/xception.csv",
        "60",
        "97.12%",
        "40.00%",
        "45.73% in 59",
    )


@pytest.mark.parametrize("width", [40, 80, 160])
def test_tables_can_be_printed_at_any_width(three_seeds, width):
    for view in table_views(open_sets(three_seeds)):
        text = printed(view, width)

        assert max(len(line) for line in text.splitlines()) <= width
        if width == 160:
            assert "…" not in text
            for row in rows_of(view):
                assert all(word in text for cell in row for word in cell.split())


def test_markup_of_rich_in_a_name_is_printed_as_it_is():
    view = View("[red]t[/nonsense]", ("[b]",), "l", ((("[/]",),),), ("[bold]",))
    assert all(text in printed(view) for text in ("[red]t[/nonsense]", "[b]", "[/]", "[bold]"))


def test_markdown_is_a_table_with_its_notes_under_it():
    lines = markdown_view(EXAMPLE).splitlines()

    assert lines == [
        "**A \\& B\\_1 ¹**",
        "",
        "| Model | Of | 100% | none |",
        "| --- | --- | ---: | ---: |",
        "| a\\|b | paper | 96.16%↓ ¹² | – |",
        "| c | x | 1 ± 2 | – |",
        "| d | y | – | – |",
        "",
        "¹ a note",
        "",
        "² another",
        "",
        "a remark: \\$5 \\{x\\}",
    ]


def test_latex_escapes_what_it_would_read_as_commands():
    text = latex_view(EXAMPLE)

    assert r"\caption{A \& B\_1 \textsuperscript{1}}" in text
    assert r"\begin{tabular}{llrr}" in text
    assert r"a$|$b & paper & 96.16\%$\downarrow$ \textsuperscript{12} & -- \\" in text
    assert r"c & x & 1 $\pm$ 2 & -- \\" in text
    assert r"a remark: \$5 \{x\}" in text
    assert text.count(r"\hline") == 4
    # Nothing is left that plain LaTeX could not print.
    for view in table_views([]):
        assert re.findall(r"[^\x00-\x7f]", latex_view(view)) == []


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX")
@pytest.mark.slow
def test_latex_can_be_typeset(tmp_path):
    body = "".join(latex_view(view) for view in [EXAMPLE, *table_views([])])
    source = f"\\documentclass{{article}}\\begin{{document}}{body}\\end{{document}}"
    (tmp_path / "t.tex").write_text(source, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_columns_of_dashes_are_left_out():
    assert EXAMPLE.without_empty_columns().heads == ("Model", "Of", "100%")
    assert EXAMPLE.without_empty_columns().sides == "llr"


def test_a_footnote_that_comes_again_keeps_its_number():
    notes = Footnotes()

    marked = [notes.mark("x", ["a"]), notes.mark("y", ["b", "a"]), notes.mark("z", [])]

    assert marked == ["x ¹", "y ² ¹", "z"]
    assert notes.texts == ("a", "b")
