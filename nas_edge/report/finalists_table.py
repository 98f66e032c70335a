"""Finalists as a terminal table."""

from __future__ import annotations

from typing import Any, Optional

from nas_edge.config.units import format_seconds
from nas_edge.report.finalists import ACCURACIES, FORMULA, FinalistRow, Finalists
from nas_edge.report.finalists_verdict import percent
from nas_edge.report.rows import format_metric
from nas_edge.report.table_columns import HEADS

WIDE = 116  # cells; on a narrower terminal the accuracy that does not count is left out, and time


def finalists_table(found: Finalists, title: str, width: Optional[int] = None) -> Any:
    """Return a rich table: a network a row, means with 95% intervals, the handcrafted in bold."""
    from rich.table import Table
    from rich.text import Text

    is_wide = width is None or width >= WIDE
    metrics = [name for name in ACCURACIES if is_wide or name == found.judge]
    table = Table(title=Text(title), title_justify="left", header_style="bold")
    table.add_column("", no_wrap=True, width=1)
    table.add_column("network", no_wrap=True)
    table.add_column("seeds", justify="right", no_wrap=True)
    for name in metrics:
        table.add_column(f"{HEADS[name]} (95%)", justify="right", no_wrap=True)
    table.add_column(HEADS["peak_memory"], justify="right", no_wrap=True)
    if is_wide:
        table.add_column("time each", justify="right", no_wrap=True)
    table.add_column("P(dominates)", justify="right", no_wrap=True)
    for row in found.rows:
        cells = ["●" if row.is_on_front else "○", row.name, str(len(row.seeds))]
        cells += [row.means[name].text(name) if name in row.means else "–" for name in metrics]
        cells.append(format_metric("peak_memory", row.peak_bytes))
        if is_wide:
            cells.append("–" if row.wall_s is None else format_seconds(row.wall_s))
        cells.append(_chance(row, found))
        table.add_row(*map(Text, cells), style="bold" if row.reference else "")
    table.caption = "\n".join(
        ["● on the search's front   bold: handcrafted", FORMULA, *found.notes]
    )
    table.caption_justify = "left"
    return table


def _chance(row: FinalistRow, found: Finalists) -> str:
    return "the paper's" if row is found.paper else percent(row.probability)
