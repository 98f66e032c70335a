"""`--json`: every line of a real process parsed, and held against the documented table."""

import io
import json
import math
import os
import re
import signal

import pytest
from in_process import call

from nas_edge.candidate.measurement import OUTCOMES
from nas_edge.cli.audience import ERROR, Machine
from nas_edge.cli.json_lines import JsonLines, finite
from nas_edge.cli.next_steps import INTERRUPTED
from nas_edge.study import budget

WORDS = {*OUTCOMES, "dominates", "equal", "dominated", "incomparable"}


def parse(text):
    """Return the events of a whole output; NaN and Infinity are no JSON."""

    def refuse(word):
        raise ValueError(f"{word} in the output")

    assert text.endswith("\n")
    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


@pytest.fixture(scope="module")
def outputs(copy_of_finished):
    """A real study: interrupted in its fifth candidate, gone on with, and asked for again."""
    place = copy_of_finished()
    command = ("run", "tiny.yaml", "--json", "--trials")
    process = place.start(*command, 5)
    lines = []
    while sum('"event": "probed"' in line for line in lines) < 2:
        lines.append(process.stdout.readline())
        assert lines[-1], process.stderr.read()
    os.killpg(process.pid, signal.SIGINT)
    rest, err = process.communicate(timeout=60)
    return {
        "interrupted": (process.returncode, "".join(lines) + rest, err),
        "spent": place.call(*command, 6, "--time-budget", "1s"),
        "quiet": place.call(*command, 5, "--quiet"),
    }


def a_step(monkeypatch):
    """Return what a child's training sends of a step; the tiny study's epochs are over too soon."""
    from nas_edge.candidate import child

    monkeypatch.setattr(child, "SIGN_EVERY_S", 0.0)
    sent, written = [], []
    child._step_reporter(sent.append, lambda: None)(1, 2, 3)
    JsonLines(written.append)({**sent[0], "number": 0})
    return parse(written[0] + "\n")[0]


def documented(repository):
    """Return the keys of each event in the documentation's table."""
    text = (repository / "docs" / "terminal.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|(.*)\|$", text, flags=re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", keys)) - WORDS for name, keys in rows}


def keys_of(event):
    """Return an event's keys, with those of the rows, figures and steps in it."""
    inner = [*event.get("rows", []), *event.get("metrics", {}).values(), *event.get("next", [])]
    inner += [event["pruning"]] if "pruning" in event else []
    return {*event, *(key for one in inner for key in one)} - {"event", "time", *WORDS}


def test_the_documented_events_and_keys_are_those_of_a_real_study(outputs, repository, monkeypatch):
    told = documented(repository)
    events = [event for code, out, err in outputs.values() for event in parse(out)]
    events.insert(0, a_step(monkeypatch))
    assert {event["event"] for event in events} == set(told)
    for event in events:
        keys, there = told[event["event"]], keys_of(event)
        if event["event"] == "epoch":
            assert keys <= there
            assert all(re.search(r"_(bytes|j|w|c|share|fraction|s)$", key) for key in there - keys)
        elif event["event"] in ("measured", "end"):  # one that failed has no figures or steps
            assert there <= keys
        else:
            assert there == keys
    (end,) = parse(outputs["quiet"][1])
    assert keys_of(end) == told["end"]


def test_the_documented_reasons_to_end_are_all_there_are(repository):
    text = (repository / "docs" / "terminal.md").read_text(encoding="utf-8")
    paragraph = text[text.index("`why` is ") :].partition("\n\n")[0]
    words = set(re.findall(r"`(\w+)`", paragraph)) - {"why", "text"}
    ends = {budget.ALL, budget.TIME_BUDGET, budget.EXHAUSTED, budget.ELSEWHERE}
    assert words == {*ends, INTERRUPTED, ERROR}


def test_an_interrupted_study_ends_with_what_it_has(outputs):
    code, out, err = outputs["interrupted"]
    *_, end = parse(out)
    assert code == end["exit_code"] == 130, (end, err)
    assert "nas-edge: interrupted\n" in err
    assert (end["event"], end["why"], end["report"]) == ("end", "interrupted", None)
    assert (end["candidates"], end["outcomes"]) == (4, {"finished": 4})
    assert end["front"]
    assert end["next"][0]["do"] == "the same command"
    assert end["next"][0]["command"] is None


def test_a_study_ends_with_the_front_of_which_every_change_was_told(outputs):
    code, out, err = outputs["spent"]
    events = parse(out)
    kinds = [event["event"] for event in events]
    assert (code, err) == (0, "")
    assert kinds.count("end") == 1
    end = events[-1]
    assert (end["study"], end["run"], end["report"]) == (
        "tiny",
        "runs/tiny",
        "runs/tiny/report.html",
    )
    assert (end["exit_code"], end["candidates"], end["outcomes"]) == (0, 5, {"finished": 5})
    assert kinds.index("front") < kinds.index("candidate")  # of the sittings before
    fronts = [event for event in events if event["event"] == "front"]
    last = {row["number"]: row["values"] for row in fronts[-1]["rows"]}
    assert last == {row["number"]: row["values"] for row in end["front"]}
    for row in end["front"]:
        metrics = row["metrics"]
        assert row["values"] == {name: metrics[name]["value"] for name in end["objectives"]}


def test_a_time_budget_that_is_used_up_is_the_reason_to_end(outputs):
    code, out, err = outputs["spent"]
    note, left, end = parse(out)[-3:]
    assert (code, err) == (0, "")
    assert (note["event"], end["event"], end["why"]) == ("note", "end", "time_budget")
    assert note["text"] == end["text"]
    assert left["text"].startswith("time budget: nothing is left for nas-edge finalize")
    assert end["text"].startswith("no further candidate fits into the time budget")
    assert end["next"][-1]["do"] == "the same command with a longer --time-budget"


def test_quiet_leaves_the_end_alone(outputs):
    code, out, err = outputs["quiet"]
    (end,) = parse(out)
    assert (code, err) == (0, "")
    assert (end["event"], end["why"], end["candidates"]) == ("end", "all", 5)


@pytest.mark.parametrize("command", [("run", "nosuch"), ("reproduce", "vgg")], ids=" ".join)
def test_an_error_is_an_event_and_a_line_on_stderr_with_its_exit_code(command):
    result = call(*command, "--json")
    (end,) = parse(result.stdout)
    assert result.exit_code == end["exit_code"] == 2
    assert (end["event"], end["why"], end["run"], end["front"]) == ("end", "error", None, [])
    assert result.stderr == f"nas-edge: error: {end['text']}\n"


def test_numbers_that_json_has_not_become_null():
    event = {"event": "epoch", "loss": math.nan, "more": [math.inf, {"x": -math.inf, "y": 1.5}]}
    written = []
    JsonLines(written.append)(event)
    (line,) = parse(written[0] + "\n")
    assert (line["loss"], line["more"]) == (None, [None, {"x": None, "y": 1.5}])
    assert finite((1, 2.5, "a", None, True)) == [1, 2.5, "a", None, True]


def test_an_interrupt_that_ended_the_reader_too_is_told_as_an_interrupt(monkeypatch, tmp_path):
    """In a pipeline Ctrl-C reaches both ends."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", buffering=1) as broken:
        monkeypatch.setattr("sys.stdout", broken)
        Machine(quiet=False).interrupted()
        assert isinstance(broken, io.TextIOWrapper)
        broken.write("nobody reads this, and nothing is raised\n")
