"""The authors' per-epoch logs: a folder of CSV files in, histories and their means out.

The layout is that of the authors' repository: ``DIR/<task and setting>/<network>.csv``, e.g.
``DIR/pcb_scratch/xception-lite.csv``, with the columns Epoch, Loss, Acc, Val_acc, Mem_Use, GPU_Use,
Pow_Cons, Time. What they say of the published cells is `paper.checks`.
"""

from __future__ import annotations

import csv
import io
import math
import re
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from nas_edge.config.files import read_text
from nas_edge.errors import ConfigError, DataError, EnvironmentProblem
from nas_edge.paper.published import published

# Beside what the paper reports: the folder of a setting that it does not.
FINE_TUNED = "pcb_finetuned"
# From a log's column to that of a history of nas_edge, and whether it is a share.
_COLUMNS = {
    "Acc": ("train_accuracy", True),
    "Val_acc": ("val_accuracy", True),
    "Mem_Use": ("board_ram_fraction", True),
    "Time": ("seconds", False),
}


@dataclass(frozen=True)
class EpochLog:
    """One training of the authors.

    Attributes:
        folder: Its task and setting, as the folder names them.
        network: By nas_edge's name.
        path: The file.
        history: One row an epoch, with nas_edge's names of the columns; epochs count from 1.
    """

    folder: str
    network: str
    path: Path
    history: Tuple[Mapping[str, float], ...]

    def column(self, name: str) -> List[float]:
        """Return one figure of every epoch."""
        return [row[name] for row in self.history]

    def mean(self, name: str) -> float:
        """Return a column's mean."""
        return statistics.fmean(self.column(name))

    def last(self, name: str) -> float:
        """Return a column's value in the last epoch."""
        return self.history[-1][name]

    def to_dict(self) -> Dict[str, Any]:
        """Return what the log says in all, as plain data."""
        memory, val = self.column("board_ram_fraction"), self.column("val_accuracy")
        return {
            "log": f"{self.folder}/{self.path.name}",
            "network": self.network,
            "epochs": len(self.history),
            "train_accuracy_last": self.last("train_accuracy"),
            "val_accuracy_last": val[-1],
            "val_accuracy_best": max(val),
            "val_accuracy_best_epoch": val.index(max(val)) + 1,
            "board_ram_fraction_mean": self.mean("board_ram_fraction"),
            "board_ram_fraction_min": min(memory),
            "board_ram_fraction_max": max(memory),
            "epoch_time_mean_s": self.mean("seconds"),
        }


def load_logs(folder: Path) -> List[EpochLog]:
    """Return the logs of a folder in the authors' layout, in the order of the tables.

    Raises:
        ConfigError: If there is no such folder, or it holds none of the logs.
        DataError: If a log is malformed; it names file, line and column.
        EnvironmentProblem: If a file cannot be read.
    """
    folders = [table.log for table in published().tables] + [FINE_TUNED]
    files = {network: f"{one.log}.csv" for network, one in published().networks.items()}
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "there is no such folder"
        raise ConfigError(
            f"--history {folder}: must be the folder of the authors' logs, but {what}"
        )
    paths = [
        (name, network, folder / name / file) for name in folders for network, file in files.items()
    ]
    try:
        there = [place for place in paths if place[2].exists()]
    except OSError as err:
        raise EnvironmentProblem(f"{folder}: cannot be read ({err.strerror or err})") from err
    if not there:
        raise ConfigError(
            f"--history {folder}: must hold {', '.join(f'{name}/' for name in folders)} with "
            f"{', '.join(files.values())}, but holds none of them"
        )
    return [EpochLog(name, network, path, _history(path)) for name, network, path in there]


def last_third(values: Sequence[float]) -> Sequence[float]:
    """Return the figures of a training's last epochs, where it should have become steady."""
    return values[-max(len(values) // 3, 1) :]


def find_log(logs: Sequence[EpochLog], folder: str, network: str) -> Optional[EpochLog]:
    """Return a network's log of a task and setting, or None."""
    found = [log for log in logs if (log.folder, log.network) == (folder, network)]
    return found[0] if found else None


def _history(path: Path) -> Tuple[Mapping[str, float], ...]:
    text = read_text(path)
    _refuse_lone_returns(path)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        lines = [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as err:
        raise DataError(f"{path}: line {reader.line_num}: is not valid CSV ({err})") from err
    heads = lines[0][1] if lines else []
    missing = [name for name in ("Epoch", *_COLUMNS) if name not in heads]
    if missing:
        raise DataError(f"{path}: line 1: must name the column {missing[0]}, but does not")
    if not lines[1:]:
        raise DataError(f"{path}: must have a line for each epoch, but has none")
    rows = []
    for epoch, (number, cells) in enumerate(lines[1:]):
        where = f"{path}: line {number}"
        if len(cells) != len(heads):
            raise DataError(
                f"{where}: must have {len(heads)} values, one a column, but has {len(cells)}"
            )
        rows.append(_row(where, epoch, dict(zip(heads, cells))))
    return tuple(rows)


def _refuse_lone_returns(path: Path) -> None:
    """Refuse what ends no line in most programs, and would in Python's text files."""
    contents = path.read_bytes()
    lone = re.search(rb"\r(?!\n)", contents)
    if lone is not None:
        number = contents.count(b"\n", 0, lone.start()) + 1
        raise DataError(
            f"{path}: line {number}: must end with a line feed, but a carriage return stands alone"
        )


def _row(where: str, epoch: int, row: Mapping[str, str]) -> Mapping[str, float]:
    if _number(where, "Epoch", row["Epoch"]) != epoch:
        raise DataError(f"{where}: Epoch must be {epoch}, but got {row['Epoch']!r}")
    figures: Dict[str, float] = {"epoch": epoch + 1}
    for column, (name, is_share) in _COLUMNS.items():
        value = _number(where, column, row[column])
        if value < 0 or (is_share and value > 1):
            kilobytes = "; jetson-stats up to 4.1.5 gave kB" if column == "Mem_Use" else ""
            rule = "between 0 and 1" if is_share else "at least 0"
            raise DataError(f"{where}: {column} must be {rule}, but got {row[column]!r}{kilobytes}")
        figures[name] = value
    return figures


def _number(where: str, column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{where}: {column} must be a number, but got {text!r}")
    return value
