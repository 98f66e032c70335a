"""The front as a terminal table, JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
from typing import Any, List, Mapping, Optional, Sequence

from nas_edge.report.rows import (
    FrontRow,
    changes,
    format_figure,
    metric_title,
    paper_record,
    shown_metrics,
    training_text,
)
from nas_edge.report.table_columns import HEADS, columns_of


def front_table(
    rows: Sequence[FrontRow], objectives: Sequence[str], title: str, width: Optional[int] = None
) -> Any:
    """Return a rich table: the front from the least second objective on, references marked.

    On a terminal of ``width`` cells what does not fit is left out whole: figures that are no
    objectives, from the last on, then the comparison. At the last names are cut.
    """
    from rich.table import Table
    from rich.text import Text

    columns = columns_of(rows, objectives, width)
    paper = paper_record([row.record for row in rows]) if columns.is_compared else None
    table = Table(title=Text(title), title_justify="left", header_style="bold")
    table.add_column("", no_wrap=True, width=1)
    table.add_column("candidate", no_wrap=True, max_width=columns.name_cells)
    trainings = {row.record.number: training_text(row.record) for row in rows}
    if any(trainings.values()):
        table.add_column("training")
    for name in columns.metrics:
        table.add_column(Text(HEADS.get(name, name)), justify="right", no_wrap=True)
    if paper is not None:
        table.add_column("against the paper's")
    for row in rows:
        record = row.record
        mark = "●" if row.is_on_front else "○"
        cells = [format_figure(record, name) for name in columns.metrics]
        if paper is not None:
            cells.append(_against(row, paper, objectives))
        if any(trainings.values()):
            cells.insert(0, trainings[record.number])
        style = "bold" if record.reference else ("" if row.is_on_front else "dim")
        table.add_row(mark, Text(record.name), *(Text(cell) for cell in cells), style=style)
    table.caption = "● on the front   ○ a reference that is not on it   bold: handcrafted"
    table.caption_justify = "left"
    return table


def front_json(rows: Sequence[FrontRow], head: Mapping[str, Any]) -> str:
    """Return the rows with unit and source of every figure."""
    return json.dumps({**head, "rows": [row.to_dict() for row in rows]}, indent=1)


def front_csv(rows: Sequence[FrontRow], objectives: Sequence[str]) -> str:
    """Return the rows as CSV, units in the header."""
    metrics = shown_metrics(rows, objectives)
    units = {
        name: metric.unit for row in rows for name, metric in row.record.measurement.metrics.items()
    }
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    heads: List[str] = [f"{name} ({units[name]})" if units.get(name) else name for name in metrics]
    writer.writerow(["number", "name", "on_front", "against_paper", "outcome", *heads])
    for row in rows:
        record = row.record
        values = [record.value(name) for name in metrics]
        writer.writerow(
            [
                record.number,
                record.name,
                row.is_on_front,
                row.relation or "",
                record.measurement.outcome,
            ]
            + ["" if value is None else f"{value:.10g}" for value in values]
        )
    return out.getvalue()


def metric_names(names: Sequence[str]) -> str:
    """Return names for a heading."""
    return " against ".join(metric_title(name) for name in names)


def _against(row: FrontRow, paper: Any, objectives: Sequence[str]) -> str:
    if not row.record.measurement.is_finished:
        return row.note
    if row.record is paper:
        return "the paper's configuration"
    return changes(row.record.measurement, paper.measurement, objectives)
