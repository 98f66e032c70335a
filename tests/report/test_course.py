"""The timeline, the outcomes and the commands, against what can be counted by hand."""

import shlex
from pathlib import Path

import pytest

from nas_edge import Measurement, Metric
from nas_edge.candidate.measurement import DIVERGED, OVER_LIMIT
from nas_edge.report.choices import differences
from nas_edge.report.course import outcome_rows, steps
from nas_edge.report.facts import commands_of, facts_of
from nas_edge.report.growth import growth_svg
from nas_edge.space.references import reference_architecture
from nas_edge.study.records import TrialRecord
from nas_edge.study.run import Run
from nas_edge.study.run_folder import RunFolder

OBJECTIVES = ("size", "heat")


def record(number, wall_s, size=None, heat=None, outcome=DIVERGED, reason="NaN", point=None):
    if size is None:
        measured = Measurement(outcome, reason, wall_s=wall_s)
    else:
        metrics = {"size": Metric(size, "", "given"), "heat": Metric(heat, "", "given")}
        measured = Measurement(metrics=metrics, wall_s=wall_s)
    return TrialRecord(number, str(number), point, None, measured)


def test_steps_follow_each_other_on_the_candidates_clock():
    records = [record(0, 5, 1, 3), record(1, 2), record(2, 3, 3, 1)]
    found = steps(records, OBJECTIVES)
    assert [(step.start_s, step.end_s) for step in found] == [(0, 5), (5, 7), (7, 10)]
    shares = [step.share for step in found]
    assert shares[0] == shares[1] < shares[2] == 1.0  # a failed one leaves the front as it was


def test_outcomes_with_their_reasons_and_time():
    records = [
        record(0, 5, 1, 1),
        record(1, 2, reason="loss became NaN"),
        record(2, 3, reason="loss became NaN"),
        record(3, 1, outcome=OVER_LIMIT, reason="needs more"),
    ]
    rows = outcome_rows(records)
    assert [(row.outcome, row.count, row.wall_s) for row in rows] == [
        ("diverged", 2, 5),
        ("finished", 1, 5),
        ("over limit", 1, 1),
    ]
    assert rows[0].reasons == (("loss became NaN", 2),)


def test_timeline_escapes_names_and_is_left_out_without_time():
    one = TrialRecord(0, "k", None, "<b>&", record(0, 5, 1, 1).measurement)
    svg = growth_svg(steps([one], OBJECTIVES))
    assert "&lt;b&gt;&amp;: finished, 5 s" in svg
    assert growth_svg(steps([record(0, 0.0, 1, 1)], OBJECTIVES)) == ""
    assert growth_svg([]) == ""


def test_difference_to_the_papers_configuration():
    # The text's entry flow has fire modules with a squeeze of one half; nothing else differs.
    paper = reference_architecture("xception-lite").to_dict()
    text = reference_architecture("xception-lite-text").to_dict()
    found = differences(record(0, 1, point=text), record(1, 1, point=paper))
    assert found == [("entry.squeeze", "0.5", "1.0")]


@pytest.mark.parametrize("point", [{"baseline": "mobilenetv2"}, "text", ["list"], None, {}])
def test_another_template_has_no_difference_to_list(point):
    paper = reference_architecture("xception-lite").to_dict()
    assert differences(record(0, 1, point=point), record(1, 1, point=paper)) == []


def run_of(folder, identity):
    records = (record(0, 1, 1, 1, point={"baseline": "squeezenet"}),)
    records = tuple(TrialRecord(0, "k", r.point, "squeezenet", r.measurement) for r in records)
    return Run(RunFolder(folder, "study", "worker", None), OBJECTIVES, identity, records)


def test_command_of_a_reproduction_is_one_that_the_command_line_takes(tmp_path):
    from nas_edge.cli.main import main

    identity = {
        "seed": 3,
        "recipe": {"epochs": 2, "image_size": 48},
        "reproduce": {"task": "pcb", "setting": "scratch", "recipe": "fixed"},
    }
    name, command = commands_of(run_of(tmp_path, identity))[0]
    assert name == "the networks once more"
    program, subcommand, *rest = shlex.split(command)
    assert (program, subcommand) == ("nas-edge", "reproduce")
    context = main.commands["reproduce"].make_context("reproduce", rest)
    assert context.params["networks"] == ("squeezenet",)
    assert context.params["seed"] == 3
    assert (context.params["epochs"], context.params["image_size"]) == (2, 48)
    assert (context.params["task"], context.params["recipe"]) == ("pcb", "fixed")


def test_command_of_a_study_names_its_file(tmp_path):
    folder = Path(tmp_path) / "with blank"
    folder.mkdir()
    (folder / "study.yaml").write_text("")
    _, command = commands_of(run_of(folder, {}))[0]
    assert shlex.split(command)[:3] == ["nas-edge", "run", str(folder / "study.yaml")]


def test_facts_of_a_run_by_the_library_alone(tmp_path):
    facts = dict(facts_of(run_of(tmp_path, {})))
    assert facts["candidates"] == "1 finished"
    assert facts["seed"] == "–"
