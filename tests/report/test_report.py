"""Front tables and the HTML report, against fronts worked out by hand."""

import csv
import io
import json
import os
from html.parser import HTMLParser

import pytest

from nas_edge import Measurement, open_run, run_study, write_report
from nas_edge.candidate.measurement import OVER_LIMIT
from nas_edge.errors import ConfigError
from nas_edge.report.html import render_report, verdict
from nas_edge.report.rows import front_rows
from nas_edge.report.tables import front_csv, front_json, front_table

OBJECTIVES = ("val_accuracy", "peak_memory")
MIB = 2**20
# name or point: accuracy, MiB. By hand: "small" and "best" are on the front with "xception".
RESULTS = {
    "xception": (0.90, 40),
    "xception-lite": (0.80, 30),
    "small": (0.60, 10),
    "best": (0.85, 20),
    "bad": (0.55, 15),
    "none": None,
}
NAMES = list(RESULTS)


class Listed:
    """Points are the names above."""

    references = {"xception": "xception", "xception-lite": "xception-lite"}  # noqa: RUF012
    searched = {"name": tuple(NAMES)}  # noqa: RUF012

    def suggest(self, trial):
        return trial.suggest_categorical("name", NAMES)

    def contains(self, point):
        return point in NAMES

    def key(self, point):
        return point

    def parameters(self, point):
        return {"name": point}


def evaluate(point, results=None):
    result = (results or RESULTS)[point]
    if result is None:
        return Measurement(
            outcome=OVER_LIMIT,
            reason="needs <script>alert(1)</script> more",
            details={"needs_bytes": 90 * MIB, "violation": 0.5},
        )
    return Measurement.of(val_accuracy=result[0], peak_memory=result[1] * MIB)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "<b>run&co"
    run_study(Listed(), evaluate, trials=6, out=folder, sampler="grid")
    return open_run(folder)


def place(run, name):
    return next(r.number for r in run.records if r.point == name)


def test_rows_are_the_front_and_every_reference(run):
    rows = front_rows(run.records, OBJECTIVES)

    assert [(row.record.point, row.is_on_front, row.relation) for row in rows] == [
        ("small", True, "incomparable"),
        ("best", True, "dominates"),
        ("xception-lite", False, "equal"),
        ("xception", True, "incomparable"),
    ]


def test_json_has_unit_and_source_of_every_figure(run):
    rows = front_rows(run.records, OBJECTIVES)

    data = json.loads(front_json(rows, {"objectives": list(OBJECTIVES)}))

    assert data["objectives"] == ["val_accuracy", "peak_memory"]
    assert [row["on_front"] for row in data["rows"]] == [True, True, False, True]
    assert data["rows"][1]["metrics"] == {
        "val_accuracy": {"value": 0.85, "unit": "share", "source": "given"},
        "peak_memory": {"value": 20.0 * MIB, "unit": "bytes", "source": "given"},
    }
    assert data["rows"][2]["reference"] == "xception-lite"


def test_csv_has_a_row_each_and_units_in_its_head(run):
    text = front_csv(front_rows(run.records, OBJECTIVES), OBJECTIVES)

    rows = list(csv.reader(io.StringIO(text)))

    assert rows[0][5:] == ["val_accuracy (share)", "peak_memory (bytes)"]
    assert rows[2] == [
        str(place(run, "best")),
        f"trial {place(run, 'best')}",
        "True",
        "dominates",
        "finished",
        "0.85",
        str(20 * MIB),
    ]
    assert len(rows) == 5


@pytest.mark.parametrize("width", [40, 80, 160])
def test_table_can_be_printed_at_any_width(run, width):
    from rich.console import Console

    table = front_table(front_rows(run.records, OBJECTIVES), OBJECTIVES, "[red]title[/nonsense]")
    out = io.StringIO()
    Console(file=out, width=width).print(table)

    assert max(len(line) for line in out.getvalue().splitlines()) <= width
    if width == 160:
        (line,) = [one for one in out.getvalue().splitlines() if "85.0%" in one]
        assert "●" in line
        assert "20.0 MiB" in line
        assert "+5.0 points val accuracy, -33% peak training memory" in line
        assert "[red]title[/nonsense]" in out.getvalue()


class Loads(HTMLParser):
    """Collects what a page loads, and the text outside of scripts."""

    def __init__(self):
        super().__init__()
        self.loads, self.text, self.tags, self._inside = [], [], [], ""

    def handle_starttag(self, tag, attrs):
        self._inside = tag
        self.tags.append(tag)
        self.loads += [value for name, value in attrs if name in ("src", "href", "srcset", "data")]

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside not in ("script", "style"):
            self.text.append(data)


def parse(html):
    parser = Loads()
    parser.feed(html)
    return parser


def test_report_is_one_file_that_loads_nothing(run, tmp_path):
    path = write_report(run, tmp_path / "new" / "report.html")

    html = path.read_text(encoding="utf-8")
    assert len(html.encode()) < 6_000_000
    assert [one for one in parse(html).loads if not one.startswith("#")] == []
    assert "default-src 'none'" in html
    assert "@import" not in html.split("<script")[0]


def test_report_escapes_what_comes_from_names_and_reasons(run):
    html = render_report(run)
    parser = parse(html)

    assert "<script>alert(1)" not in html
    assert "b" not in parser.tags
    text = " ".join(parser.text)
    assert "<b>run&co" in text
    assert "needs <script>alert(1)</script> more" in text


def test_report_shows_every_candidate_and_the_verdict(run):
    text = " ".join(parse(render_report(run)).text)

    best = place(run, "best")
    assert (
        f"Trial {best} beats the paper's configuration (xception-lite): "
        "val accuracy 85.0% against 80.0% (+5.0 points), "
        "peak training memory 20.0 MiB against 30.0 MiB (-33%)."
    ) in text
    assert "Each network was trained once, from one seed" in text
    for record in run.records:
        assert record.name in text
    assert "over limit" in text


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({}, "val accuracy 85.0% against 80.0% (+5.0 points)"),
        ({"bad": (0.95, 5)}, "val accuracy 95.0% against 80.0% (+15.0 points)"),
        ({"bad": (0.95, 5)}, "; 1 other does, too."),
        ({"best": (0.8, 20)}, "val accuracy the same 80.0%, peak training memory 20.0 MiB"),
        # Of 12.5% less accuracy, 25% less and 33% more memory, the first loses least.
        (
            {"best": (0.7, 20)},
            "No candidate beats the paper's configuration (xception-lite) on every axis; "
            "what comes nearest is",
        ),
        ({"best": (0.7, 20)}, "-10.0 points val accuracy, -33% peak training memory."),
        ({"xception-lite": None}, "The paper's configuration (xception-lite) has no figures"),
    ],
)
def test_verdict_says_what_beats_the_paper(tmp_path, changed, sentence):
    results = {**RESULTS, **changed}
    records = run_study(
        Listed(), lambda p: evaluate(p, results), trials=6, out=tmp_path / "run", sampler="grid"
    )

    assert sentence in verdict(records, OBJECTIVES)


def test_report_of_a_run_without_candidates_can_be_written(tmp_path):
    def interrupt(point):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(Listed(), interrupt, out=tmp_path / "run")
    run = open_run(tmp_path / "run")

    text = " ".join(parse(write_report(run).read_text(encoding="utf-8")).text)

    assert "The paper's configuration is not among the candidates" in text
    assert front_rows(run.records, run.objectives) == []


def test_report_is_written_where_a_link_leads_and_never_over_a_pipe(tmp_path):
    run_study(Listed(), evaluate, trials=3, out=tmp_path / "run", sampler="grid")
    run = open_run(tmp_path / "run")
    (tmp_path / "link.html").symlink_to(tmp_path / "target.html")
    write_report(run, tmp_path / "link.html")
    assert (tmp_path / "link.html").is_symlink()
    assert "<html" in (tmp_path / "target.html").read_text("utf-8")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="must be a file or new"):
        write_report(run, tmp_path / "pipe")
    assert not (tmp_path / "pipe").is_file()


class Trained(Listed):
    """The same names, each with the training that was chosen for it."""

    def to_json(self, point):
        training = {"precision": "bf16" if point == "best" else "fp32", "micro_batch": None}
        return {"flow": {"widths": [1, 2]}, "train": training}

    def fingerprint(self):
        return {"name": NAMES, "train.precision": ["fp32", "bf16"], "train.micro_batch": [None]}


def test_report_and_table_tell_the_training_where_it_was_searched(tmp_path):
    from rich.console import Console

    identity = {"recipe": {"precision": "fp32"}}
    run_study(
        Trained(), evaluate, trials=6, out=tmp_path / "run", sampler="grid", identity=identity
    )
    run = open_run(tmp_path / "run")
    rows = front_rows(run.records, OBJECTIVES)

    text = " ".join(parse(render_report(run)).text)
    number = next(r.number for r in run.records if r.point["train"]["precision"] == "bf16")
    assert f"trial {number} (bf16, whole batch)" in text
    assert "flow: widths 1-2; train: precision bf16, micro_batch none" in text
    assert "precision fp32 or bf16; micro_batch none" in text
    out = io.StringIO()
    Console(file=out, width=160).print(front_table(rows, OBJECTIVES, "title"))
    (line,) = [one for one in out.getvalue().splitlines() if "85.0%" in one]
    assert "bf16, whole batch" in line
    data = json.loads(front_json(rows, {}))
    assert {row["point"]["train"]["precision"] for row in data["rows"]} == {"fp32", "bf16"}


def test_a_table_without_searched_training_has_no_column_for_it(run):
    table = front_table(front_rows(run.records, OBJECTIVES), OBJECTIVES, "title")
    assert "training" not in [str(column.header) for column in table.columns]


def test_report_takes_the_studys_accuracy_frontier(tmp_path):
    run_study(Listed(), evaluate, trials=3, out=tmp_path / "run", sampler="grid")
    (tmp_path / "run" / "study.yaml").write_text("accuracy_frontier: 0.42\n")
    assert "accuracy frontier at 42%" in write_report(open_run(tmp_path / "run")).read_text("utf-8")


def test_report_of_other_objectives_speaks_of_no_quadrants(tmp_path):
    def measure(point):
        return Measurement.of(params=NAMES.index(point), macs=-NAMES.index(point))

    run_study(Listed(), measure, objectives=("params", "macs"), trials=3, out=tmp_path / "run")
    page = parse(write_report(open_run(tmp_path / "run")).read_text("utf-8"))
    assert "quadrants" not in " ".join(page.text)


def test_report_of_three_objectives_none_of_them_ours(tmp_path):
    def measure(point):
        index = NAMES.index(point)
        return Measurement.of(size=index, noise=-index, heat=0)

    objectives = ("size", "noise", "heat")
    run_study(Listed(), measure, objectives=objectives, trials=4, out=tmp_path / "run")
    run = open_run(tmp_path / "run")

    assert "noise" in " ".join(parse(render_report(run)).text)
    assert len(run.front()) == 4


def test_report_that_cannot_be_written_is_one_line(run, tmp_path):
    from nas_edge.errors import EnvironmentProblem

    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        write_report(run, tmp_path / "file" / "report.html")
