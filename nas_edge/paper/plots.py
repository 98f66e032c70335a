"""What Figures 3 and 4 show, as plain data: of the published numbers, the logs, and sets of runs.

How they are drawn is `paper.interactive` (plotly) and `paper.drawing` (matplotlib).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Mapping, Optional, Sequence, Tuple

from nas_edge.paper.logs import FINE_TUNED, EpochLog
from nas_edge.paper.published import PublishedTable, published
from nas_edge.paper.run_sets import NetworkRow, RunSet
from nas_edge.pareto import Quadrants, quadrants
from nas_edge.study.records import comparable

ACCURACY_FRONTIER = 0.70  # the paper's section 5.1
ACCURACY, MEMORY = "test_accuracy", "peak_memory"
MIB = 2.0**20
_COLOURS = {
    "xception-lite": "#0b6e4f",
    "xception": "#b23a48",
    "efficientnetv2-b1": "#c77d0a",
    "mobilenetv2": "#2b6cb0",
    "squeezenet": "#7b4fa3",
    "xception-lite-text": "#4a7c8c",
}
_OTHER = "#52606d"


@dataclass(frozen=True)
class Point:
    """A network in the plane; deviations are None where there is one run of it."""

    name: str
    colour: str
    accuracy: float
    memory: float
    accuracy_deviation: Optional[float] = None
    memory_deviation: Optional[float] = None


@dataclass(frozen=True)
class QuadrantPlot:
    """Figure 4. ``file`` is a name for its picture; memories are in the axis's unit."""

    file: str
    title: str
    memory_title: str
    points: Tuple[Point, ...]

    @property
    def regions(self) -> Quadrants:
        """The region of each point: 70% accuracy, and the midpoint of least and most memory."""
        accuracies = [point.accuracy for point in self.points]
        return quadrants(accuracies, [point.memory for point in self.points], ACCURACY_FRONTIER)

    @property
    def memory_range(self) -> Tuple[float, float]:
        """The ends of the memory axis: a fifth of the points' range on each side of them."""
        memories = [point.memory for point in self.points]
        spread = max(memories) - min(memories)
        room = 0.2 * spread if spread > 0 else 0.05 * max(memories) or 1.0
        return max(min(memories) - room, 0.0), max(memories) + room


@dataclass(frozen=True)
class Curve:
    """One training. ``is_first`` is its network's first, which names it in the legend."""

    name: str
    colour: str
    is_first: bool
    epochs: Tuple[float, ...]
    train_accuracy: Tuple[float, ...]
    val_accuracy: Tuple[float, ...]
    memory: Tuple[float, ...]


@dataclass(frozen=True)
class EpochPlot:
    """Figure 3: accuracy and memory by epoch."""

    file: str
    title: str
    memory_title: str
    curves: Tuple[Curve, ...]


def published_quadrants() -> List[QuadrantPlot]:
    """Return Figures 4a and 4b from Tables 1 and 2."""
    return [_published(table) for table in published().tables if table.figure]


def logged_epochs(logs: Sequence[EpochLog]) -> List[EpochPlot]:
    """Return Figure 3 of each task and setting that there are logs of."""
    titles = {table.log: f"{table.task_title}, {table.setting}" for table in published().tables}
    titles[FINE_TUNED] = "PCB defect detection, fine-tuned (not in the paper)"
    plots = []
    for folder in dict.fromkeys(log.folder for log in logs):
        curves = [
            _curve(_label(log.network), log.network, True, log.history, "board_ram_fraction", 1.0)
            for log in logs
            if log.folder == folder
        ]
        plots.append(
            EpochPlot(
                f"figure3-logs-{folder}",
                f"Figure 3, the authors' logs: {titles[folder]}",
                "board RAM in use (share)",
                tuple(curves),
            )
        )
    return plots


def run_quadrants(one: RunSet) -> Optional[QuadrantPlot]:
    """Return Figure 4 of a set: test accuracy against peak training memory, means over the runs.

    Returns:
        None where no network has both figures.
    Raises:
        StudyError: If figures come from different sources, which cannot stand on one axis.
    """
    with_both = comparable(one.records, (ACCURACY, MEMORY))
    names = dict.fromkeys(str(record.reference) for record in with_both)
    if not names:
        return None
    rows = [NetworkRow(name, tuple(r for r in with_both if r.reference == name)) for name in names]
    return QuadrantPlot(
        f"figure4-runs-{_file(one.title)}",
        f"Figure 4, {one.title}",
        "peak training memory (MiB)",
        tuple(_point(row) for row in rows),
    )


def run_epochs(one: RunSet) -> Optional[EpochPlot]:
    """Return Figure 3 of a set: accuracies and peak memory in training, a curve a run.

    Returns:
        None where no run has a history.
    Raises:
        StudyError: If memories come from different sources, which cannot stand on one axis.
    """
    records = [record for record in one.records if _has_epochs(record.measurement.history)]
    comparable(records, ("train_peak_memory",))
    curves: List[Curve] = []
    for record in records:
        name = str(record.reference)
        is_first = all(curve.name != name for curve in curves)
        history = record.measurement.history
        curves.append(
            _curve(name, name.partition(" x")[0], is_first, history, "peak_memory_bytes", MIB)
        )
    if not curves:
        return None
    return EpochPlot(
        f"figure3-runs-{_file(one.title)}",
        f"Figure 3, {one.title}",
        "peak memory in training (MiB)",
        tuple(curves),
    )


def is_drawable(one: RunSet) -> bool:
    """Return whether a set has anything for Figure 3 or 4.

    Raises:
        StudyError: If figures come from different sources, which cannot stand on one axis.
    """
    return run_epochs(one) is not None or run_quadrants(one) is not None


def _published(table: PublishedTable) -> QuadrantPlot:
    points = []
    for network in table.rows:
        accuracy = published().cell(table, network, ACCURACY)
        memory = published().cell(table, network, "board_ram_fraction")
        assert accuracy is not None
        assert memory is not None
        points.append(Point(accuracy.label, _colour(network), accuracy.amount, memory.value))
    return QuadrantPlot(
        f"figure{table.figure}",
        f"Figure {table.figure}, as published: {table.task_title}",
        "memory as published (MB: share of board RAM × 1000)",
        tuple(points),
    )


def _point(row: NetworkRow) -> Point:
    accuracy, memory = row.amount(ACCURACY), row.amount(MEMORY)
    assert accuracy is not None
    assert memory is not None
    spread = None if memory.deviation is None else memory.deviation / MIB
    return Point(
        row.name,
        _colour(row.network),
        accuracy.mean,
        memory.mean / MIB,
        accuracy.deviation,
        spread,
    )


def _curve(
    name: str,
    network: str,
    is_first: bool,
    history: Sequence[Mapping[str, Any]],
    memory: str,
    unit: float,
) -> Curve:
    def column(key: str, scale: float = 1.0) -> Tuple[float, ...]:
        return tuple(float(row.get(key, float("nan"))) / scale for row in history)

    return Curve(
        name,
        _colour(network),
        is_first,
        column("epoch"),
        column("train_accuracy"),
        column("val_accuracy"),
        column(memory, unit),
    )


def _has_epochs(history: Sequence[Mapping[str, Any]]) -> bool:
    return bool(history) and all("epoch" in row for row in history)


def _label(network: str) -> str:
    return published().networks[network].label


def _colour(network: str) -> str:
    return _COLOURS.get(network, _OTHER)


def _file(title: str) -> str:
    """Return a title as a part of a file's name."""
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in title)
    return "-".join(part for part in kept.split("-") if part) or "runs"
