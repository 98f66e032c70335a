"""The page in a real Chromium, without a window: what is drawn, and what clicks and keys do.

A copy of the page gets a script at its end that uses it as a person would and leaves what it saw in
the document; the browser prints the document and, on stderr, its console.
"""

import html
import json
import re
import subprocess
import time
from dataclasses import replace

import pytest

from nas_edge.report.choices import network_of
from nas_edge.report.html import render_report
from nas_edge.report.rows import front_rows, paper_record

pytestmark = pytest.mark.browser

DESKTOP, PHONE = (1280, 900), (390, 844)
START = """
const seen = {};
const all = (selector) => [...document.querySelectorAll(selector)];
const one = (selector) => document.querySelector(selector);
const text = (selector) => one(selector).innerText;
const press = (key) => document.activeElement.dispatchEvent(
  new KeyboardEvent("keydown", { key, bubbles: true }));
const set = (selector, value, event) => {
  one(selector).value = value;
  one(selector).dispatchEvent(new Event(event));
};
"""
END = "parent.postMessage(JSON.stringify(seen), '*');"
# A window is never narrower than 500 pixels; a frame in it may be as narrow as a phone.
FRAME = """<body style="margin:0"><pre id="seen"></pre><script>
const seen = document.getElementById("seen");
addEventListener("message", (event) => { seen.textContent = event.data; });
</script><iframe src="page.html" width="WIDTH" height="HEIGHT" style="border:0"></iframe></body>"""


@pytest.fixture
def visit(tmp_path, chromium_command):
    """Return the function that opens a page, runs a script in it, and returns what it saw."""

    def visit(page, script, size=DESKTOP, flags=()):
        probe = f"<script>{{{START}{script}{END}}}</script></body>"
        page = page.replace("</body>", probe)
        (tmp_path / "page.html").write_text(page, encoding="utf-8")
        frame = tmp_path / "frame.html"
        frame.write_text(FRAME.replace("WIDTH", str(size[0])).replace("HEIGHT", str(size[1])))
        command = [*chromium_command, "--enable-logging=stderr", *flags]
        command += [f"--user-data-dir={tmp_path / 'profile'}"]
        command += ["--window-size=1280,900", "--virtual-time-budget=2000", "--dump-dom"]
        done = subprocess.run([*command, frame.as_uri()], capture_output=True, timeout=120)
        console = [line for line in done.stderr.decode().splitlines() if ":CONSOLE" in line]
        found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout.decode(), re.DOTALL)
        return json.loads(html.unescape(found.group(1)) or "{}"), console

    return visit


def test_console_is_heard(visit):
    _, console = visit("<body></body>", "throw new Error('was thrown');")
    assert any("was thrown" in line for line in console)


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_page_fits_its_window_and_says_nothing_on_the_console(visit, made_up_run, tmp_path, size):
    run = made_up_run(60, tmp_path)
    long_name = replace(run.records[0], reference="a-name-without-a-blank-" * 10)
    run = replace(run, records=(long_name, *run.records[1:]))
    seen, console = visit(
        render_report(run),
        """
        seen.width = innerWidth;
        seen.page = document.documentElement.scrollWidth;
        seen.points = all(".point").length;
        seen.headings = all("h2").map((node) => node.innerText);
        seen.chart = one("#charts svg").getBoundingClientRect().width;
        """,
        size,
    )
    figures = [r for r in run.records if r.measurement.is_finished]
    unfit = [r for r in run.records if r.measurement.is_infeasible]
    assert console == []
    assert seen["width"] == size[0]
    assert seen["page"] <= size[0]
    assert seen["points"] == len(figures) + len(unfit)
    assert 250 < seen["chart"] <= size[0]
    assert "Every candidate" in seen["headings"]


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_a_handcrafted_networks_name_hides_no_point(visit, made_up_run, tmp_path, size):
    run = made_up_run(12, tmp_path)
    seen, _ = visit(
        render_report(run),
        """
        const boxOf = (node) => node.getBoundingClientRect();
        const meet = (a, b) => a.left < b.right && b.left < a.right
          && a.top < b.bottom && b.top < a.bottom;
        const names = all(".ref-name").map(boxOf);
        seen.names = names.length;
        const dots = all(".point .dot").map(boxOf);
        seen.covered = dots.filter((dot) => names.some((n) => meet(n, dot))).length;
        seen.overlaps = names.filter((a, i) => names.slice(i + 1).some((b) => meet(a, b))).length;
        seen.outside = names.filter((n) => n.right > boxOf(one("#charts svg")).right).length;
        """,
        size,
    )
    num_names = sum(record.reference is not None for record in run.records)
    assert seen == {"names": num_names, "covered": 0, "overlaps": 0, "outside": 0}


def test_click_and_keys_choose_a_candidate(visit, made_up_run, tmp_path):
    run = made_up_run(30, tmp_path)
    seen, console = visit(
        render_report(run),
        """
        seen.first = text("#details h3");
        const label = (node) => node.getAttribute("aria-label");
        const five = all(".point").find((node) => label(node).startsWith("trial 5:"));
        five.dispatchEvent(new MouseEvent("click", { bubbles: true }));
        seen.clicked = text("#details h3");
        seen.drawings = all("#details .flows svg").map(label);
        seen.curves = all("#details .curves svg").length;
        const heights = (node) => [...node.querySelectorAll(".residual")].map(
          (line) => line.getBBox().height);
        seen.residuals = all("#details .flows svg").map(heights);
        seen.difference = all("#details tbody tr").map((row) => row.innerText.split("\\t"));
        seen.commands = all("#details code").map((node) => node.innerText);
        seen.row = text("tr.chosen th").trim();
        seen.address = location.hash;
        seen.tabbable = all('.point[tabindex="0"]').length;
        one('.point[tabindex="0"]').focus();
        press("End");
        press("Enter");
        seen.last = text("#details h3");
        press("ArrowLeft");
        press(" ");
        seen.before = text("#details h3");
        """,
    )
    assert console == []
    record = run.records[5]
    assert (seen["clicked"], seen["row"], seen["address"]) == ("trial 5", "trial 5", "#run0-trial5")
    stem = record.point["stem"]["widths"]
    assert f"3×3 with {stem[0]} filters" in seen["drawings"][0]
    assert "8 times 1×1" in seen["drawings"][1] or "8 times 3×3" in seen["drawings"][1]
    assert [label.split(":")[0] for label in seen["drawings"]] == [
        "entry flow",
        "middle flow",
        "exit flow",
    ]
    plan = network_of(record).plan
    rows = [len(block.convs) + (block.stride > 1) for block in plan.blocks]  # a row is 24 high
    assert seen["residuals"][0] == [24 * number - 12 for number in rows[:3]]
    assert seen["curves"] == 2
    paper = paper_record(run.records)
    if record.point["stem"] != paper.point["stem"]:
        assert any(row[0].startswith("stem.") for row in seen["difference"])
    assert f"nas-edge show {tmp_path}:5" in seen["commands"]
    assert seen["tabbable"] == 1
    drawn = [
        (r.value("peak_memory") or r.measurement.details["needs_bytes"], r.name)
        for r in run.records
        if r.measurement.is_finished or r.measurement.is_infeasible
    ]
    assert [seen["last"], seen["before"]] == [name for _, name in sorted(drawn)[:-3:-1]]


def test_axes_table_filter_and_limit(visit, made_up_run, tmp_path):
    run = made_up_run(80, tmp_path)
    finished = [r for r in run.records if r.measurement.is_finished]
    limit = sorted(r.value("latency") for r in finished)[10] + 1e-6
    seen, console = visit(
        render_report(run),
        f"""
        set("#axis-x", "params", "change");
        seen.axes = one("#charts svg").getAttribute("aria-label");
        const name = (row) => row.cells[0].innerText.trim();
        const names = () => all("#table tbody tr").filter((row) => !row.hidden).map(name);
        const head = all("#table thead th").find((th) => th.innerText.trim() === "val accuracy");
        head.querySelector("button").click();
        seen.ascending = names();
        head.querySelector("button").click();
        seen.descending = names();
        seen.sort = head.getAttribute("aria-sort");
        set("#filter-kind", "front", "change");
        seen.front = names();
        set("#filter-kind", "", "change");
        set("#filter-text", "became nan", "input");
        seen.diverged = names();
        set("#limit-metric", "latency", "change");
        set("#limit-value", "{limit}", "input");
        seen.answer = text("#answer");
        set("#limit-value", "0.001", "input");
        seen.none = text("#answer");
        """,
    )
    assert console == []
    assert seen["axes"].startswith("val accuracy against parameters")
    ordered = [r.name for r in sorted(finished, key=lambda r: r.value("val_accuracy"))]
    assert seen["ascending"][: len(ordered)] == ordered
    assert seen["descending"][: len(ordered)] == ordered[::-1]
    assert seen["sort"] == "descending"
    rows = front_rows(run.records, run.objectives)
    assert set(seen["front"]) == {row.record.name for row in rows if row.is_on_front}
    diverged = {r.name for r in run.records if r.measurement.outcome == "diverged"}
    assert set(seen["diverged"]) == diverged
    best = max(
        (r for r in finished if r.value("latency") <= limit), key=lambda r: r.value("val_accuracy")
    )
    assert f" of inference latency take {best.name}: " in seen["answer"]
    least = min(finished, key=lambda r: r.value("latency"))
    assert seen["none"].startswith(f"None fits: the least is {least.name} ")


def test_page_of_500_candidates_is_ready_in_5_seconds(visit, made_up_run, tmp_path):
    page = render_report(made_up_run(500, tmp_path))
    started = time.perf_counter()
    visit("<body></body>", "")
    start_s = time.perf_counter() - started
    seen, console = visit(page, "seen.rows = all('#table tbody tr').length;")
    assert console == []
    assert seen["rows"] == 500
    assert time.perf_counter() - started - 2 * start_s < 5


def test_runs_that_do_not_compare_have_axes_of_their_own(visit, made_up_run, tmp_path):
    one = made_up_run(20, tmp_path / "one")
    other = made_up_run(20, tmp_path / "other", seed=1)
    strange = made_up_run(20, tmp_path / "strange", seed=2)
    strange.identity["data"]["identity"] = "other images"
    seen, console = visit(
        render_report([one, other, strange]),
        """
        seen.charts = all("#charts h3").map((node) => node.innerText);
        seen.bars = all(".error").length;
        """,
    )
    assert console == []
    assert len(seen["charts"]) == 2
    assert seen["charts"][0].startswith("made-up (one), made-up (other) – cpu made-up machine; ")
    assert seen["bars"] == 2 * 3  # two lines for each of the three references, trained twice


@pytest.mark.parametrize(("flags", "is_dark"), [([], False), (["preferredColorScheme=0"], True)])
def test_page_follows_light_and_dark(visit, made_up_run, tmp_path, flags, is_dark):
    seen, console = visit(
        render_report(made_up_run(5, tmp_path)),
        "seen.paper = getComputedStyle(document.body).backgroundColor;",
        flags=[f"--blink-settings={flag}" for flag in flags],
    )
    levels = [int(level) for level in re.findall(r"\d+", seen["paper"])]
    assert console == []
    assert (max(levels) < 60) == is_dark


def test_markup_in_names_stays_text(visit, tmp_path):
    from nas_edge import Measurement, open_run, run_study

    name = "<img src=x onerror=alert(1)></script><b>"

    class Named:
        def suggest(self, trial):
            return trial.suggest_categorical("name", [name, f"{name}2"])

        def contains(self, point):
            return True

        def key(self, point):
            return point

    out = tmp_path / "run"

    def measure(point):
        return Measurement.of(size=len(point), heat=-len(point))

    run_study(Named(), measure, objectives=("size", "heat"), trials=2, out=out)
    seen, console = visit(
        render_report(open_run(out)),
        """
        seen.images = all("img").length;
        seen.cells = all("#table td.wrap").map((cell) => cell.innerText);
        """,
    )
    assert console == []
    assert seen["images"] == 0
    assert set(seen["cells"]) == {name, f"{name}2"}
