"""What the finalists say of the paper's configuration, in a sentence and how sure it is."""

from __future__ import annotations

from typing import List, Optional, Tuple

from nas_edge.report.finalists import FinalistRow, Finalists, best_finalist
from nas_edge.report.rows import format_metric, metric_title

EVEN = 0.5


def finalists_sentence(found: Finalists) -> str:
    """Return whether a finalist beats the paper's configuration, and by how much.

    The finalists must have the paper's configuration among them, with figures.
    """
    paper, best = found.paper, best_finalist(found)
    assert paper is not None
    if best is None:
        return (
            f"No finalist trains in less memory than the paper's configuration ({paper.name}), "
            f"whose {metric_title(found.judge)} is {paper.means[found.judge].text(found.judge)}."
        )
    what = f"the paper's configuration ({paper.name})"
    axes = ", ".join(_axes(found, best, paper))
    chance = best.probability or 0.0
    if chance < EVEN:
        return (
            f"No finalist is as accurate as {what} in less memory with more than even odds; what "
            f"comes nearest is {best.name} ({_percent(chance)}): {axes}."
        )
    begun = best.name[:1].upper() + best.name[1:] if best.reference is None else best.name
    return f"{begun} beats {what} with a probability of {_percent(chance)}: {axes}."


def finalists_certainty(found: Finalists) -> str:
    """Return what the probability is and what the figures rest on."""
    paper, best = found.paper, best_finalist(found)
    counts = sorted({len(row.seeds) for row in (paper, best) if row is not None})
    seeds = " and ".join(map(str, counts)) + (" seed" if counts == [1] else " seeds")
    rivals = sum(row.probability is not None for row in found.rows)
    lines = [
        f"Means over {seeds}, in brackets Student's 95% interval. The probability is 0 where "
        "memory is not lower; else that of a mean accuracy not below the paper's (Welch's t).",
    ]
    if best is not None and rivals > 1:
        lines.append(f"It is the highest of {rivals}, and of many the highest looks too high.")
    return " ".join([*lines, *found.notes])


def finalist_line(row: FinalistRow, judge: str) -> str:
    """Return one network's result in a line, e.g. for `nas-edge show`."""
    if judge not in row.means:
        return f"finalist: no figures ({row.failures[0] if row.failures else 'not trained'})"
    mean = row.means[judge]
    seeds = f"{mean.num_seeds} seed" + ("" if mean.num_seeds == 1 else "s")
    chance = ""
    if row.probability is not None:
        chance = f"; dominates the paper's with a probability of {_percent(row.probability)}"
    return f"finalist: {metric_title(judge)} {mean.text(judge)} over {seeds}{chance}"


def percent(chance: Optional[float]) -> str:
    """Return a probability for a table; a dash where there is none."""
    return "–" if chance is None else _percent(chance)


def _axes(found: Finalists, best: FinalistRow, paper: FinalistRow) -> Tuple[str, str]:
    judge = found.judge
    accuracy = (
        f"{metric_title(judge)} {best.means[judge].text(judge)} against "
        f"{paper.means[judge].text(judge)}"
    )
    parts: List[str] = [format_metric("peak_memory", row.peak_bytes) for row in (best, paper)]
    change = 100 * ((best.peak_bytes or 0.0) / (paper.peak_bytes or 1.0) - 1)
    memory = f"{metric_title('peak_memory')} {parts[0]} against {parts[1]} ({change:+.0f}%)"
    return accuracy, memory


def _percent(chance: float) -> str:
    """Return a probability; never a certainty that three seeds cannot give."""
    if 0 < chance < 0.01:
        return "<1%"
    return ">99%" if 0.99 < chance <= 1 else f"{100 * chance:.0f}%"
