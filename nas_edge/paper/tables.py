"""The published tables beside any sets of runs, and the verdicts on their cells, for people.

The paper's memory figure and real bytes are columns of their own: the one is the share of the whole
board's RAM (printed as MB), the other what a training takes. `paper.listing` is for programs.
"""

from __future__ import annotations

from typing import List, Sequence, Tuple

from nas_edge.errors import StudyError
from nas_edge.paper.checks import CellCheck, summary
from nas_edge.paper.logs import EpochLog
from nas_edge.paper.published import PublishedTable, published
from nas_edge.paper.run_sets import NetworkRow, RunSet, format_amount
from nas_edge.paper.settings import differences, nearest_table
from nas_edge.paper.views import Footnotes, View

NO_ROW = "The paper reports no figures of this network."
# What is to be known of the runs' figures of a metric.
_OF_RUNS = {
    "batch_latency": "Of a run: the median of the network's forward passes of one batch.",
    "board_ram_fraction": "Of a run: the share itself, where a Jetson's monitor tells it.",
    "peak_memory": "Bytes that training takes, measured in three steps; not in the paper.",
    "mean_memory": "Bytes in training itself, mean over the epochs; not in the paper.",
}
# A table's columns beside network and source; the head where the paper has no such column.
_COLUMNS = {
    "params": "Params",
    "train_accuracy": "Train Acc",
    "test_accuracy": "Test Acc",
    "board_ram_fraction": "Board RAM",
    "peak_memory": "Peak Memory",
    "mean_memory": "Mean Memory",
    "epoch_time": "Time per Epoch",
    "batch_latency": "Inf. Time",
}


def table_views(sets: Sequence[RunSet]) -> List[View]:
    """Return each published table with the sets that stand beside it."""
    return [
        _table_view(table, [one for one in sets if nearest_table(one.identity) == table])
        for table in published().tables
    ]


def checks_view(checks: Sequence[CellCheck]) -> View:
    """Return what the authors' logs say of each cell that they tell, and of those they do not."""
    blocks = []
    for table in published().tables:
        of_table = [check for check in checks if check.cell.table == table]
        for label in dict.fromkeys(check.cell.label for check in of_table):
            blocks.append(tuple(_check_row(c) for c in of_table if c.cell.label == label))
    return View(
        "Published cells against the authors' logs",
        ("Table", "Row", "Column", "Printed", "From the log", "Verdict"),
        "lllrrl",
        tuple(blocks),
        remarks=tuple(summary(checks)),
    )


def logs_view(logs: Sequence[EpochLog]) -> View:
    """Return what each of the authors' logs says in all."""
    rows = tuple(
        (
            one["log"],
            str(one["epochs"]),
            f"{100 * one['train_accuracy_last']:.2f}%",
            f"{100 * one['val_accuracy_last']:.2f}%",
            f"{100 * one['val_accuracy_best']:.2f}% in {one['val_accuracy_best_epoch']}",
            f"{one['board_ram_fraction_mean']:.4f}",
            f"{one['board_ram_fraction_min']:.3f} to {one['board_ram_fraction_max']:.3f}",
            f"{one['epoch_time_mean_s']:.2f} s",
        )
        for one in (log.to_dict() for log in logs)
    )
    heads = (
        "Log",
        "Epochs",
        "Train Acc",
        "Val Acc",
        "Best Val Acc",
        "Mean RAM",
        "RAM",
        "Mean Time",
    )
    remark = "Accuracies: of the last epoch, and the best with its epoch. RAM: the board's, 0 to 1."
    return View("The authors' logs", heads, "l" + 7 * "r", (rows,), remarks=(remark,))


def about_runs(metric: str) -> Tuple[str, ...]:
    """Return what is to be known of a metric in the runs of this machine."""
    return (_OF_RUNS[metric],) if metric in _OF_RUNS else ()


def set_remarks(one: RunSet, table: PublishedTable) -> List[str]:
    """Return what is to be said of a set under its table: runs, seeds, differences in setting."""
    names = [row.name for row in one.rows]
    count = "1 run" if len(one.runs) == 1 else f"{len(one.runs)} runs"
    seeds = ", ".join(dict.fromkeys("–" if seed is None else str(seed) for seed in one.seeds))
    origins = f", begun with the weights of {', '.join(one.origins)}" if one.origins else ""
    lines = [f"{one.title}: {count} (seed {seeds}){origins}"]
    found = differences(one.identity, table, names)
    lines[0] += ". Other than in the paper: " + "; ".join(found) + "." if found else "."
    if not names:
        lines.append(f"{one.title}: holds none of the handcrafted networks.")
    if one.num_others:
        are = "candidate is" if one.num_others == 1 else "candidates are"
        lines.append(f"{one.title}: {one.num_others} searched {are} not shown.")
    return lines


def _table_view(table: PublishedTable, sets: Sequence[RunSet]) -> View:
    notes = Footnotes()
    texts = published().texts
    title = notes.mark(f"{table.name}: {table.task_title}", texts(table.notes))
    heads = ["Model", "Of"] if sets else ["Model"]
    for metric, head in _COLUMNS.items():
        column = next((c for c in table.columns.values() if c.metric == metric), None)
        about = texts(column.notes) if column else ()
        about += about_runs(metric) if sets else ()
        heads.append(notes.mark(column.heading if column else head, about))
    others = {row.network for one in sets for row in one.rows} - set(table.rows)
    blocks = [_block(table, network, sets, notes) for network in (*table.rows, *sorted(others))]
    return View(
        title,
        tuple(heads),
        ("ll" if sets else "l") + len(_COLUMNS) * "r",
        tuple(blocks),
        notes.texts,
        tuple(line for one in sets for line in set_remarks(one, table)),
    ).without_empty_columns()


def _block(
    table: PublishedTable, network: str, sets: Sequence[RunSet], notes: Footnotes
) -> Tuple[Tuple[str, ...], ...]:
    """Return a network's rows: the paper's, then one for each set that has it."""
    rows = []
    if network in table.rows:
        cells = [published().cell(table, network, metric) for metric in _COLUMNS]
        label = published().networks[network].label
        figures = ("–" if cell is None else notes.mark(cell.printed, cell.notes) for cell in cells)
        rows.append((label, *(("paper",) if sets else ()), *figures))
    for one in sets:
        for row in one.rows:
            if row.network == network:
                rows.append(_run_row(one, row, network in table.rows, notes))
    return tuple(rows)


def _run_row(one: RunSet, row: NetworkRow, is_published: bool, notes: Footnotes) -> Tuple[str, ...]:
    about = [] if is_published else [NO_ROW]
    name = notes.mark(row.name, about + row.failures)
    count = f"{one.title}, n={len(row.finished)}"
    return (name, count, *(_run_cell(row, metric, notes) for metric in _COLUMNS))


def _run_cell(row: NetworkRow, metric: str, notes: Footnotes) -> str:
    try:
        amount = row.amount(metric)
    except StudyError as err:
        return notes.mark("–", [str(err)])
    text = format_amount(metric, amount)
    is_part = amount is not None and amount.n != len(row.finished)
    return notes.mark(text, [f"Of {amount.n} of the runs."] if is_part and amount else [])


def _check_row(check: CellCheck) -> Tuple[str, ...]:
    cell = check.cell
    verdict = f"{check.verdict}: {check.reason}" if check.reason else check.verdict
    return (cell.table.name, cell.label, cell.column.heading, cell.printed, check.shown, verdict)
