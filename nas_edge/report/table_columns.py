"""Which columns of a front's table there are, and which of them fit a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Optional, Sequence, Tuple

from rich.cells import cell_len

from nas_edge.report.rows import FrontRow, format_figure, shown_metrics, training_text

HEADS = {
    "val_accuracy": "val acc",
    "test_accuracy": "test acc",
    "peak_memory": "peak mem",
    "train_peak_memory": "peak in training",
    "mean_memory": "mean mem",
    "latency": "latency",
    "batch_latency": "latency (batch)",
    "energy_per_epoch": "energy/epoch",
    "energy_per_inference": "energy/image",
    "board_ram_fraction": "board RAM",
    "epoch_time": "epoch",
    "params": "params",
    "macs": "MACs",
}
NARROW = (
    "val_accuracy",
    "test_accuracy",
    "peak_memory",
    "latency",
    "params",
    "macs",
)
# In cells, for a terminal that is too narrow for everything.
BORDER = 3  # of a column, with its padding
AGAINST_CELLS = 26  # one objective a line
TRAINING_CELLS = 12
LEAST_NAME_CELLS = 8


@dataclass(frozen=True)
class Columns:
    """Which figures are shown, whether with the comparison, and how wide names may be."""

    metrics: Tuple[str, ...]
    is_compared: bool = True
    name_cells: Optional[int] = None


def columns_of(
    rows: Sequence[FrontRow], objectives: Sequence[str], width: Optional[int] = None
) -> Columns:
    """Return the columns of a table.

    Args:
        rows: All that the table will show.
        objectives: Always shown, whole.
        width: Of the terminal in cells; None for one that everything fits.
    """
    metrics = [m for m in shown_metrics(rows, objectives) if m in objectives or m in NARROW]
    if width is None:
        return Columns(tuple(metrics))
    cells = {name: _cells(name, rows) + BORDER for name in metrics}
    names = max([cell_len(row.record.name) for row in rows] + [len("candidate")])
    room = width - 1 - (1 + BORDER) - BORDER - sum(cells[name] for name in objectives)
    if any(training_text(row.record) for row in rows):
        room -= TRAINING_CELLS + BORDER
    name_cells = max(min(names, room), LEAST_NAME_CELLS)
    room -= name_cells
    is_compared = room >= AGAINST_CELLS + BORDER
    if is_compared:
        room -= AGAINST_CELLS + BORDER
    return Columns(tuple(_that_fit(metrics, objectives, cells, room)), is_compared, name_cells)


def _that_fit(
    metrics: Sequence[str], objectives: Sequence[str], cells: Dict[str, int], room: int
) -> Sequence[str]:
    """Return the objectives, and the other figures as far as there is room, in their order."""
    shown = list(objectives)
    for name in metrics[len(objectives) :]:
        room -= cells[name]
        if room < 0:
            break
        shown.append(name)
    return shown


def _cells(name: str, rows: Sequence[FrontRow]) -> int:
    figures = [format_figure(row.record, name) for row in rows]
    return max(map(len, [HEADS.get(name, name), *figures]))
