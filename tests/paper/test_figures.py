"""Figures 3 and 4: what they show, where their names stand, and the files that they become."""

from html.parser import HTMLParser
from itertools import combinations

import pytest
from PIL import Image

from nas_edge import open_run
from nas_edge.errors import ConfigError, EnvironmentProblem, StudyError
from nas_edge.paper.interactive import ACCURACY_TOP, epoch_figure, quadrant_figure
from nas_edge.paper.labels import label_sides
from nas_edge.paper.logs import load_logs
from nas_edge.paper.pages import write_figures
from nas_edge.paper.plots import (
    Point,
    QuadrantPlot,
    logged_epochs,
    published_quadrants,
    run_epochs,
    run_quadrants,
)
from nas_edge.paper.run_sets import open_sets, run_sets

LOG = [
    [0, 1.0, 0.25, 0.2, 0.80, 99.0, 9000, 500.0],
    [1, 1.0, 0.50, 0.4, 0.85, 99.0, 9000, 500.0],
]


def test_figure_4_of_the_published_numbers_is_as_the_paper_reads_it():
    """Section 5.1; the frontiers are midpoints of 823.0 and 874.6, of 849.4 and 893.6."""
    first, second = published_quadrants()

    assert (first.file, second.file) == ("figure4a", "figure4b")
    assert first.regions.memory_frontier == pytest.approx((823.0 + 874.6) / 2)
    assert second.regions.memory_frontier == pytest.approx((849.4 + 893.6) / 2)
    assert first.regions.accuracy_frontier == second.regions.accuracy_frontier == 0.7
    names = [point.name for point in first.points]
    assert dict(zip(names, first.regions.labels)) == {
        "Optimized Model": "High Accuracy, Low Memory",
        "Xception (Original)": "High Accuracy, High Memory",
        "EfficientNetV2B1": "Low Accuracy, Low Memory",
        "MobileNetV2": "Low Accuracy, Low Memory",
    }
    assert dict(zip(names, second.regions.labels)) == {
        "Optimized Model": "High Accuracy, Low Memory",
        "Xception (Original)": "High Accuracy, High Memory",
        "EfficientNetV2B1": "Low Accuracy, High Memory",
        "MobileNetV2": "Low Accuracy, Low Memory",
    }


def test_figure_4_of_runs_has_peak_memory_in_bytes_and_means_over_seeds(three_seeds):
    (one,) = open_sets(three_seeds)

    plot = run_quadrants(one)

    lite = next(point for point in plot.points if point.name == "xception-lite")
    assert lite.accuracy == pytest.approx(0.81)
    assert lite.accuracy_deviation == pytest.approx(0.01)
    assert (lite.memory, lite.memory_deviation) == (700, 0)
    assert plot.regions.memory_frontier == (150 + 900) / 2
    assert plot.memory_title == "peak training memory (MiB)"


def test_figure_3_of_runs_has_a_curve_a_run_and_one_name_a_network(three_seeds):
    (one,) = open_sets(three_seeds)

    plot = run_epochs(one)

    lite = [curve for curve in plot.curves if curve.name == "xception-lite"]
    assert [curve.is_first for curve in lite] == [True, False, False]
    assert lite[1].epochs == (1, 2, 3)
    assert lite[1].val_accuracy == pytest.approx((0.61, 0.71, 0.81))
    assert lite[0].memory == pytest.approx((700, 700, 700), abs=0.001)
    assert len({curve.colour for curve in plot.curves}) == 4


def test_figure_3_of_the_logs_is_one_a_task_and_setting(write_log):
    for folder in ("caltech101", "pcb_finetuned"):
        for network in ("xception", "mobilenet"):
            place = write_log(folder, network, LOG)

    first, second = logged_epochs(load_logs(place))

    assert first.title == "Figure 3, the authors' logs: Caltech-101, scratch"
    assert "not in the paper" in second.title
    assert [curve.name for curve in first.curves] == ["Xception (Original)", "MobileNetV2"]
    assert first.curves[0].memory == (0.80, 0.85)
    assert first.curves[0].train_accuracy == (0.25, 0.5)


def test_memories_of_different_sources_are_not_put_on_one_axis(make_run):
    networks = ("xception-lite",)
    folders = [make_run("v", 0, names=networks), make_run("n", 1, names=networks, source="NVML")]
    (one,) = run_sets([open_run(folder) for folder in folders])

    with pytest.raises(StudyError, match="cannot stand on one axis"):
        run_quadrants(one)


def boxes(plot, sides):
    """The names' places again, by the rule of a letter's size alone."""
    low, high = plot.memory_range
    for point, side in zip(plot.points, sides):
        x = 640 * (point.memory - low) / (high - low)
        y = 480 * point.accuracy / ACCURACY_TOP
        width, gap = 8 * len(point.name), 9
        if side in ("top", "bottom"):
            y += gap + 8.5 if side == "top" else -gap - 8.5
        else:
            x += (gap + width / 2) * (1 if side == "right" else -1)
        yield (x - width / 2, y - 8.5, x + width / 2, y + 8.5)


@pytest.mark.parametrize(
    "places",
    [
        [(0.8, 500), (0.8, 505)],
        [(0.98, 500), (0.985, 700), (0.2, 600)],
        [(0.71, 500), (0.7, 520), (0.69, 900)],
        [(0.02, 400), (0.03, 900), (0.5, 650)],
        [(0.6, 500)],
    ],
)
def test_names_cover_neither_each_other_nor_leave_the_picture(places):
    points = [Point(f"network-{i}", "#000", a, m) for i, (a, m) in enumerate(places)]
    plot = QuadrantPlot("f", "t", "m", tuple(points))

    found = list(boxes(plot, label_sides(plot, ACCURACY_TOP)))

    for one, other in combinations(found, 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart
    for left, bottom, right, top in found:
        assert left >= 0
        assert bottom >= 0
        assert right <= 640
        assert top <= 480


def test_the_published_names_stand_in_their_own_regions():
    for plot in published_quadrants():
        frontier, (low, high) = plot.regions.memory_frontier, plot.memory_range
        line = 640 * (frontier - low) / (high - low)
        for point, (left, _, right, _) in zip(
            plot.points, boxes(plot, label_sides(plot, ACCURACY_TOP))
        ):
            assert right <= line if point.memory <= frontier else left >= line


def test_plotly_gets_every_point_with_its_frontiers_and_escaped_names():
    points = (Point("<b>one", "#111111", 0.8, 500.0), Point("two", "#222222", 0.6, 700.0))

    figure = quadrant_figure(QuadrantPlot("f", "t", "m", points))

    assert [(trace.x[0], trace.y[0]) for trace in figure.data] == [(500.0, 0.8), (700.0, 0.6)]
    assert figure.data[0].text[0] == "&lt;b&gt;one"
    lines = {(shape.x0, shape.y0) for shape in figure.layout.shapes}
    assert {(0, 0.7), (600.0, 0)} == lines
    regions = {note.text for note in figure.layout.annotations}
    assert {"High Accuracy, Low Memory", "Low Accuracy, High Memory"} <= regions
    assert len(regions) == 4


def test_plotly_gets_three_curves_a_training(three_seeds):
    (one,) = open_sets(three_seeds)
    plot = run_epochs(one)

    figure = epoch_figure(plot)

    assert len(figure.data) == 3 * len(plot.curves) == 3 * 4 * 3
    assert sum(bool(trace.showlegend) for trace in figure.data) == 4


class Loads(HTMLParser):
    def __init__(self):
        super().__init__()
        self.loads = []

    def handle_starttag(self, tag, attrs):
        self.loads += [value for name, value in attrs if name in ("src", "href", "srcset", "data")]


def test_all_figures_are_one_page_that_loads_nothing_and_pictures(
    three_seeds, make_run, write_log, tmp_path
):
    place = write_log("pcb_scratch", "xception", LOG)
    sets = open_sets([*three_seeds, str(make_run("my own", task=None, names=("xception",)))])

    page, *pictures = write_figures(load_logs(place), sets, tmp_path / "new" / "out")

    assert [path.name for path in pictures] == [
        "figure4a.png",
        "figure4b.png",
        "figure3-logs-pcb_scratch.png",
        "figure3-runs-pcb-scratch.png",
        "figure4-runs-pcb-scratch.png",
        "figure3-runs-my-own.png",
        "figure4-runs-my-own.png",
    ]
    for path in pictures:
        with Image.open(path) as picture:
            assert min(picture.size) >= 400
            assert picture.convert("RGB").getpixel((2, 2)) == (255, 255, 255)
    html = page.read_text(encoding="utf-8")
    parser = Loads()
    parser.feed(html)
    assert [one for one in parser.loads if one] == []
    assert len(html.encode()) < 7_000_000
    assert html.count("<h2>") == 7
    assert "the memory frontier at 848.8" in " ".join(html.split())
    assert "3 epochs (paper: 60)" in html


def test_runs_without_both_figures_have_no_figure_4(make_run, tmp_path):
    from nas_edge import Measurement

    def counted(point):
        return Measurement.of(val_accuracy=0.5, peak_memory=1e6)

    sets = open_sets([str(make_run("bare", evaluate=counted))])

    assert run_quadrants(sets[0]) is None
    assert run_epochs(sets[0]) is None
    assert len(write_figures([], sets, tmp_path / "out")) == 3


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"--out .*file: must be a folder or new"):
        write_figures([], [], tmp_path / "file")
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        write_figures([], [], tmp_path / "file" / "out")
