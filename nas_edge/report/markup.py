"""Texts that nobody has checked (names of runs, reasons, devices) in Markdown and in LaTeX.

Every mark that either language would read as its own is escaped; a text becomes one line.
"""

from __future__ import annotations

import re
from typing import Sequence

_NO_SIGNS = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_NO_UTF8 = re.compile("[\ud800-\udfff]")  # of a file's name in another encoding
_MARKDOWN = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]<>#|~$&"})
_LIST_ITEM = re.compile(r"^(\d*)([-+.)])(?=\s)")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{c: f"\\{c}" for c in "&%$#_"},
    "×": r"$\times$",
    "–": "--",
    "±": r"$\pm$",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
}


def one_line(text: str) -> str:
    """Return a text without line breaks and control characters, as UTF-8 can say it."""
    return _NO_UTF8.sub("\ufffd", _NO_SIGNS.sub(" ", text).strip())


def markdown_text(text: str) -> str:
    """Return a text as Markdown that shows it as it is, in a table's cell or a line."""
    return _LIST_ITEM.sub(r"\1\\\2", one_line(text).translate(_MARKDOWN))


def markdown_row(cells: Sequence[str]) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(map(markdown_text, cells))} |"


def latex_text(text: str) -> str:
    """Return a text as LaTeX that shows it as it is."""
    return "".join(_LATEX.get(letter, letter) for letter in one_line(text))


def latex_row(cells: Sequence[str]) -> str:
    r"""Return a line of a table with its end.

    One that began with ``[`` or ``*`` would be an argument of the ``\\`` or rule before it.
    """
    row = " & ".join(map(latex_text, cells))
    return ("{}" if row.startswith(("[", "*")) else "") + row + r" \\"
