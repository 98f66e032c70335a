"""Tables 1 and 2 of the paper as published: each cell with its place, unit and notes.

Enters `published.yaml`, which holds the texts of the cells; leaves `Cell`, whose value is read from
that text. Nothing is recomputed here; `paper.checks` holds the cells against the authors' logs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from pydantic import Field
from typing_extensions import Literal

from nas_edge.config.files import FrozenModel, load_yaml, validated

_FILE = Path(__file__).with_name("published.yaml")
_NUMBER = re.compile(r"[0-9]+(?:\.([0-9]+))?")


class Source(FrozenModel):
    """Where the figures were published, and on what device they were measured."""

    title: str
    authors: str
    year: int
    url: str
    license: str
    device: str


class Network(FrozenModel):
    """A network's label in the tables, and its file's name among the authors' logs."""

    label: str
    log: str


class Column(FrozenModel):
    """A column: ``scale`` turns its unit into the unit of the metric of the same meaning."""

    heading: str
    metric: str
    unit: str
    scale: float
    notes: Tuple[str, ...] = ()


class PublishedTable(FrozenModel):
    """Table 1, or one of the two halves of Table 2."""

    number: int
    part: str = ""
    section: str
    task: Literal["caltech101", "pcb"]
    setting: Literal["scratch", "frozen"]
    log: str
    figure: Optional[str] = None
    images: Dict[str, int]
    num_classes: int
    recipe: Dict[str, Any] = Field(default_factory=dict)
    notes: Tuple[str, ...] = ()
    columns: Dict[str, Column]
    rows: Dict[str, Dict[str, str]]
    cell_notes: Dict[str, Dict[str, Tuple[str, ...]]] = Field(default_factory=dict)

    @property
    def name(self) -> str:
        """The table's name in the paper, e.g. ``Table 2 (Not Pre-trained)``."""
        return f"Table {self.number}" + (f" ({self.part})" if self.part else "")

    @property
    def task_title(self) -> str:
        """The task's name in the paper."""
        return "Caltech-101" if self.task == "caltech101" else "PCB defect detection"


@dataclass(frozen=True)
class Cell:
    """One published figure.

    Attributes:
        table: That it stands in.
        network: The row, by nas_edge's name of the network.
        label: The row, by the paper's.
        column: The column.
        printed: As in the paper, an arrow of the table's included.
        notes: What is odd about it; the column and the table have notes of their own.
    """

    table: PublishedTable
    network: str
    label: str
    column: Column
    printed: str
    notes: Tuple[str, ...]

    @property
    def value(self) -> float:
        """The printed number, in the column's unit."""
        return float(self._match().group())

    @property
    def num_decimals(self) -> int:
        """The digits that are printed after the point."""
        return len(self._match().group(1) or "")

    @property
    def amount(self) -> float:
        """The figure in the unit of its metric, e.g. 0.9616 for 96.16%."""
        return round(self.value * self.column.scale, 10)

    @property
    def place(self) -> str:
        """Where it stands in the paper."""
        return (
            f"{self.table.name}, {self.label}, {self.column.heading} (section {self.table.section})"
        )

    def _match(self) -> re.Match[str]:
        match = _NUMBER.match(self.printed)
        assert match is not None, self.printed
        return match


class Published(FrozenModel):
    """All that the file holds."""

    paper: Source
    networks: Dict[str, Network]
    tables: Tuple[PublishedTable, ...]
    notes: Dict[str, str]

    def cells(self, table: PublishedTable) -> List[Cell]:
        """Return a table's cells, row by row."""
        return [
            self._cell(table, network, name, printed)
            for network, row in table.rows.items()
            for name, printed in row.items()
        ]

    def cell(self, table: PublishedTable, network: str, metric: str) -> Optional[Cell]:
        """Return the cell of a network (nas_edge's name) and a metric, or None."""
        found = [c for c in self.cells(table) if c.network == network and c.column.metric == metric]
        return found[0] if found else None

    def table(self, task: str, setting: str) -> Optional[PublishedTable]:
        """Return the table of a task and setting, or None if the paper reports none."""
        found = [t for t in self.tables if (t.task, t.setting) == (task, setting)]
        return found[0] if found else None

    def texts(self, names: Tuple[str, ...]) -> Tuple[str, ...]:
        """Return notes by their names."""
        return tuple(self.notes[name] for name in names)

    def _cell(self, table: PublishedTable, network: str, name: str, printed: str) -> Cell:
        column = table.columns[name]
        notes = table.cell_notes.get(network, {}).get(name, ())
        label = self.networks[network].label
        return Cell(table, network, label, column, printed, self.texts(notes))


@lru_cache(maxsize=None)
def published() -> Published:
    """Return the paper's tables."""
    return validated(Published, load_yaml(_FILE), str(_FILE))
