"""Finalists as a terminal table."""

from __future__ import annotations

from typing import Any, Optional

from nas_edge.config.units import format_seconds
from nas_edge.report.finalists import ACCURACIES, FORMULA, Finalists
from nas_edge.report.finalists_verdict import percent
from nas_edge.report.rows import format_metric
from nas_edge.report.table_columns import HEADS

# Cells: on a narrower terminal the accuracy that does not count is left out, and time; then seeds.
WIDE, MIDDLE = 116, 76


def finalists_table(found: Finalists, title: str, width: Optional[int] = None) -> Any:
    """Return a rich table: a network a row, means with 95% intervals, the handcrafted in bold.

    On a narrow terminal figures stay whole and names are wrapped.
    """
    from rich.table import Table
    from rich.text import Text

    is_wide = width is None or width >= WIDE
    has_seeds = width is None or width >= MIDDLE
    metrics = [name for name in ACCURACIES if is_wide or name == found.judge]
    heads = ["seeds"] if has_seeds else []
    heads += [f"{HEADS[name]} (95%)" for name in metrics] + [HEADS["peak_memory"]]
    heads += ["time each"] if is_wide else []
    heads += ["P(dominates)" if has_seeds else "P(dom.)"]
    table = Table(title=Text(title), title_justify="left", header_style="bold")
    table.add_column("", no_wrap=True, width=1)
    table.add_column("network", overflow="fold")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for row in found.rows:
        cells = ["●" if row.is_on_front else "○", row.name]
        cells += [str(len(row.seeds))] if has_seeds else []
        cells += [row.means[name].text(name) if name in row.means else "–" for name in metrics]
        cells.append(format_metric("peak_memory", row.peak_bytes))
        if is_wide:
            cells.append("–" if row.wall_s is None else format_seconds(row.wall_s))
        is_paper = row is found.paper and has_seeds
        cells.append("the paper's" if is_paper else percent(row.probability))
        table.add_row(*map(Text, cells), style="bold" if row.reference else "")
    table.caption = "\n".join(
        ["● on the search's front   bold: handcrafted", FORMULA, *found.notes]
    )
    table.caption_justify = "left"
    return table
