"""How a study stands, as lines for a terminal of any width and height.

Enters: a `Standing`. Leaves: a frame that rich draws. The front is laid out again only when it or
the terminal changed, so that a frame costs a fraction of a millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Sequence, Tuple

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.text import Text

from nas_edge.candidate.measurement import FAILED, FINISHED, INFEASIBLE
from nas_edge.cli.front_lines import Marks, front_lines
from nas_edge.cli.standing import (
    Standing,
    Training,
    share_of_candidate,
    share_of_study,
    time_left_s,
)
from nas_edge.config.units import format_bytes, format_seconds
from nas_edge.report.rows import outcome_counts

MARGIN = 3  # cells on the right: what the terminal echoes of Ctrl-C must not begin a new line
NAME_CELLS = 24
BAR_CELLS = (6, 40)  # the least that says anything, and enough


@dataclass(frozen=True)
class Frame:
    """What is drawn at once; two that look the same are equal."""

    head: Tuple[Text, ...]
    front: Tuple[List[Segment], ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the head's lines, then the front's, which are laid out already."""
        yield from self.head
        for line in self.front:
            yield from line
            yield Segment.line()


@dataclass(frozen=True)
class Bar:
    """What a bar is about, where it stands in words, and from 0 to 1."""

    name: str
    text: str
    share: float


class View:
    """Makes frames that fit a console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._front: Tuple[Any, Tuple[List[Segment], ...]] = (None, ())

    def frame(self, standing: Standing, now_s: float) -> Frame:
        """Return what a terminal of the present size shows of a study."""
        width = max(self._console.width - MARGIN, 1)
        # One row less than there are: a full screen would scroll.
        height = max(self._console.height - 1, 1)
        marks = Marks.of(is_ascii=self._console.options.ascii_only)
        head = head_lines(standing, now_s, width, marks)[:height]
        return Frame(tuple(head), self._front_of(standing, width, height - len(head), marks))

    def _front_of(
        self, standing: Standing, width: int, height: int, marks: Marks
    ) -> Tuple[List[Segment], ...]:
        key = (len(standing.records), standing.records[-1:], width, height)
        if self._front[0] != key:
            lines = front_lines(standing, width, height, marks)
            options = self._console.options.update(width=width, height=None)
            drawn = [self._console.render_lines(one, options, pad=False) for one in lines]
            self._front = (key, tuple(line for part in drawn for line in part))
        return self._front[1]


def head_lines(standing: Standing, now_s: float, width: int, marks: Marks) -> List[Text]:
    """Return the lines above the front: the study, its candidate, its figures, the outcomes."""
    if not standing.study:
        return [_line(standing.note or "starting", marks)]
    training = standing.training
    bars = [Bar(standing.study, _study_text(standing, now_s), share_of_study(standing))]
    if training is not None:
        text = _candidate_text(standing, training)
        bars.append(Bar(training.name, text, share_of_candidate(standing)))
    lines = _bar_lines(bars, width, marks)
    if training is not None:
        lines.append(_line(_figures(standing, training), marks))
    if standing.records:
        lines.append(_counts(standing, marks))
    return lines


def _study_text(standing: Standing, now_s: float) -> str:
    training = standing.training
    if training is None:
        return f"{len(standing.records)}/{standing.trials}" if standing.trials else "starting"
    left = time_left_s(standing, now_s)
    tail = "" if left is None else f", about {format_seconds(left)} left"
    return f"{training.position}/{standing.trials}{tail}"


def _candidate_text(standing: Standing, training: Training) -> str:
    if training.phase != "training":
        return training.phase
    return f"epoch {min(training.epoch + 1, standing.epochs)}/{standing.epochs}"


def _figures(standing: Standing, training: Training) -> str:
    """Return memory and accuracy so far, what matters most first."""
    parts = []
    if training.peak_bytes is not None:
        limit = standing.memory_limit_bytes
        of = "" if limit is None else f" of {format_bytes(limit)}"
        parts.append(f"memory {format_bytes(training.peak_bytes)}{of}")
    if training.val_accuracy is not None:
        parts.append(f"val accuracy {100 * training.val_accuracy:.1f}%")
    if training.loss is not None:
        parts.append(f"loss {training.loss:.3f}")
    if training.training_bytes is not None:
        parts.append(f"{format_bytes(training.training_bytes)} in training")
    return ", ".join(parts)


def _counts(standing: Standing, marks: Marks) -> Text:
    """Return how many candidates ended in which way, the kinds of failure apart."""
    line = _line(f"{len(standing.records)} measured: ", marks)
    for place, (outcome, count) in enumerate(outcome_counts(standing.records).items()):
        line.append(", " if place else "")
        line.append(f"{count} {outcome.replace('_', ' ')}", _style(outcome))
    return line


def _style(outcome: str) -> str:
    if outcome == FINISHED:
        return "green"
    return "yellow" if outcome in INFEASIBLE else "red" if outcome in FAILED else ""


def _bar_lines(bars: Sequence[Bar], width: int, marks: Marks) -> List[Text]:
    """Return names, bars of one length where that leaves each enough, and where they stand."""
    name_cells = min(max(cell_len(bar.name) for bar in bars), NAME_CELLS)
    rooms = [min(width - name_cells - len(bar.text) - 2, BAR_CELLS[1]) for bar in bars]
    if min(rooms) >= BAR_CELLS[0]:
        rooms = [min(rooms)] * len(rooms)
    lines = []
    for bar, room in zip(bars, rooms):
        name = Text(bar.name, "bold")
        name.truncate(name_cells, overflow=marks.overflow, pad=True)
        line = _line("", marks).append_text(name).append(" ")
        if room >= BAR_CELLS[0]:
            done = round(bar.share * room)
            line.append(marks.done * done, "cyan").append(marks.rest * (room - done), "dim")
            line.append(" ")
        lines.append(line.append(bar.text))
    return lines


def _line(text: str, marks: Marks) -> Text:
    return Text(text, no_wrap=True, overflow=marks.overflow)
