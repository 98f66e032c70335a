"""What is said after a study, by how it ended."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from nas_edge import Measurement
from nas_edge.candidate.infeasible import over_limit
from nas_edge.candidate.measurement import CRASHED, DIVERGED, HUNG
from nas_edge.cli.main import main
from nas_edge.cli.next_steps import (
    INTERRUPTED,
    REPRODUCTION,
    Ending,
    next_steps,
    summary_lines,
    what_came,
)
from nas_edge.study.budget import ALL, ELSEWHERE, EXHAUSTED, TIME_BUDGET

OBJECTIVES = ("val_accuracy", "peak_memory")
MIB = 2**20


def fine(a, b):
    return Measurement.of(val_accuracy=0.5 + 0.01 * a, peak_memory=MIB * (1.0 + a + b))


def too_large(a, b):
    need = MIB * (5 + a + b)
    return over_limit({}, "much", need, "made up", 4 * MIB)


def ending(records, why=ALL, **more):
    return Ending(why, Path("runs/x"), tuple(records), OBJECTIVES, **more)


def commands(of):
    return [step.do for step in next_steps(of)]


@pytest.fixture
def finished(made_up_records):
    return made_up_records(fine)


def test_a_finished_search_names_the_winner_and_where_to_look(finished):
    found = ending(finished, named=7)
    lines = summary_lines(found)
    assert "the paper's configuration (xception-lite)" in lines[0]
    assert lines[1] == "next:"
    assert commands(found) == [
        "nas-edge show runs/x:7",
        "nas-edge finalize runs/x",
        "nas-edge dashboard runs/x",
        "the same command with --trials 40",
    ]
    assert len(lines) <= 6


def test_the_ending_says_how_sure_its_sentence_is(finished):
    found = ending(finished, named=7, sentence="Trial 7 is fine.", certainty="Over 2 seeds.")
    assert summary_lines(found)[:3] == ["Trial 7 is fine.", "Over 2 seeds.", "next:"]
    assert "Over 2 seeds." not in summary_lines(replace(found, kind=REPRODUCTION))


def test_a_narrow_terminal_breaks_lines_between_words_and_leaves_commands_whole(finished):
    found = ending(finished, named=7, sentence="Trial 7 is as accurate as the paper's, with less.")
    lines = summary_lines(found, 40)
    assert lines[0] == "Trial 7 is as accurate as the paper's,"
    assert "  nas-edge finalize runs/x" in lines
    assert "      the front from new seeds, on test" in lines
    assert all(len(line) <= 40 or line.strip().startswith("nas-edge") for line in lines)


def test_without_a_winner_the_most_accurate_of_the_front_is_shown(finished):
    best = max(finished, key=lambda r: (r.value("val_accuracy"), -r.value("peak_memory")))
    assert commands(ending(finished))[0] == f"nas-edge show runs/x:{best.number}"


@pytest.mark.parametrize(
    ("why", "last"),
    [
        (TIME_BUDGET, "the same command with a longer --time-budget"),
        (EXHAUSTED, "a wider search space and another --out"),
        (ELSEWHERE, "nas-edge front runs/x"),
    ],
)
def test_what_goes_on_depends_on_why_it_ended(finished, why, last):
    assert commands(ending(finished, why))[-1] == last


def test_an_interrupted_study_goes_on_with_the_same_command(finished):
    assert commands(ending(finished, INTERRUPTED)) == [
        "the same command",
        "nas-edge front runs/x",
        "nas-edge report runs/x",
    ]
    assert commands(ending([], INTERRUPTED)) == ["the same command"]


def test_a_limit_that_refused_everything_is_named_with_the_least_need(made_up_records):
    records = made_up_records(too_large, trials=8)
    found = ending(records, memory_limit_bytes=4 * MIB)
    needs = {record.point["a"] + record.point["b"]: record.name for record in records}
    least = min(needs)
    sentence = what_came(found)
    assert sentence.startswith("None of 8 candidates finished: all need more memory than the limit")
    assert f"4.0 MiB; the least is {5 + least:.1f} MiB, for {needs[least]}" in sentence
    assert commands(found)[0] == "the same command with a larger --memory-limit"


@pytest.mark.parametrize(
    ("outcome", "helps"),
    [(DIVERGED, "learning_rate"), (HUNG, "limits.silence"), (CRASHED, "nas-edge doctor")],
)
def test_candidates_that_all_failed_are_told_with_the_last_reason(
    made_up_records, outcome, helps, tmp_path
):
    records = made_up_records(
        lambda a, b: Measurement(outcome=outcome, reason="so it was"), trials=2
    )
    log = tmp_path / "candidates" / f"{records[-1].number:04d}" / "log.txt"
    found = replace(ending(records), folder=tmp_path)
    assert (
        what_came(found)
        == f"None of 2 candidates finished; {records[-1].name} {outcome}: so it was."
    )
    assert helps in "\n".join(summary_lines(found))
    assert "log.txt" not in "\n".join(summary_lines(found))  # another worker's folder has it
    log.parent.mkdir(parents=True)
    log.write_text("so it was")
    assert str(log) in "\n".join(summary_lines(found))


def test_a_shell_takes_every_command_as_it_stands(finished):
    folder = Path("my runs; echo $HOME")
    steps = next_steps(replace(ending(finished, named=7), folder=folder))
    plain = [step.to_dict() for step in steps]
    assert shlex.split(plain[0]["command"]) == ["nas-edge", "show", f"{folder}:7"]
    assert plain[-1] == {
        "do": "the same command with --trials 40",
        "command": None,
        "gives": "searches on",
    }


def test_a_reproduction_points_at_the_papers_tables(finished):
    found = ending(finished, kind=REPRODUCTION)
    assert commands(found)[:2] == ["nas-edge paper tables runs/x", "nas-edge paper figures runs/x"]
    assert summary_lines(found)[0] == "next:"


def test_every_command_that_is_named_exists(finished, made_up_records):
    endings = [ending(finished, why) for why in (ALL, TIME_BUDGET, ELSEWHERE, INTERRUPTED)]
    endings.append(ending(finished, kind=REPRODUCTION))
    named = {c for one in endings for c in commands(one) if c.startswith("nas-edge ")}
    assert len(named) >= 6
    for command in named:
        words = command.split()[1:]
        found = main.commands[words[0]]
        if hasattr(found, "commands"):
            assert words[1] in found.commands
