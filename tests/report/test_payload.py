"""The data inside the page: safe as markup, compact, and complete for the script."""

import json
import re
import subprocess
import sys
import time
from dataclasses import replace

from nas_edge import Architecture, write_report
from nas_edge.report.html import render_report
from nas_edge.report.layers import layers_of
from nas_edge.report.payload import MAX_EPOCHS, curves_of, safe_json
from nas_edge.space.references import reference_architecture
from nas_edge.study.records import TrialRecord


def data_of(page):
    (text,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', page, flags=re.DOTALL
    )
    return json.loads(text)


def test_json_inside_a_page_cannot_end_its_element():
    nasty = {"</script><script>alert(1)</script>": "<!--&]]>\u2028"}
    text = safe_json(nasty)
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == nasty


def test_a_name_that_is_markup_stays_a_name(made_up_run, tmp_path):
    run = made_up_run(6, tmp_path)
    name = "</script><img src=x onerror=alert(1)>"
    records = (*run.records[:-1], replace(run.records[-1], reference=name))
    page = render_report(replace(run, records=records))
    assert "<img" not in page
    assert page.count("</script>") == 2
    assert data_of(page)["records"][-1]["name"] == name


def test_report_of_500_candidates_is_small_and_soon_there(made_up_run, tmp_path):
    run = made_up_run(500, tmp_path)
    started = time.perf_counter()
    path = write_report(run, tmp_path / "report.html")
    assert time.perf_counter() - started < 5
    assert path.stat().st_size < 6_000_000
    records = data_of(path.read_text("utf-8"))["records"]
    assert [record["number"] for record in records] == list(range(500))
    assert all(record["layers"] for record in records)


def test_a_long_history_is_thinned_and_keeps_its_first_and_last_epoch():
    history = [
        {"epoch": i, "val_accuracy": i / 1000, "peak_memory_bytes": i * 2**20}
        for i in range(1, 1001)
    ]
    curves = curves_of(history)
    assert set(curves) == {"epoch", "val_accuracy", "peak_memory_bytes"}
    assert {len(column) for column in curves.values()} <= {MAX_EPOCHS, MAX_EPOCHS + 1}
    assert (curves["epoch"][0], curves["epoch"][-1]) == (1, 1000)
    assert curves["peak_memory_bytes"][-1] == 1000


def test_what_is_no_number_in_a_history_is_a_gap():
    curves = curves_of([{"val_accuracy": float("nan")}, {"val_accuracy": 0.5}])
    assert curves == {"val_accuracy": [None, 0.5], "epoch": [1, 2]}
    assert curves_of([]) == {}


def test_drawing_data_of_the_papers_configuration():
    # The authors' code: eight middle blocks that squeeze 512 to 256, a 3x3 exit residual.
    drawn = layers_of(reference_architecture("xception-lite"))
    assert drawn["stem"] == [[32, 3, 2], [64, 3, 1]]
    assert [block["times"] for block in drawn["blocks"]] == [1, 1, 1, 8, 1]
    assert drawn["blocks"][0]["convs"] == [[128, 1, False], [128, 3, False]]
    assert drawn["blocks"][3]["convs"] == [[256, 1, True], [512, 1, False], [512, 3, False]]
    assert [block["residual"] for block in drawn["blocks"]] == [1, 1, 1, None, 3]
    assert drawn["tail"] == [[1536, 3, False], [2048, 3, False]]


def test_python_command_builds_the_very_network(made_up_run, tmp_path):
    run = made_up_run(5, tmp_path)
    record = data_of(render_report(run))["records"][-1]
    (python,) = [text for name, text in record["commands"] if "Python" in name]
    scope = {}
    exec(python, scope)
    assert scope["network"] == Architecture.from_dict(run.records[-1].point)


def test_commands_quote_the_folder(made_up_run, tmp_path):
    run = made_up_run(4, tmp_path / "it's; rm")
    record: TrialRecord = run.records[0]
    commands = data_of(render_report(run))["records"][record.number]["commands"]
    command = dict(map(tuple, commands))["layer by layer"].replace("nas-edge show", "printf %s")
    said = subprocess.run(["sh", "-c", command], check=True, stdout=subprocess.PIPE).stdout
    assert said.decode() == f"{tmp_path}/it's; rm:0"


def test_rendering_imports_neither_plotly_nor_torch(repository):
    code = "import sys, nas_edge.report.html; print({'torch', 'plotly'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE)
    assert done.stdout.decode().strip() == "set()"
