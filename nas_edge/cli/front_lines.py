"""The front so far as a few lines: references first of all, then an even choice of the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence

from rich.console import OverflowMethod
from rich.table import Table
from rich.text import Text

from nas_edge.cli.standing import Standing
from nas_edge.errors import StudyError
from nas_edge.pareto.compare import DOMINATED, DOMINATES, EQUAL, INCOMPARABLE
from nas_edge.report.rows import FrontRow, format_figure, front_rows, paper_record
from nas_edge.report.table_columns import HEADS

MAX_ROWS = 10
GAP = 2  # cells between two columns
NAME_CELLS = 8  # of a name at the least
RELATION_CELLS = 68  # from this width on there is room for how a row stands to the paper's
RELATIONS: Dict[Optional[str], str] = {
    DOMINATES: "better",
    EQUAL: "equal",
    INCOMPARABLE: "better and worse",
    DOMINATED: "worse",
    None: "",
}


@dataclass(frozen=True)
class Marks:
    """The signs that the view draws with."""

    on_front: str
    off_front: str
    paper: str
    done: str
    rest: str
    overflow: OverflowMethod

    @classmethod
    def of(cls, *, is_ascii: bool) -> Marks:
        """Return the signs that a terminal's encoding can show."""
        if is_ascii:
            return cls("*", "-", "P", "#", "-", "crop")
        return cls("●", "○", "★", "━", "─", "ellipsis")


def front_lines(standing: Standing, width: int, height: int, marks: Marks) -> List[Any]:
    """Return the front as what rich prints, in at most ``height`` lines; nothing where none fit."""
    try:
        rows = front_rows(standing.records, standing.objectives) if standing.objectives else []
    except StudyError as err:  # figures that do not compare: the study's own end says more
        return [Text(str(err), no_wrap=True, overflow=marks.overflow)][:height]
    room = min(height - 1, MAX_ROWS)  # the head
    if not rows or room < 1:
        return []
    shown = chosen(rows, room)
    lines: List[Any] = [_table(shown, rows, standing.objectives, width, marks)]
    if height >= len(shown) + 2:
        lines.append(Text(_caption(rows, shown, marks), "dim", no_wrap=True, overflow="crop"))
    return lines


def chosen(rows: Sequence[FrontRow], limit: int) -> List[FrontRow]:
    """Return at most ``limit`` rows in their order.

    The paper's configuration goes first, then other references, which get half of the places at the
    most; the rest is taken evenly, with the front's two ends.
    """
    if len(rows) <= limit:
        return list(rows)
    paper = paper_record([row.record for row in rows])
    references = [row for row in rows if row.record.reference]
    references.sort(key=lambda row: row.record is not paper)
    kept = references[: max(limit // 2, 1)]
    rest = [row for row in rows if row not in kept]
    kept += evenly(rest, limit - len(kept))
    return [row for row in rows if row in kept]


def evenly(rows: Sequence[FrontRow], count: int) -> List[FrontRow]:
    """Return ``count`` of the rows, the first and the last among them where there are two."""
    if count < 1:
        return []
    if count == 1:
        return [rows[-1]]
    last = len(rows) - 1
    return [rows[round(place * last / (count - 1))] for place in range(count)]


def _table(
    shown: Sequence[FrontRow],
    rows: Sequence[FrontRow],
    objectives: Sequence[str],
    width: int,
    marks: Marks,
) -> Table:
    paper = paper_record([row.record for row in rows])
    heads = [HEADS.get(name, name) for name in objectives]
    values = [[format_figure(row.record, name) for name in objectives] for row in shown]
    taken = sum(max(map(len, column)) + GAP for column in zip(heads, *values))
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    table.add_column("", no_wrap=True, width=2)
    # Figures stay whole where the terminal is narrow, and names give way.
    least = max(width - 2 - GAP - taken, NAME_CELLS)
    table.add_column("front so far", no_wrap=True, overflow=marks.overflow, max_width=least)
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    is_compared = paper is not None and width >= RELATION_CELLS
    if is_compared:
        table.add_column("against the paper's", no_wrap=True)
    for row, figures in zip(shown, values):
        mark = marks.on_front if row.is_on_front else marks.off_front
        cells = [mark + (marks.paper if row.record is paper else ""), row.record.name]
        cells += figures
        if is_compared:
            cells.append("" if row.record is paper else RELATIONS[row.relation])
        table.add_row(*map(Text, cells), style="bold" if row.record.reference else "")
    return table


def _caption(rows: Sequence[FrontRow], shown: Sequence[FrontRow], marks: Marks) -> str:
    hidden = len(rows) - len(shown)
    parts = [f"{marks.on_front} on the front"]
    if not all(row.is_on_front for row in shown):
        parts.append(f"{marks.off_front} not on it")
    if paper_record([row.record for row in shown]) is not None:
        parts.append(f"{marks.paper} the paper's")
    if any(row.record.reference for row in shown):
        parts.append("bold: handcrafted")
    return (f"{hidden} more; " if hidden else "") + "  ".join(parts)
