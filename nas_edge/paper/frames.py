"""Tables 1 and 2 of the paper as pandas DataFrames, as they were published."""

from __future__ import annotations

from typing import Any, Dict

from nas_edge.paper.published import published


def published_tables() -> Dict[str, Any]:
    """Return each table by its name: one row a network, columns with the units that are printed.

    The memory columns say MB as the paper does; what they are, their notes in `published_cells`
    say.
    """
    import pandas as pd

    found = {}
    for table in published().tables:
        rows: Dict[str, Dict[str, float]] = {}
        for cell in published().cells(table):
            heading = cell.column.heading
            unit = cell.column.unit
            head = heading if f"({unit})" in heading else f"{heading} ({unit})"
            rows.setdefault(cell.label, {})[head] = cell.value
        found[table.name] = pd.DataFrame.from_dict(rows, orient="index")
    return found


def published_cells() -> Any:
    """Return every published figure: where it stands, as printed, what it means, what is odd.

    ``amount`` is in the unit of `metric`, e.g. 0.9616 for 96.16%.
    """
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "table": table.name,
                "network": cell.network,
                "column": cell.column.heading,
                "printed": cell.printed,
                "value": cell.value,
                "unit": cell.column.unit,
                "metric": cell.column.metric,
                "amount": cell.amount,
                "notes": " ".join(published().texts(cell.column.notes) + cell.notes),
            }
            for table in published().tables
            for cell in published().cells(table)
        ]
    )
