"""Which published cells follow from the authors' logs: cells and logs in, a verdict each out.

A cell follows if the figure recomputed from its log is the printed one, rounded or cut off to as
many digits: the paper does both. The training accuracy is the last epoch's, memory and time are
means over the epochs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence

from nas_edge.paper.logs import EpochLog, find_log, last_third
from nas_edge.paper.published import Cell, published

ROUNDED = "follows"
CUT_OFF = "follows, cut off"
DIFFERS = "does not follow"
UNKNOWN = "cannot be checked"
VERDICTS = (ROUNDED, CUT_OFF, DIFFERS, UNKNOWN)

_NOT_LOGGED = {
    "params": "parameters are not in the logs",
    "batch_latency": "inference times are not in the logs",
}


@dataclass(frozen=True)
class CellCheck:
    """What the logs say of one cell.

    ``recomputed`` is in the cell's own unit, None where the logs do not tell it; ``reason`` says
    why they do not.
    """

    cell: Cell
    verdict: str
    recomputed: Optional[float] = None
    reason: str = ""

    @property
    def shown(self) -> str:
        """The recomputed figure with two digits more than the printed one, or a dash."""
        if self.recomputed is None:
            return "–"
        return f"{self.recomputed:.{self.cell.num_decimals + 2}f}"

    def to_dict(self) -> Dict[str, Any]:
        """Return plain data."""
        return {
            "place": self.cell.place,
            "printed": self.cell.printed,
            "unit": self.cell.column.unit,
            "recomputed": self.recomputed,
            "verdict": self.verdict,
            "reason": self.reason,
        }


def check_cells(logs: Sequence[EpochLog]) -> List[CellCheck]:
    """Return a verdict on every published cell, in the order of the tables."""
    return [
        check_cell(cell, find_log(logs, table.log, cell.network))
        for table in published().tables
        for cell in published().cells(table)
    ]


def check_cell(cell: Cell, log: Optional[EpochLog]) -> CellCheck:
    """Return whether a cell follows from its log."""
    metric = cell.column.metric
    if metric in _NOT_LOGGED:
        return CellCheck(cell, UNKNOWN, reason=_NOT_LOGGED[metric])
    if log is None:
        return CellCheck(cell, UNKNOWN, reason=f"there is no log in {cell.table.log}/")
    if metric == "test_accuracy":
        return CellCheck(cell, UNKNOWN, reason=_validation(log))
    value = _recomputed(metric, log) / cell.column.scale
    return CellCheck(cell, _verdict(cell, value), value)


def summary(checks: Sequence[CellCheck]) -> List[str]:
    """Return the findings in sentences: how many cells follow, which do not, and in which rows."""
    counts = {verdict: sum(c.verdict == verdict for c in checks) for verdict in VERDICTS}
    num_told = len(checks) - counts[UNKNOWN]
    lines = [
        f"Of {len(checks)} published cells the logs tell {num_told}: "
        f"{counts[ROUNDED] + counts[CUT_OFF]} follow ({counts[ROUNDED]} rounded, "
        f"{counts[CUT_OFF]} cut off), {counts[DIFFERS]} do not."
    ]
    for check in checks:
        if check.verdict == DIFFERS:
            cell = check.cell
            lines.append(
                f"{cell.place}: printed {cell.printed}, the log {check.shown}{cell.column.unit}"
            )
    return lines + _other_trainings(checks)


def _other_trainings(checks: Sequence[CellCheck]) -> List[str]:
    """Name the rows of which nothing follows, though the log tells several of their cells."""
    rows: Dict[str, List[CellCheck]] = {}
    for check in checks:
        if check.verdict != UNKNOWN:
            row = f"{check.cell.table.name}, {check.cell.label}"
            rows.setdefault(row, []).append(check)
    return [
        f"{row}: none of its {len(told)} cells that the log tells follows; "
        "the log seems to be of another training"
        for row, told in rows.items()
        if len(told) > 1 and all(check.verdict == DIFFERS for check in told)
    ]


def _recomputed(metric: str, log: EpochLog) -> float:
    if metric == "train_accuracy":
        return log.last("train_accuracy")
    return log.mean("seconds" if metric == "epoch_time" else metric)


def _verdict(cell: Cell, value: float) -> str:
    """Compare in units of the last printed digit; the logs' shares are of single precision."""
    digits = 10.0**cell.num_decimals
    printed, computed = round(cell.value * digits), value * digits
    slack = 1e-5 * digits
    if abs(computed - printed) <= 0.5 + slack:
        return ROUNDED
    return CUT_OFF if math.floor(computed + slack) == printed else DIFFERS


def _validation(log: EpochLog) -> str:
    val = log.column("val_accuracy")
    late = last_third(val)
    return (
        "test accuracies are not in the logs; validation ends at "
        f"{100 * val[-1]:.2f}%, its best is {100 * max(val):.2f}%, in the last third of the epochs "
        f"it lies between {100 * min(late):.2f} and {100 * max(late):.2f}%"
    )
