"""The front of networks with their noise: a point a network, and what speaks against each.

A point leaves this front only if another that costs no more is more accurate with at least the
confidence that is asked for (`nas_edge.pareto.confident_front`).
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from nas_edge.errors import ConfigError, StudyError
from nas_edge.pareto import (
    RepeatedFigure,
    confident_front,
    front_mask,
    interval_of,
    repeated_figure,
    to_losses,
)
from nas_edge.pareto.repeats import OWN, POOLED
from nas_edge.report.finalists import Mean
from nas_edge.report.finalists_verdict import percent
from nas_edge.report.repeats import Repeats, num_images_of, repeats_in
from nas_edge.report.rows import format_metric, unit_of
from nas_edge.report.table_columns import HEADS
from nas_edge.study.records import direction_of
from nas_edge.study.run import Run

ACCURACY = "val_accuracy"


@dataclass(frozen=True)
class ConfidentRow:
    """One network. ``deviation`` is of one training, and ``source`` says what it was taken from.

    ``rival`` is the network that is most probably more accurate at no more cost, with its
    ``probability``; None where none has a higher mean.
    """

    name: str
    reference: Optional[str]
    is_on_front: bool
    mean: Mean
    deviation: float
    source: str
    costs: Dict[str, float]
    rival: Optional[str]
    probability: float

    def to_dict(self) -> Dict[str, Any]:
        """Return plain data."""
        return {
            "name": self.name,
            "reference": self.reference,
            "on_front": self.is_on_front,
            "num_seeds": self.mean.num_seeds,
            ACCURACY: {"mean": self.mean.value, "low": self.mean.low, "high": self.mean.high},
            "standard_deviation": self.deviation,
            "deviation_from": self.source,
            **self.costs,
            "rival": self.rival,
            "rival_probability": self.probability,
        }


@dataclass(frozen=True)
class NoisyFront:
    """The networks on the front and the handcrafted ones, by the first cost; what noise is known.

    ``costs`` holds the unit of each; ``confidence`` is None for the front of the means.
    """

    rows: Tuple[ConfidentRow, ...]
    costs: Mapping[str, str]
    confidence: Optional[float]
    note: str


def noisy_front(
    runs: Sequence[Run], labels: Sequence[str], confidence: Optional[float] = None
) -> NoisyFront:
    """Return the front of one run or of several that repeat each other.

    Args:
        runs: One, or several that differ in the seed alone.
        labels: A name a run.
        confidence: From 0.5 to below 1; None for the front of the means.
    Raises:
        ConfigError: If accuracy is none of the objectives.
        StudyError: If the runs differ in more than the seed, their figures do not compare, or
            nothing tells the noise.
    """
    objectives = runs[0].objectives
    if ACCURACY not in objectives:
        raise ConfigError(
            f"{runs[0].folder.path}: must have {ACCURACY} among its objectives to take its noise "
            f"into account, but has {', '.join(objectives)}"
        )
    names = [name for name in objectives if name != ACCURACY]
    units = {name: unit_of(name, runs[0].records) for name in names}
    networks = repeats_in(runs, labels)
    if not networks:
        return NoisyFront((), units, confidence, "no candidate has finished")
    num_images = num_images_of(ACCURACY, runs[0].identity)
    accuracies = [one.accuracies(ACCURACY) for one in networks]
    if num_images is None and all(len(values) == 1 for values in accuracies):
        raise StudyError(
            f"{runs[0].folder.path}: must have networks with several seeds, or say how many "
            "validation images it has: else nothing tells the noise; give runs of other seeds too"
        )
    figure = repeated_figure(accuracies, num_images)
    rows = _rows(networks, figure, names, confidence)
    shown = [row for row in rows if row.is_on_front or row.reference]
    shown.sort(key=lambda row: row.costs[names[0]])
    return NoisyFront(tuple(shown), units, confidence, _note(figure, num_images))


def noisy_table(front: NoisyFront, title: str) -> Any:
    """Return a rich table of the front with its intervals and rivals."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", header_style="bold")
    table.add_column("", no_wrap=True, width=1)
    table.add_column("candidate")
    table.add_column("seeds", justify="right", no_wrap=True)
    table.add_column(f"{HEADS[ACCURACY]} (95%)", justify="right", no_wrap=True)
    for name in front.costs:
        table.add_column(Text(HEADS.get(name, name)), justify="right", no_wrap=True)
    table.add_column("most against it")
    for row in front.rows:
        cells = ["●" if row.is_on_front else "○", row.name, str(row.mean.num_seeds)]
        cells.append(row.mean.text(ACCURACY))
        cells += [format_metric(name, row.costs[name], unit) for name, unit in front.costs.items()]
        cells.append("" if row.rival is None else f"{row.rival}: {percent(row.probability)}")
        table.add_row(*map(Text, cells), style="bold" if row.reference else "")
    table.caption = "\n".join(_captions(front))
    table.caption_justify = "left"
    return table


def noisy_json(front: NoisyFront, head: Mapping[str, Any]) -> str:
    """Return the front as JSON; memory in bytes, accuracies as shares."""
    about = {"confidence": front.confidence, "noise": front.note}
    return json.dumps({**head, **about, "rows": [row.to_dict() for row in front.rows]}, indent=1)


def noisy_csv(front: NoisyFront) -> str:
    """Return the front as CSV, in the units of JSON."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    accuracy = [ACCURACY, f"{ACCURACY}_low", f"{ACCURACY}_high"]
    ends = ["standard_deviation", "deviation_from", "rival", "rival_probability"]
    writer.writerow(["name", "on_front", "num_seeds", *accuracy, *front.costs, *ends])
    for row in front.rows:
        figures = [row.mean.value, row.mean.low, row.mean.high]
        figures += [row.costs[name] for name in front.costs]
        writer.writerow(
            [row.name, row.is_on_front, row.mean.num_seeds]
            + ["" if value is None else f"{value:.10g}" for value in figures]
            + [f"{row.deviation:.10g}", row.source, row.rival or "", f"{row.probability:.10g}"]
        )
    return out.getvalue()


def _rows(
    networks: Sequence[Repeats],
    figure: RepeatedFigure,
    names: Sequence[str],
    confidence: Optional[float],
) -> List[ConfidentRow]:
    costs = to_losses(
        [[one.cost(name) for name in names] for one in networks],
        [direction_of(name) for name in names],
    )
    found = confident_front(figure, costs, 0.5 if confidence is None else confidence)
    is_on_front = found.is_on_front
    if confidence is None:
        is_on_front = front_mask(np.column_stack([-figure.means, costs]))
    lows, highs = interval_of(figure)
    rivals = [None if i < 0 else networks[i].name for i in found.rivals]
    return [
        ConfidentRow(
            name=one.name,
            reference=one.reference,
            is_on_front=bool(is_on_front[i]),
            mean=Mean(
                float(figure.means[i]),
                max(float(lows[i]), 0.0),
                min(float(highs[i]), 1.0),
                int(figure.counts[i]),
            ),
            deviation=float(figure.deviations[i]),
            source=figure.sources[i],
            costs={name: one.cost(name) for name in names},
            rival=rivals[i],
            probability=float(found.probabilities[i]),
        )
        for i, one in enumerate(networks)
    ]


def _captions(front: NoisyFront) -> List[str]:
    if front.confidence is None:
        what = "● on the front of the means"
    else:
        what = (
            f"● on the front: none that costs no more is better with {front.confidence:.0%} "
            "confidence"
        )
    return [f"{what}   ○ not on it   bold: handcrafted", front.note]


def _note(figure: RepeatedFigure, num_images: Optional[int]) -> str:
    """Return where the standard deviations are from."""
    num_own = sum(source == OWN for source in figure.sources)
    if num_own == len(figure.sources):
        return "Standard deviations are each network's own, over its seeds."
    if num_own:
        pooled = figure.deviations[figure.sources.index(POOLED)]
        return (
            f"{num_own} of {len(figure.sources)} networks have repeats; all others take the "
            f"standard deviation pooled over these, {100 * pooled:.1f} points."
        )
    return (
        f"No network has repeats: the noise is that of {num_images} validation images (binomial), "
        "and seeds add to it; nas-edge finalize measures them."
    )
