"""One network's published row beside a run's: what `nas-edge reproduce` ends with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from nas_edge.candidate.measurement import finite_number
from nas_edge.errors import StudyError
from nas_edge.paper.logs import last_third
from nas_edge.paper.published import Cell, PublishedTable, published
from nas_edge.paper.run_sets import set_title
from nas_edge.paper.settings import differences, nearest_table
from nas_edge.paper.tables import NO_ROW, about_runs
from nas_edge.paper.views import Footnotes, View, terminal_view
from nas_edge.report.rows import format_metric
from nas_edge.space.references import PAPER_REFERENCE
from nas_edge.study.records import TrialRecord
from nas_edge.study.run import Run

LEAST_EPOCHS = 6  # for what is said of the last third of them
TITLES = {
    "params": "parameters",
    "train_accuracy": "train accuracy",
    "test_accuracy": "test accuracy",
    "board_ram_fraction": "memory as the paper's: board RAM",
    "mean_memory": "memory measured: mean in training",
    "peak_memory": "memory measured: training's peak",
    "epoch_time": "time per epoch",
    "batch_latency": "inference time of a batch",
}


@dataclass(frozen=True)
class Line:
    """One figure: the paper's cell and the run's value, each None where there is none."""

    metric: str
    cell: Optional[Cell]
    value: Optional[float]

    def to_dict(self) -> Dict[str, Any]:
        """Return plain data; both figures are in the metric's unit."""
        return {
            "metric": self.metric,
            "paper": None if self.cell is None else self.cell.amount,
            "printed": None if self.cell is None else self.cell.printed,
            "run": self.value,
        }


@dataclass(frozen=True)
class Comparison:
    """A network's published row and a run's.

    ``differences`` names what of the run's setting is other than the paper's; ``reason`` says why
    the run has no figures, where it has none; ``validation`` are its accuracies by epoch, or empty.
    """

    name: str
    run_title: str
    table: PublishedTable
    is_published: bool
    lines: Tuple[Line, ...]
    differences: Tuple[str, ...]
    reason: str = ""
    validation: Tuple[float, ...] = ()

    def to_dict(self) -> Dict[str, Any]:
        """Return plain data."""
        return {
            "network": self.name,
            "run": self.run_title,
            "table": self.table.name,
            "published": self.is_published,
            "figures": [line.to_dict() for line in self.lines],
            "differences": list(self.differences),
            "reason": self.reason,
            "validation": list(self.validation),
        }

    def to_frame(self) -> Any:
        """Return a pandas DataFrame for people, one row a figure: the paper's and the run's."""
        import pandas as pd

        return pd.DataFrame(
            {
                "figure": [TITLES[line.metric] for line in self.lines],
                f"paper, {self.table.name}": [
                    "–" if line.cell is None else line.cell.printed for line in self.lines
                ],
                "this run": [format_metric(line.metric, line.value) for line in self.lines],
            }
        )


def compare(record: TrialRecord, run: Run) -> Comparison:
    """Return a record's figures beside the paper's of the same network."""
    table = nearest_table(run.identity)
    network = record.name.partition(" x")[0]
    measured = record.measurement
    kind = measured.outcome.replace("_", " ")
    return Comparison(
        name=record.name,
        run_title=set_title(run),
        table=table,
        is_published=network in table.rows,
        lines=tuple(
            Line(metric, published().cell(table, network, metric), record.value(metric))
            for metric in TITLES
        ),
        differences=tuple(differences(run.identity, table, [record.name])),
        reason="" if measured.is_finished else f"{kind}: {measured.reason}",
        validation=_validation(record),
    )


def compare_with_paper(run: Run, network: str = PAPER_REFERENCE) -> Comparison:
    """Return a network's figures in a run beside the paper's of the same network.

    Args:
        run: From `open_run`.
        network: Its name, without the width's multiplier.
    Raises:
        StudyError: If the run holds no such network.
    """
    record = run.reference(network)
    if record is None:
        names = ", ".join(r.name for r in run.records if r.reference) or "none"
        raise StudyError(
            f"{run.folder.path}: must hold {network} to compare, but of handcrafted networks holds "
            f"{names}"
        )
    return compare(record, run)


def side_by_side(record: TrialRecord, run: Run) -> Any:
    """Return the comparison as something that rich prints."""
    return terminal_view(comparison_view(compare(record, run)))


def comparison_view(comparison: Comparison) -> View:
    """Return the comparison as a table of texts: a row a figure, the paper's and the run's."""
    notes = Footnotes()
    texts = published().texts
    about = [NO_ROW] if not comparison.is_published else texts(comparison.table.notes)
    paper = notes.mark(comparison.table.name, about)
    rows = []
    for line in comparison.lines:
        cell = line.cell
        about_column = texts(cell.column.notes) if cell else ()
        title = notes.mark(TITLES[line.metric], about_column + about_runs(line.metric))
        if cell is None:
            printed = notes.mark("–", _elsewhere(line.metric, comparison))
        else:
            printed = notes.mark(cell.printed, cell.notes)
        rows.append((title, printed, format_metric(line.metric, line.value)))
    return View(
        f"{comparison.name}: the paper's row and this run's",
        ("", paper, comparison.run_title),
        "lrr",
        (tuple(rows),),
        notes.texts,
        tuple(_remarks(comparison)),
    )


def _validation(record: TrialRecord) -> Tuple[float, ...]:
    """Return the validation accuracies by epoch, or nothing where one of them is not told."""
    told = [finite_number(row.get("val_accuracy")) for row in record.measurement.history]
    values = tuple(value for value in told if value is not None)
    return values if len(values) == len(told) else ()


def _elsewhere(metric: str, comparison: Comparison) -> List[str]:
    """Return what Table 1 tells of a network where its row in Table 2 has no such column."""
    first = published().tables[0]
    cell = published().cell(first, comparison.name, metric)
    if cell is None or comparison.table == first:
        return []
    return [f"Not in this table. {first.name}, with {first.num_classes} classes: {cell.printed}"]


def _remarks(comparison: Comparison) -> List[str]:
    lines = []
    if comparison.reason:
        lines.append(f"This run has no figures: {comparison.reason}")
    found = "; ".join(comparison.differences) or "nothing that the run's identity tells"
    lines.append(f"Other than in the paper: {found}.")
    if len(comparison.validation) >= LEAST_EPOCHS and not comparison.reason:
        late = last_third(comparison.validation)
        lines.append(
            f"In this run's last {len(late)} epochs the validation accuracy lies between "
            f"{min(late):.1%} and {max(late):.1%}; the last is {late[-1]:.1%}."
        )
    return lines
