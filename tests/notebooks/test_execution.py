"""Every notebook from top to bottom in a real kernel, as a reader runs it, and what it shows."""

import os
import re
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.notebook

ROOT = Path(__file__).resolve().parents[2]
CELL_LIMIT_S = 600  # what hangs ends here
PLOTLY = "application/vnd.plotly.v1+json"


class Executed:
    """A notebook after its execution: outputs by the ids of its cells."""

    def __init__(self, notebook, folder):
        self.folder = folder
        self.outputs = {
            cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"
        }

    def texts(self, cell):
        """What a cell printed."""
        return "".join(o.text for o in self.outputs[cell] if o.output_type == "stream")

    def data(self, cell, kind):
        """What a cell displayed in one form, joined."""
        shown = [o.data for o in self.outputs[cell] if "data" in o]
        return [one[kind] for one in shown if kind in one]

    def table(self, cell):
        """The HTML of a cell's table."""
        (html,) = self.data(cell, "text/html")
        return html


@pytest.fixture(scope="module")
def run_notebook(tmp_path_factory):
    """Return what executes a notebook in a copy, once a module."""
    import nbformat
    from nbclient import NotebookClient

    home = tmp_path_factory.mktemp("home")
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    # Agg, which the other tests ask for, would show nothing in a notebook.
    environment = {key: value for key, value in os.environ.items() if key != "MPLBACKEND"}
    environment.update(PYTHONPATH=path, IPYTHONDIR=str(home))
    done = {}

    def execute(name):
        if name not in done:
            folder = tmp_path_factory.mktemp(name)
            copy = shutil.copy(str(ROOT / "notebooks" / f"{name}.ipynb"), str(folder))
            notebook = nbformat.read(copy, as_version=4)
            nbformat.validate(notebook)
            resources = {"metadata": {"path": str(folder)}}
            client = NotebookClient(notebook, timeout=CELL_LIMIT_S, resources=resources)
            client.execute(env=environment)
            done[name] = Executed(notebook, folder)
        return done[name]

    return execute


@pytest.fixture(
    scope="module",
    params=[
        "01_first_study",
        "02_reproduce_the_paper",
        "03_explore_the_front",
        "04_your_own_space_and_data",
    ],
)
def executed(request, run_notebook):
    return run_notebook(request.param)


def test_nothing_is_warned_of(executed):
    streams = [o for outputs in executed.outputs.values() for o in outputs if "name" in o]
    assert [o.text for o in streams if o.name == "stderr"] == []


def test_every_plot_can_be_drawn(executed):
    figures = [
        output.data[PLOTLY]
        for outputs in executed.outputs.values()
        for output in outputs
        if "data" in output and PLOTLY in output.data
    ]
    plots = [cell for cell in executed.outputs if executed.data(cell, PLOTLY)]
    assert len(figures) == len(plots)
    for figure in figures:
        assert figure["data"]
        assert figure["layout"]["title"]["text"]


def test_the_first_study_ends_with_front_verdict_and_report(run_notebook):
    shown = run_notebook("01_first_study")

    assert shown.texts("load-space").endswith("networks\n")
    assert "middle1-8" in shown.texts("show-reference")
    assert shown.texts("run-study").count("val accuracy ") == 10
    for column in ("val_accuracy", "peak_memory_mib", "against_paper"):
        assert f"<th>{column}</th>" in shown.table("show-front-table")
    for name in ("xception x0.25", "xception-lite x0.25", "xception-lite-text x0.25"):
        assert f"<td>{name}</td>" in shown.table("show-front-table")
    (front,) = shown.data("show-front", PLOTLY)
    assert {"on the front", "handcrafted"} <= {trace.get("name") for trace in front["data"]}
    assert "paper's configuration" in shown.texts("show-verdict")
    assert "validation images" in shown.texts("show-verdict")
    assert "runs/first-study/report.html" in shown.table("show-report")
    assert (shown.folder / "runs" / "first-study" / "report.html").is_file()
    assert shown.data("show-images", "image/png")


def test_the_paper_stands_beside_the_trial_with_what_differs(run_notebook):
    shown = run_notebook("02_reproduce_the_paper")

    # Cells of the paper's tables 1 and 2, and its memory as what it is.
    for cell in ("847.9", "76.21", "15.8"):
        assert f"<td>{cell}</td>" in shown.table("show-table-1")
    assert "<td>865.8</td>" in shown.table("show-comparison")
    assert "<td>0.8479</td>" in shown.table("show-memory-cells")
    assert "fraction of the board" in shown.texts("show-memory-cells")
    differences = shown.texts("show-differences")
    for phrase in ("3 epochs (paper: 60)", "48 px (paper: 224)", "synthetic images"):
        assert phrase in differences
    assert "MiB" in shown.table("show-memory-measured")
    # 15,834,933 of 21,068,429 parameters.
    assert "<td>0.751595</td>" in shown.table("show-cost")
    assert "97.20%" in shown.table("show-notes")


def test_the_explored_front_ends_with_a_network_that_classifies(run_notebook):
    shown = run_notebook("03_explore_the_front")

    for cell in ("show-front", "show-hypervolume", "show-importance", "show-memory"):
        assert len(shown.data(cell, PLOTLY)) == 1
    assert re.search(
        r"<td>(High|Low) Accuracy, (High|Low) Memory</td>", shown.table("show-quadrants")
    )
    assert "hypervolume: " in shown.texts("show-pareto")
    assert "middle1-8" in shown.texts("show-chosen")
    again, measured = re.findall(r"0\.\d{4}", shown.texts("load-classifier"))
    assert again == measured
    assert "board_classifier.pt" in shown.texts("save-and-predict")
    assert "<td>runs/some_images/0_normal.png</td>" in shown.table("save-and-predict")
    error = float(re.search(r"error ([\d.]+)%", shown.texts("show-estimate")).group(1))
    assert error < 10


def test_own_images_are_audited_and_the_limit_is_kept(run_notebook):
    shown = run_notebook("04_your_own_space_and_data")

    audited = shown.table("audit")
    assert "also_normal.png" in audited
    assert "damaged.png" in audited
    assert "72 networks" in shown.texts("write-space")
    outcomes = shown.table("show-outcomes")
    assert "<td>finished</td>" in outcomes
    assert "<td>over_limit</td>" in outcomes
    assert len(shown.data("show-front", PLOTLY)) == 1
    found, there, tried, known = map(int, re.findall(r"\d+", shown.texts("mark-search")))
    assert 0 < found <= there
    assert (tried, known) == (24, 48)
