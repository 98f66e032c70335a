"""Markdown of texts that nobody has checked: names of classes, reasons, paths.

Every ASCII punctuation mark gets a backslash, which CommonMark takes for the mark itself, so that
no text from a file becomes a picture, a link, a column or a heading.
"""

from __future__ import annotations

import re
from typing import Iterable, Sequence, Tuple

from nas_edge.report.markup import one_line

LONGEST_TEXT = 300
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def escape(text: str, limit: int = LONGEST_TEXT) -> str:
    """Return a text as Markdown that shows it as it is, in one line, cut where it is long."""
    line = one_line(text)
    if len(line) > limit:
        line = line[: limit - 1].rstrip() + "…"
    return _PUNCTUATION.sub(r"\\\1", line)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells that are Markdown already."""
    # The dashboard sets columns without a gap.
    lines = [" | ".join(f"{cell}&ensp;" for cell in cells) for cells in (heads, *rows)]
    lines.insert(1, " | ".join("---" for _ in heads))
    return "\n".join(f"| {line} |" for line in lines)


def facts(named: Iterable[Tuple[str, str]]) -> str:
    """Return a list of names and texts that nobody has checked, those without a text left out."""
    return "\n".join(f"- **{name}**: {escape(text, 1000)}" for name, text in named if text)


def code_block(text: str) -> str:
    """Return a text as a block in a fixed pitch; its fence is longer than any within it."""
    longest = max((len(found) for found in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text.rstrip()}\n{fence}"


def code(text: str) -> str:
    """Return a text as code within a line (no table's cell: a bar would end it)."""
    line = one_line(text)
    longest = max((len(found) for found in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{fence}{space}{line}{space}{fence}"


def trial_link(study_id: int, number: int, text: str = "") -> str:
    """Return a link to a trial's page of the dashboard."""
    shown = escape(text or f"trial {number}")
    return f"[{shown}](/dashboard/studies/{study_id}/trials?numbers={number})"
