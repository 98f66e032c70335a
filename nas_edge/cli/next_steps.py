"""What to do after a study, by how it ended: a sentence or two, and the commands that go on."""

from __future__ import annotations

import shlex
import textwrap
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from nas_edge.candidate.measurement import DIVERGED, FAILED, HUNG
from nas_edge.config.units import format_bytes
from nas_edge.report.finalists import Finalists
from nas_edge.report.rows import paper_record
from nas_edge.report.verdict import verdict
from nas_edge.study.budget import ELSEWHERE, EXHAUSTED, TIME_BUDGET
from nas_edge.study.records import TrialRecord, front_of

INTERRUPTED = "interrupted"
# What a command trains.
SEARCH, REPRODUCTION, FINALISTS = "search", "reproduction", "finalists"
SAME = "the same command"


@dataclass(frozen=True)
class Step:
    """A command, or how to change the last one, or a file to read; and what it gives."""

    do: str
    gives: str

    def to_dict(self) -> Dict[str, Optional[str]]:
        """Return plain data; ``command`` is what a shell takes, None where ``do`` is none."""
        command = self.do if self.do.startswith("nas-edge ") else None
        return {"do": self.do, "command": command, "gives": self.gives}


DOCTOR = Step("nas-edge doctor", "whether this machine is in order")


@dataclass(frozen=True)
class Ending:
    """How a study ended.

    ``why`` is one of `nas_edge.study.budget`'s or `INTERRUPTED`; ``named`` the candidate that the
    report names first, ``sentence`` what it says of it, and ``certainty`` how sure that is.
    ``records`` are what the command trained, ``finalists`` what came of the run's by now;
    ``folder`` is the run's.
    """

    why: str
    folder: Path
    records: Sequence[TrialRecord]
    objectives: Sequence[str]
    memory_limit_bytes: Optional[int] = None
    named: Optional[int] = None
    sentence: Optional[str] = None
    certainty: str = ""
    kind: str = SEARCH
    finalists: Optional[Finalists] = None

    @property
    def trials_folder(self) -> Path:
        """Where the trials that the command trained lie."""
        return self.folder / "finalists" if self.kind == FINALISTS else self.folder

    @property
    def has_finished(self) -> bool:
        """Whether any candidate has all its figures."""
        return any(record.measurement.is_finished for record in self.records)


def what_came(ending: Ending) -> str:
    """Return the sentence that matters first, or "" where the tables say it all."""
    if not ending.has_finished:
        return _nothing_finished(ending)
    if ending.kind == FINALISTS:
        return ending.sentence or ""
    if ending.kind == REPRODUCTION or paper_record(ending.records) is None:
        return ""
    return ending.sentence or verdict(ending.records, ending.objectives)


def how_sure(ending: Ending) -> str:
    """Return what the sentence rests on, or ""."""
    return ending.certainty if ending.sentence and what_came(ending) == ending.sentence else ""


def next_steps(ending: Ending) -> List[Step]:
    """Return what is worth doing next, the nearest first."""
    run = shlex.quote(str(ending.folder))
    if ending.why == INTERRUPTED:
        looks = [
            Step(f"nas-edge front {run}", "the front by now"),
            Step(f"nas-edge report {run}", "one page about what is there"),
        ]
        return [Step(SAME, "goes on where it was"), *(looks if ending.has_finished else [])]
    if not ending.has_finished:
        return _mendings(ending, run)
    return [
        *_looks(ending, run),
        *([] if ending.kind == FINALISTS else [_dashboard(run)]),
        *_last_log(ending),
        *_going_on(ending, run),
    ]


def summary_lines(ending: Ending, width: Optional[int] = None) -> List[str]:
    """Return the summary as lines for people, broken between words to a width (None: not)."""
    steps = next_steps(ending)
    texts = [text for text in (what_came(ending), how_sure(ending)) if text]
    lines = [line for text in texts for line in _broken(text, width, "")]
    return [*lines, *(["next:"] if steps else []), *step_lines(steps, width)]


def step_lines(steps: Sequence[Step], width: Optional[int]) -> List[str]:
    """Return steps in two columns; where that is too wide, what each gives below it."""
    cells = max((len(step.do) for step in steps), default=0)
    rows = [f"  {step.do.ljust(cells)}   {step.gives}" for step in steps]
    if width is None or max(map(len, rows), default=0) <= width:
        return rows
    # A command is left whole, so that it can be copied.
    return [
        line for step in steps for line in (f"  {step.do}", *_broken(step.gives, width, " " * 6))
    ]


def _broken(text: str, width: Optional[int], indent: str) -> List[str]:
    if width is None:
        return [text]
    return textwrap.wrap(
        text,
        max(width, 20),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _looks(ending: Ending, run: str) -> List[Step]:
    if ending.kind == REPRODUCTION:
        return [
            Step(f"nas-edge paper tables {run}", "beside Tables 1 and 2"),
            Step(f"nas-edge paper figures {run}", "beside Figures 3 and 4"),
        ]
    number = ending.named
    if ending.kind == FINALISTS:
        looks = [] if number is None else [_show(run, number)]
        if ending.finalists is not None and ending.finalists.are_repeats:
            looks.append(
                Step(f"nas-edge front {run} --confidence 0.9", "the front, seeds considered")
            )
        return looks
    if number is None:
        number = front_of(ending.records, ending.objectives)[-1].number
    finalize = Step(f"nas-edge finalize {run}", "the front from new seeds, on test images")
    return [_show(run, number), finalize]


def _show(run: str, number: int) -> Step:
    return Step(f"nas-edge show {run}:{number}", "that network layer by layer")


def _last_log(ending: Ending) -> List[Step]:
    """Return where the last candidate that failed here left its words, if one did."""
    for record in reversed(ending.records):
        log = ending.trials_folder / "candidates" / f"{record.number:04d}" / "log.txt"
        if record.measurement.outcome in FAILED and log.is_file():
            return [Step(str(log), f"the log of {record.name}, {_outcome(record)}")]
    return []


def _dashboard(run: str) -> Step:
    needs = "" if find_spec("optuna_dashboard") else '; needs pip install "nas-edge[dashboard]"'
    return Step(f"nas-edge dashboard {run}", f"every candidate in the browser{needs}")


def _going_on(ending: Ending, run: str) -> List[Step]:
    if ending.kind == FINALISTS:
        rows = () if ending.finalists is None else ending.finalists.rows
        more = max((len(row.seeds) for row in rows), default=1) + 2
        return [Step(f"{SAME} with --seeds {more}", "narrower intervals")]
    if ending.kind == REPRODUCTION:
        return [Step(f"{SAME} with another network", "adds it to these")]
    if ending.why == TIME_BUDGET:
        return [Step(f"{SAME} with a longer --time-budget", "searches on")]
    if ending.why == ELSEWHERE:
        return [Step(f"nas-edge front {run}", "again, when the other workers are done")]
    if ending.why == EXHAUSTED:
        return [Step("a wider search space and another --out", "has points to try")]
    return [Step(f"{SAME} with --trials {2 * len(ending.records)}", "searches on")]


def _nothing_finished(ending: Ending) -> str:
    """Say why no candidate finished, as far as all share a reason."""
    records = ending.records
    if not records:
        return "No candidate was trained."
    who = f"None of {len(records)} candidates finished"
    if len(records) == 1:
        who = "The one candidate did not finish"
    if not all(record.measurement.is_infeasible for record in records):
        last = records[-1]
        return f"{who}; {last.name} {_outcome(last)}: {last.measurement.reason}."
    least = _least_need(records)
    limit = ending.memory_limit_bytes
    than = "this machine has" if limit is None else f"the limit of {format_bytes(limit)}"
    needs = "" if least is None else f"; the least is {least[0]}, for {least[1].name}"
    return f"{who}: all need more memory than {than}{needs}."


def _least_need(records: Sequence[TrialRecord]) -> Optional[Tuple[str, TrialRecord]]:
    """Return what the smallest needs, and which that is; None where only "more" is known."""
    known = [
        (record.measurement.details["needs_bytes"], record.number, record)
        for record in records
        if "needs_bytes" in record.measurement.details
    ]
    if not known:
        return None
    size, _, record = min(known, key=lambda one: one[:2])
    return format_bytes(size), record


def _mendings(ending: Ending, run: str) -> List[Step]:
    """Return what may help where nothing finished. Other settings make another study: --out."""
    if not ending.records:
        return _going_on(ending, run)
    if ending.kind == FINALISTS:
        return [*_last_log(ending), Step("the folder removed", "trains them anew"), DOCTOR]
    if ending.kind == REPRODUCTION:
        smaller = Step(f"{SAME} with a smaller --image-size", "and another --out")
        return [*_last_log(ending), smaller, DOCTOR]
    last = ending.records[-1].number
    if all(record.measurement.is_infeasible for record in ending.records):
        steps = [
            Step("in the study file", "a smaller recipe.batch_size, micro_batch or image_size"),
            Step(f"nas-edge estimate {run}:{last}", "memory by part"),
        ]
        limit = Step(f"{SAME} with a larger --memory-limit", "and another --out")
        return steps if ending.memory_limit_bytes is None else [limit, *steps]
    kinds = {record.measurement.outcome for record in ending.records}
    steps = _last_log(ending)
    if DIVERGED in kinds:
        steps.append(Step("in the study file", "a lower recipe.learning_rate; then another --out"))
    if HUNG in kinds:
        steps.append(Step("in the study file", "a longer limits.candidate_time or limits.silence"))
    return [*steps, DOCTOR]


def _outcome(record: TrialRecord) -> str:
    return record.measurement.outcome.replace("_", " ")
