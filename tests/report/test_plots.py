"""A run's plots for notebooks, against its records; the dashboard's tests see the figures too."""

import pytest

from nas_edge import plot_front, plot_hypervolume, plot_importance, plot_memory
from nas_edge.errors import StudyError
from nas_edge.pareto import hypervolume, reference_point_of
from nas_edge.report.learned import MIN_CANDIDATES, importances
from nas_edge.study.records import comparable, losses_of
from nas_edge.study.run import Run


@pytest.fixture(scope="module")
def run(made_up_run, tmp_path_factory):
    return made_up_run(40, tmp_path_factory.mktemp("made up"))


def first_of(run, count):
    return Run(run.folder, run.objectives, run.identity, run.records[:count])


def test_the_front_is_drawn_with_its_quadrants(run):
    figure = plot_front(run, accuracy_frontier=0.8)

    points = {trace.name: trace for trace in figure.data if trace.mode == "markers"}
    assert len(points["on the front"].x) == len(run.front())
    assert len(points["handcrafted"].x) == 3
    assert any(shape.y0 == shape.y1 == 0.8 for shape in figure.layout.shapes)
    assert figure.layout.title.text == "The front"


def test_the_last_hypervolume_is_the_whole(run):
    (line,) = plot_hypervolume(run).data

    finished = comparable(run.records, run.objectives)
    losses = losses_of(finished, run.objectives)
    corner = reference_point_of(losses)
    half = len(finished) // 2
    share = hypervolume(losses[:half], corner) / hypervolume(losses, corner)
    assert len(line.x) == len(finished)
    assert line.y[half - 1] == pytest.approx(share)
    assert line.y[-1] == pytest.approx(1.0)


def test_importance_is_that_of_the_report(run):
    figure = plot_importance(run)

    for i, bar in enumerate(figure.data):
        drawn = dict(zip(bar.y, bar.x))
        for one in importances(run.records, run.objectives)[:5]:
            assert drawn[one.choice] == one.shares[i]
    with pytest.raises(StudyError, match=rf"at least {MIN_CANDIDATES} finished candidates"):
        plot_importance(first_of(run, 5))


def test_memory_of_the_front_is_stacked_by_part(run):
    bars = {bar.name: bar for bar in plot_memory(run).data}

    front = run.front()
    assert list(bars["parameters"].x) == [record.name for record in front]
    assert list(bars["parameters"].y) == pytest.approx(
        [record.value("peak_memory") / 3 / 2**20 for record in front]
    )
    with pytest.raises(StudyError, match="no front with estimates"):
        plot_memory(first_of(run, 0))
