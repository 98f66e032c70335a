"""A table of texts with footnotes, for a terminal, Markdown or LaTeX."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Tuple

from typing_extensions import Literal

from nas_edge.report.markup import latex_row, latex_text, markdown_row, markdown_text

_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_LOWERED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")


class Footnotes:
    """Numbers texts as they are first used; a text that comes again keeps its number."""

    def __init__(self) -> None:
        self._numbers: Dict[str, int] = {}

    def mark(self, text: str, notes: Iterable[str]) -> str:
        """Return the text with its notes' numbers raised behind it."""
        numbers = [self._numbers.setdefault(note, len(self._numbers) + 1) for note in notes]
        return " ".join([text, *(str(number).translate(_RAISED) for number in numbers)])

    @property
    def texts(self) -> Tuple[str, ...]:
        """The notes in the order of their numbers."""
        return tuple(self._numbers)


@dataclass(frozen=True)
class View:
    """A table for people.

    Attributes:
        title: What it is.
        heads: One text a column.
        sides: One letter a column: "l" for texts, which begin at the left, "r" for figures.
        blocks: Rows, in blocks that belong together.
        notes: The footnotes in the order of their numbers.
        remarks: Further lines under the table.
    """

    title: str
    heads: Tuple[str, ...]
    sides: str
    blocks: Tuple[Tuple[Tuple[str, ...], ...], ...]
    notes: Tuple[str, ...] = ()
    remarks: Tuple[str, ...] = ()

    def without_empty_columns(self) -> View:
        """Return the view without the columns in which every row has a dash."""
        rows = [row for block in self.blocks for row in block]
        kept = [i for i in range(len(self.heads)) if any(row[i] != "–" for row in rows)]
        return View(
            self.title,
            tuple(self.heads[i] for i in kept),
            "".join(self.sides[i] for i in kept),
            tuple(tuple(tuple(row[i] for i in kept) for row in block) for block in self.blocks),
            self.notes,
            self.remarks,
        )


def terminal_view(view: View) -> Any:
    """Return something that rich prints."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    # Narrow lines, so that the published tables fit into 80 columns.
    table = Table(header_style="bold", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for i, (head, side) in enumerate(zip(view.heads, view.sides)):
        justify: Literal["left", "right"] = "left" if side == "l" else "right"
        table.add_column(Text(head), justify=justify, overflow="fold", no_wrap=i == 0)
    for block in view.blocks:
        for row in block:
            table.add_row(*map(Text, row))
        table.add_section()
    return Group(Text(view.title, style="bold"), table, *(Text(line) for line in _lines(view)))


def markdown_view(view: View) -> str:
    """Return a Markdown table, its notes and remarks under it."""
    head, *rows = map(markdown_row, _all_rows(view))
    rule = ["---" if side == "l" else "---:" for side in view.sides]
    lines = [head, f"| {' | '.join(rule)} |", *rows]
    under = [markdown_text(line) for line in _lines(view)]
    return "\n\n".join([f"**{markdown_text(view.title)}**", "\n".join(lines), *under]) + "\n"


def latex_view(view: View) -> str:
    """Return a LaTeX table, which needs no package; its notes and remarks under it."""
    head, *_ = _all_rows(view)
    blocks = ["".join(_latex_line(row) for row in block) for block in view.blocks]
    under = "".join(f"\n\n{_latex(line)}" for line in _lines(view))
    return (
        "\\begin{table}\n\\centering\n"
        f"\\caption{{{_latex(view.title)}}}\n\\begin{{tabular}}{{{view.sides}}}\n\\hline\n"
        + "\\hline\n".join([_latex_line(head), *blocks])
        + f"\\hline\n\\end{{tabular}}\n\n\\footnotesize\n\\raggedright{under}\n\\end{{table}}\n"
    )


def _all_rows(view: View) -> List[Tuple[str, ...]]:
    return [view.heads, *(row for block in view.blocks for row in block)]


def _lines(view: View) -> List[str]:
    numbered = [f"{str(i).translate(_RAISED)} {note}" for i, note in enumerate(view.notes, 1)]
    return [*numbered, *view.remarks]


def _latex_line(row: Tuple[str, ...]) -> str:
    return _raised(latex_row(row)) + "\n"


def _latex(text: str) -> str:
    return _raised(latex_text(text))


def _raised(latex: str) -> str:
    """Return LaTeX with the numbers of notes as LaTeX raises them."""
    return re.sub(
        "[⁰¹²³⁴⁵⁶⁷⁸⁹]+",
        lambda match: f"\\textsuperscript{{{match.group().translate(_LOWERED)}}}",
        latex,
    )
