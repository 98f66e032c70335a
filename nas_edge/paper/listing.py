"""The published tables and the runs beside them as JSON and CSV, with everything that is known."""

from __future__ import annotations

import csv
import io
import json
from typing import Any, Dict, List, Optional, Sequence

from nas_edge.paper.checks import CellCheck, summary
from nas_edge.paper.logs import EpochLog
from nas_edge.paper.published import Cell, PublishedTable, published
from nas_edge.paper.run_sets import NetworkRow, RunSet
from nas_edge.paper.settings import differences, nearest_table

_CSV_HEADS = (
    "of",
    "table",
    "section",
    "network",
    "metric",
    "value",
    "standard_deviation",
    "n",
    "unit",
    "printed",
    "recomputed",
    "verdict",
    "notes",
)


def tables_json(
    sets: Sequence[RunSet], logs: Sequence[EpochLog], checks: Sequence[CellCheck]
) -> str:
    """Return everything with places, units, sources and notes."""
    data: Dict[str, Any] = {
        "paper": published().paper.model_dump(),
        "tables": [_table_dict(table) for table in published().tables],
        "runs": [_set_dict(one) for one in sets],
    }
    if checks:
        data["logs"] = [log.to_dict() for log in logs]
        data["checks"] = [check.to_dict() for check in checks]
        data["findings"] = summary(checks)
    return json.dumps(data, indent=1, ensure_ascii=False)


def tables_csv(sets: Sequence[RunSet], checks: Sequence[CellCheck]) -> str:
    """Return one line a figure: the published ones first, then those of the runs."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_CSV_HEADS)
    told = {check.cell.place: check for check in checks}
    for table in published().tables:
        for cell in published().cells(table):
            writer.writerow(_cell_line(cell, told.get(cell.place)))
    for one in sets:
        table = nearest_table(one.identity)
        for row in one.rows:
            for metric, found in row.to_dict()["figures"].items():
                writer.writerow(_figure_line(one, table, row, metric, found))
    return out.getvalue()


def _table_dict(table: PublishedTable) -> Dict[str, Any]:
    texts = published().texts
    return {
        "table": table.number,
        "part": table.part,
        "section": table.section,
        "task": table.task,
        "setting": table.setting,
        "notes": texts(table.notes),
        "cells": [
            {
                "network": cell.network,
                "row": cell.label,
                "column": cell.column.heading,
                "place": cell.place,
                "printed": cell.printed,
                "value": cell.value,
                "unit": cell.column.unit,
                "metric": cell.column.metric,
                "amount": cell.amount,
                "notes": texts(cell.column.notes) + cell.notes,
            }
            for cell in published().cells(table)
        ],
    }


def _set_dict(one: RunSet) -> Dict[str, Any]:
    table = nearest_table(one.identity)
    names = [row.name for row in one.rows]
    return {
        "set": one.title,
        "beside": table.name,
        "runs": [str(run.folder.path) for run in one.runs],
        "seeds": one.seeds,
        "from": one.origins,
        "device": one.identity.get("device"),
        "differences": differences(one.identity, table, names),
        "rows": [row.to_dict() for row in one.rows],
    }


def _cell_line(cell: Cell, check: Optional[CellCheck]) -> List[Any]:
    notes = " ".join(published().texts(cell.column.notes) + cell.notes)
    place = ["paper", cell.table.name, cell.table.section, cell.network, cell.column.metric]
    figure = [f"{cell.value:.10g}", "", "", cell.column.unit, cell.printed]
    if check is None:
        return [*place, *figure, "", "", notes]
    recomputed = "" if check.recomputed is None else f"{check.recomputed:.10g}"
    return [*place, *figure, recomputed, check.verdict, notes]


def _figure_line(
    one: RunSet, table: PublishedTable, row: NetworkRow, metric: str, found: Dict[str, Any]
) -> List[Any]:
    place = [one.title, table.name, "", row.name, metric]
    if "problem" in found:
        return [*place, "", "", "", "", "", "", "", found["problem"]]
    deviation = found["standard_deviation"]
    figure = [
        f"{found['mean']:.10g}",
        "" if deviation is None else f"{deviation:.10g}",
        found["n"],
        found["unit"],
    ]
    return [*place, *figure, "", "", "", found["source"]]
