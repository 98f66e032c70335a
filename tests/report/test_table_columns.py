"""The front's table on terminals of any width: what is left out, and what never is."""

import io
import re

import pytest
from rich.console import Console

from nas_edge import Measurement
from nas_edge.report.rows import front_rows
from nas_edge.report.tables import front_table
from nas_edge.study.records import TrialRecord

OBJECTIVES = ("val_accuracy", "peak_memory")
NAMES = ["xception x0.25", "xception-lite x0.25", "xception-lite-text x0.25", None, None]
FIGURES = ["test acc", "latency", "params", "MACs"]


def records():
    return [
        TrialRecord(
            number,
            str(number),
            {},
            name,
            Measurement.of(
                val_accuracy=0.7 - 0.1 * number,
                peak_memory=(60.0 - number) * 2**20,
                test_accuracy=0.5,
                latency=37.9,
                params=1e6,
                macs=8e6,
            ),
        )
        for number, name in enumerate(NAMES)
    ]


def table(width, wide=False):
    out = io.StringIO()
    rows = front_rows(records(), OBJECTIVES)
    made = front_table(rows, OBJECTIVES, "a front", None if wide else width)
    Console(file=out, width=width, force_terminal=True, color_system=None).print(made)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [*range(40, 140, 7), 250])
def test_objectives_and_marks_are_whole_at_any_width(width):
    lines = table(width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for number in range(len(NAMES)):
        figures = f"{70 - 10 * number}.0% │ {60 - number}.0 MiB"
        (line,) = [line for line in lines if figures in line]
        assert "●" in line
    assert "…" not in "".join(lines) or width < 53  # names alone are ever cut
    shown = [name for name in FIGURES if name in text]
    assert shown == FIGURES[: len(shown)]


def test_what_fits_grows_with_the_width():
    counts = [len(re.findall("┃", table(width)[2])) for width in (40, 60, 80, 120, 160)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_a_wide_terminal_shows_what_a_file_gets():
    assert table(200) == table(200, wide=True)


def test_a_table_without_rows_is_a_head():
    made = front_table([], OBJECTIVES, "nothing", 60)
    out = io.StringIO()
    Console(file=out, width=60).print(made)
    assert "peak mem" in out.getvalue()
