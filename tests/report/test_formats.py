"""Tables and pictures for a paper, read back by what reads such files."""

import csv
import io
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from PIL import Image

from nas_edge.errors import ConfigError
from nas_edge.report.formats import table_text, write_format
from nas_edge.report.rows import front_rows


@pytest.fixture
def run(made_up_run, tmp_path):
    return made_up_run(20, tmp_path / "run")


def named(run, name):
    return replace(run, folder=replace(run.folder, study_name=name))


def test_markdown_has_a_line_a_row_and_escapes_names(run):
    odd = replace(run.records[0], reference="a|b_c")
    text = table_text([replace(run, records=(odd, *run.records[1:]))], "md")
    rows = front_rows(run.records, run.objectives)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == len(rows) + 2
    assert any(line.startswith(r"| a\|b\_c |") for line in lines)
    assert {line.replace("\\|", "").count("|") for line in lines} == {lines[1].count("|")}
    assert "made-up machine" in text.splitlines()[-1]


def test_latex_is_balanced_and_escapes_what_would_be_a_command(run):
    odd = replace(run.records[0], reference=r"100% \input{x}_$")
    text = table_text([replace(run, records=(odd, *run.records[1:]))], "latex")
    assert r"100\% \textbackslash{}input\{x\}\_\$" in text
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    (columns,) = [line for line in text.splitlines() if line.startswith(r"\begin{tabular}")]
    width = len(columns[len(r"\begin{tabular}{") : -1])
    assert {line.replace(r"\&", "").count("&") for line in body} == {width - 1}


ODD_NAMES = ["[b]", "*c", "&amp;", "a\x00b\x1b[31m\x7f\x85c", "- d", "1. e", "\udcff"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_text_is_the_text_that_markdown_shows(run, name):
    markdown_it = pytest.importorskip("markdown_it")
    odd = replace(run, records=(replace(run.records[0], reference=name), *run.records[1:]))
    text = table_text([named(odd, name)], "md")
    shown = markdown_it.MarkdownIt().enable("table").render(text)
    root = ElementTree.fromstring(f"<page>{shown}</page>")
    plain = {"a\x00b\x1b[31m\x7f\x85c": "a b [31m c", "\udcff": "\ufffd"}.get(name, name)
    assert plain in ["".join(cell.itertext()) for cell in root.iter("td")]
    assert "".join(root.find("p").itertext()).startswith(f"{plain} on made-up machine")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_no_line_of_latex_is_an_argument_of_the_one_before(run, name):
    odd = replace(run, records=(replace(run.records[0], reference=name), *run.records[1:]))
    text = table_text([named(odd, name)], "latex")
    assert not [line for line in text.splitlines() if line.startswith(("[", "*"))]
    assert text.isprintable() or set(filter(lambda c: not c.isprintable(), text)) == {"\n"}
    text.encode()


def test_csv_of_several_runs_names_the_run_of_each_row(run, made_up_run, tmp_path):
    other = made_up_run(12, tmp_path / "other", seed=1)
    rows = list(csv.reader(io.StringIO(table_text([run, other], "csv"))))
    counts = [len(front_rows(one.records, one.objectives)) for one in (run, other)]
    assert rows[0][:2] == ["run", "number"]
    assert [row[0] for row in rows[1:]] == ["made-up (run)"] * counts[0] + [
        "made-up (other)"
    ] * counts[1]


def size_of(path):
    with Image.open(path) as image:
        return image.size


def test_png_is_a_picture_with_room_for_each_group(run, made_up_run, tmp_path):
    alone = size_of(write_format([run], "png", tmp_path / "a.png"))
    other = made_up_run(12, tmp_path / "other", seed=1)
    other = replace(other, identity={**other.identity, "data": {**run.identity["data"]}})
    data = {**run.identity["data"], "identity": "other images"}
    strange = replace(other, identity={**other.identity, "data": data})
    together = size_of(write_format([run, other], "png", tmp_path / "b.png"))
    apart = size_of(write_format([run, strange], "png", tmp_path / "c.png"))
    assert together == alone
    assert apart == (2 * alone[0], alone[1])


def test_svg_is_xml_whose_texts_are_texts_and_the_same_every_time(run, tmp_path):
    first = write_format([run], "svg", tmp_path / "a.svg").read_bytes()
    texts = "".join(ElementTree.fromstring(first).itertext())
    assert "xception-lite x0.25" in texts
    assert "peak training memory (MiB)" in texts
    assert write_format([run], "svg", tmp_path / "b.svg").read_bytes() == first


def test_a_name_with_a_formula_is_drawn_as_it_is(run, tmp_path):
    odd = replace(run.records[0], reference=r"$\frac{$")
    drawn = replace(run, records=(odd, *run.records[1:]))
    svg = write_format([drawn], "svg", tmp_path / "a.svg").read_text("utf-8")
    assert r"$\frac{$" in svg


def test_every_run_is_named_and_looks_like_no_other(run, tmp_path):
    names = ["_under", "_child0", r"a$\frac{$", *"defghijklm"]
    svg = write_format([named(run, name) for name in names], "svg", tmp_path / "a.svg")
    root = ElementTree.fromstring(svg.read_bytes())
    space = "{http://www.w3.org/2000/svg}"
    (legend,) = [node for node in root.iter(f"{space}g") if node.get("id") == "legend_1"]
    texts = ["".join(node.itertext()).strip() for node in legend.iter(f"{space}text")]
    shapes = {node.get("id"): node.get("d") for node in root.iter(f"{space}path")}
    marks = [
        (shapes[node.get("{http://www.w3.org/1999/xlink}href")[1:]], node.get("style"))
        for node in legend.iter(f"{space}use")
    ]
    assert texts[: len(names)] == names
    assert len(set(marks[: len(names)])) == len(names)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_picture_is_xml_whatever_names_hold(run, tmp_path, name):
    odd = replace(run, records=(replace(run.records[0], reference=name), *run.records[1:]))
    svg = write_format([named(odd, name), named(run, "b")], "svg", tmp_path / "a.svg")
    assert "peak training memory" in "".join(ElementTree.fromstring(svg.read_bytes()).itertext())


def test_a_name_sits_at_its_own_point(run, tmp_path):
    pictures = ElementTree.fromstring(write_format([run], "svg", tmp_path / "a.svg").read_bytes())
    places = {
        "".join(node.itertext()).strip(): float(node.get("x", "nan"))
        for node in pictures.iter("{http://www.w3.org/2000/svg}text")
    }
    by_memory = sorted(
        (r for r in run.records if r.reference), key=lambda r: r.value("peak_memory")
    )
    lefts = [places[record.reference] for record in by_memory]
    assert lefts == sorted(lefts)


def test_figures_of_other_objectives_do_not_stand_in_one_picture(run):
    other = replace(run, objectives=("val_accuracy", "latency"))
    with pytest.raises(ConfigError, match="its objectives must be those of"):
        write_format([run, other], "png")


def test_a_run_without_candidates_has_an_empty_table_and_picture(run, tmp_path):
    empty = replace(run, records=())
    assert table_text([empty], "md").count("\n|") == 1
    assert write_format([empty], "png", tmp_path / "a.png").stat().st_size > 0


def test_unknown_format_is_refused(run):
    with pytest.raises(ConfigError, match="must be one of md, latex, csv, png, svg"):
        write_format([run], "pdf")
