"""The front of one run or several as files for a paper: Markdown, LaTeX, CSV, PNG, SVG.

Every row of a table says its run where there are several. A figure has a pair of axes for each
group of runs that compare; figures of different sources or devices never share one.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, List, Optional, Sequence, Tuple, Union

from nas_edge.errors import ConfigError
from nas_edge.report.html import checked_out, write_out
from nas_edge.report.markup import latex_row, latex_text, markdown_row, markdown_text
from nas_edge.report.plain_figure import figure_bytes
from nas_edge.report.rows import (
    FrontRow,
    changes,
    format_figure,
    front_rows,
    metric_title,
    paper_record,
    shown_metrics,
    training_text,
)
from nas_edge.report.side_by_side import labels_of
from nas_edge.report.table_columns import HEADS, NARROW
from nas_edge.report.tables import front_csv
from nas_edge.study.run import Run

SUFFIXES = {"html": "html", "md": "md", "latex": "tex", "csv": "csv", "png": "png", "svg": "svg"}
TABLES = ("md", "latex", "csv")


def write_format(
    runs: Sequence[Run],
    kind: str,
    out: Optional[Path] = None,
    accuracy_frontier: Optional[float] = None,
) -> Path:
    """Write the front as a file of a kind, by default beside the first run's trials.

    Raises:
        ConfigError: If the kind is unknown, no run is given, the runs' objectives differ, or the
            path is no file.
        EnvironmentProblem: If the file cannot be written.
    """
    _check(runs, kind)
    path = out or runs[0].folder.path / f"report.{SUFFIXES[kind]}"
    checked_out(path)
    write_out(path, render_format(runs, kind, accuracy_frontier))
    return path


def render_format(
    runs: Sequence[Run], kind: str, accuracy_frontier: Optional[float] = None
) -> Union[str, bytes]:
    """Return what `write_format` writes.

    Raises:
        ConfigError: If the kind is unknown, no run is given, or the runs' objectives differ.
    """
    _check(runs, kind)
    if kind in TABLES:
        return table_text(runs, kind)
    return figure_bytes(runs, kind, accuracy_frontier)


def _check(runs: Sequence[Run], kind: str) -> None:
    if kind not in SUFFIXES or kind == "html":
        known = ", ".join(name for name in SUFFIXES if name != "html")
        raise ConfigError(f"the format must be one of {known}, but got {kind!r}")
    if not runs:
        raise ConfigError("a table or picture needs a run, but got none; give one of open_run")


def table_text(runs: Sequence[Run], kind: str) -> str:
    """Return the front and every reference as Markdown, LaTeX or CSV."""
    if kind == "csv":
        return _csv(runs)
    heads, rows = _cells(runs)
    num_texts = sum(head in ("run", "candidate", "training") for head in heads)
    return (_markdown if kind == "md" else _latex)(heads, rows, num_texts, _caption(runs))


def _cells(runs: Sequence[Run]) -> Tuple[List[str], List[List[str]]]:
    """Return heads and lines; columns of run and training only where they tell rows apart."""
    by_run = [front_rows(run.records, run.objectives) for run in runs]
    every = [row for rows in by_run for row in rows]
    objectives = list(dict.fromkeys(name for run in runs for name in run.objectives))
    metrics = [m for m in shown_metrics(every, objectives) if m in objectives or m in NARROW]
    has_training = any(training_text(row.record) for row in every)
    heads = ["run"] if len(runs) > 1 else []
    heads += ["candidate"] + (["training"] if has_training else [])
    heads += [HEADS.get(name, metric_title(name)) for name in metrics] + [
        "front",
        "against the paper's",
    ]
    lines = []
    for run, label, rows in zip(runs, labels_of(runs), by_run):
        paper = paper_record(run.records)
        for row in rows:
            line = [label] if len(runs) > 1 else []
            line += [row.record.name] + ([training_text(row.record)] if has_training else [])
            line += [format_figure(row.record, name) for name in metrics]
            line += ["yes" if row.is_on_front else "no", _against(row, paper, run.objectives)]
            lines.append(line)
    return heads, lines


def _against(row: FrontRow, paper: Any, objectives: Sequence[str]) -> str:
    measured = row.record.measurement
    if not measured.is_finished:
        return row.note
    if paper is None or not paper.measurement.is_finished or row.record is paper:
        return "–"
    return changes(measured, paper.measurement, objectives)


def _caption(runs: Sequence[Run]) -> str:
    """Say what the figures are: by run its device and what each objective was read from."""
    parts = []
    for run, label in zip(runs, labels_of(runs)):
        finished = [r.measurement for r in run.records if r.measurement.is_finished]
        if not finished:
            continue
        device = finished[0].device.get("name", "unnamed device")
        sources = "; ".join(
            f"{metric_title(name)}: {finished[0].metrics[name].source.partition(', epoch ')[0]}"
            for name in run.objectives
        )
        parts.append(f"{label} on {device}, seed {run.identity.get('seed', '–')} ({sources}).")
    return " ".join(parts)


def _markdown(
    heads: Sequence[str], rows: Sequence[Sequence[str]], num_texts: int, caption: str
) -> str:
    rule = ["---"] * num_texts + ["---:"] * (len(heads) - num_texts - 2) + ["---", "---"]
    lines = [markdown_row(heads), f"| {' | '.join(rule)} |", *map(markdown_row, rows)]
    return "\n".join([*lines, "", markdown_text(caption), ""])


def _latex(
    heads: Sequence[str], rows: Sequence[Sequence[str]], num_texts: int, caption: str
) -> str:
    columns = "l" * num_texts + "r" * (len(heads) - num_texts - 2) + "ll"
    body = [latex_row(row) for row in rows]
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}",
        f"\\caption{{{latex_text(caption)}}}",
        f"\\begin{{tabular}}{{{columns}}}",
        "\\toprule",
        latex_row(heads),
        "\\midrule",
        *body,
        "\\bottomrule",
        "\\end{tabular}",
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _csv(runs: Sequence[Run]) -> str:
    """Return exact figures with units in the heads; one run has the columns of `nas-edge front`."""
    if len(runs) == 1:
        return front_csv(front_rows(runs[0].records, runs[0].objectives), runs[0].objectives)
    objectives = list(dict.fromkeys(name for run in runs for name in run.objectives))
    by_run = [front_rows(run.records, run.objectives) for run in runs]
    every = [row for rows in by_run for row in rows]
    lines = list(csv.reader(io.StringIO(front_csv(every, objectives))))
    labels = [label for label, rows in zip(labels_of(runs), by_run) for _ in rows]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["run", *lines[0]])
    writer.writerows([label, *line] for label, line in zip(labels, lines[1:]))
    return out.getvalue()
