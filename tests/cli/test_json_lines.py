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
def outputs(make_workplace, tmp_path_factory):
    """A real study, interrupted in its second candidate, gone on with, and asked for again."""
    place = make_workplace(tmp_path_factory.mktemp("json"))
    place.write(  # steps enough for a sign of life
        data={"source": "synthetic-pcb", "synthetic": {"train": 64, "val": 16, "test": 8}},
        recipe={"epochs": 2, "batch_size": 2, "image_size": 24},
        trials=2,
    )
    process = place.start("run", "tiny.yaml", "--json")
    lines = []
    while sum('"event": "probed"' in line for line in lines) < 2:
        lines.append(process.stdout.readline())
        assert lines[-1], process.stderr.read()
    os.killpg(process.pid, signal.SIGINT)
    rest, err = process.communicate(timeout=60)
    interrupted = (process.returncode, "".join(lines) + rest, err)
    return {
        "interrupted": interrupted,
        "finished": place.call("run", "tiny.yaml", "--json"),
        "quiet": place.call("run", "tiny.yaml", "--json", "--quiet"),
    }


def documented(repository):
    """Return the keys of each event in the documentation's table."""
    text = (repository / "docs" / "terminal.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|(.*)\|$", text, flags=re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", keys)) - WORDS for name, keys in rows}


def keys_of(event):
    """Return an event's keys, with those of the rows, figures and steps in it."""
    inner = [*event.get("rows", []), *event.get("metrics", {}).values(), *event.get("next", [])]
    return {*event, *(key for one in inner for key in one)} - {"event", "time"}


def test_the_documented_events_and_keys_are_those_of_a_real_study(outputs, repository):
    told = documented(repository)
    events = [event for code, out, err in outputs.values() for event in parse(out)]
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
    last = events[-1]
    assert keys_of(last) == told["end"]


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
    assert err == "nas-edge: interrupted\n"
    assert (end["event"], end["why"], end["report"]) == ("end", "interrupted", None)
    assert (end["candidates"], end["outcomes"]) == (1, {"finished": 1})
    assert [row["number"] for row in end["front"]] == [0]
    assert end["next"][0]["command"] == "the same command"


def test_a_finished_study_ends_with_the_front_that_the_front_command_shows(outputs):
    code, out, err = outputs["finished"]
    events = parse(out)
    assert (code, err) == (0, "")
    assert [e["event"] for e in events].count("end") == 1
    end = events[-1]
    assert (end["event"], end["why"], end["exit_code"]) == ("end", "all", 0)
    assert (end["study"], end["run"], end["report"]) == (
        "tiny",
        "runs/tiny",
        "runs/tiny/report.html",
    )
    assert (end["candidates"], end["outcomes"]) == (2, {"finished": 2})
    fronts = [event for event in events if event["event"] == "front"]
    assert fronts[0]["rows"][0]["number"] == 0  # of the sitting before this
    last = {row["number"]: row["values"] for row in fronts[-1]["rows"]}
    assert last == {row["number"]: row["values"] for row in end["front"]}
    for row in end["front"]:
        metrics = row["metrics"]
        assert row["values"] == {name: metrics[name]["value"] for name in end["objectives"]}


def test_quiet_leaves_the_end_alone(outputs):
    code, out, err = outputs["quiet"]
    (end,) = parse(out)
    assert (code, err) == (0, "")
    assert (end["event"], end["why"], end["candidates"]) == ("end", "all", 2)


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
