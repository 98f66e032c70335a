"""What matters first: which candidate beats the paper's configuration, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import mean, stdev
from typing import Any, List, Mapping, Optional, Sequence, Tuple

from nas_edge.candidate.measurement import METRICS
from nas_edge.errors import StudyError
from nas_edge.report.chance import ACCURACY, Chance, chance_of, reversal
from nas_edge.report.finalists import Finalists, best_finalist, finalists_of
from nas_edge.report.finalists_verdict import finalists_certainty, finalists_sentence
from nas_edge.report.repeats import differ_in_seed_alone, num_images_of
from nas_edge.report.rows import (
    against_paper,
    changes,
    format_figure,
    metric_title,
    paper_record,
)
from nas_edge.study.records import TrialRecord, comparable, direction_of
from nas_edge.study.run import Run


@dataclass(frozen=True)
class Verdict:
    """The sentence, how its figures were measured, how sure it is; the candidate it names."""

    sentence: str
    measured: str
    certainty: str
    number: Optional[int]


def verdict_of(run: Run, runs: Sequence[Run] = ()) -> Verdict:
    """Return a run's verdict: by its finalists' test accuracy where they were trained.

    Without them, other runs may hold the same two networks with other seeds.
    """
    finalists = finalists_of(run)
    if finalists is not None and finalists.paper is not None and finalists.paper.means:
        return _of_finalists(run, finalists)
    found = verdict_on(run.records, run.objectives, run.identity)
    paper = paper_record(run.records)
    if paper is None or found.number is None:
        return found
    repeated = _over_seeds(run, runs, run.record(found.number), paper)
    return replace(found, certainty=repeated) if repeated else found


def verdict_on(
    records: Sequence[TrialRecord], objectives: Sequence[str], identity: Mapping[str, Any]
) -> Verdict:
    """Return what one run's search says by itself; ``identity`` tells the number of images."""
    paper = paper_record(records)
    if paper is None or not paper.measurement.is_finished:
        return Verdict(_no_paper(paper), "", "", None)
    best = _winner(records, objectives)
    shown = best or _trade(records, paper, objectives)
    if shown is None:
        sentence = f"{_none_beats(paper)}."
        return Verdict(sentence, _measured(paper, objectives), "", None)
    num_images = (num_images_of(ACCURACY, identity) or 0) if ACCURACY in objectives else 0
    chance = chance_of(shown, paper, num_images)
    if best is None:
        gains = changes(shown.measurement, paper.measurement, objectives)
        sentence = f"{_none_beats(paper)}; what comes nearest is {shown.name}: {gains}."
    elif chance is not None and chance.is_within:
        sentence = _within_chance(best, paper, objectives, chance)
    else:
        sentence = _beats(records, best, paper, objectives, num_images)
    return Verdict(
        " ".join(filter(None, [sentence, reversal(shown, paper)])),
        _measured(paper, objectives),
        _once(chance),
        shown.number,
    )


def _of_finalists(run: Run, found: Finalists) -> Verdict:
    assert run.finalists is not None
    best = best_finalist(found)
    trained = [r for r in run.finalists.records if r.measurement.is_finished]
    return Verdict(
        finalists_sentence(found),
        _measured(trained[0], [found.judge, "peak_memory"]),
        finalists_certainty(found),
        None if best is None else best.number,
    )


def verdict(records: Sequence[TrialRecord], objectives: Sequence[str]) -> str:
    """Return the sentence alone, where nothing is known of the images."""
    return verdict_on(records, objectives, {}).sentence


def _no_paper(paper: Optional[TrialRecord]) -> str:
    if paper is None:
        return "The paper's configuration is not among the candidates."
    reason = paper.measurement.reason
    return f"The paper's configuration ({paper.name}) has no figures: {reason}."


def _none_beats(paper: TrialRecord) -> str:
    return f"No candidate beats the paper's configuration ({paper.name}) on every axis"


def _beats(
    records: Sequence[TrialRecord],
    best: TrialRecord,
    paper: TrialRecord,
    objectives: Sequence[str],
    num_images: int,
) -> str:
    others = 0
    for record in _dominators(records, objectives):
        chance = chance_of(record, paper, num_images)
        others += record is not best and (chance is None or not chance.is_within)
    more = "" if not others else f"; {others} other{'s do' if others > 1 else ' does'}, too"
    axes = ", ".join(_axis(best, paper, name) for name in objectives)
    return f"{_begun(best.name)} beats the paper's configuration ({paper.name}): {axes}{more}."


def _within_chance(
    best: TrialRecord, paper: TrialRecord, objectives: Sequence[str], chance: Chance
) -> str:
    """Say what the other axes gain, where chance alone explains the accuracies' difference."""
    axes = ", ".join(_axis(best, paper, name) for name in objectives if name != ACCURACY)
    return (
        f"{_begun(best.name)} is as accurate as the paper's configuration ({paper.name}) within "
        f"chance ({100 * chance.difference:+.1f} points val accuracy, chance is "
        f"{100 * chance.reach:.1f}): {axes}."
    )


def _dominators(records: Sequence[TrialRecord], objectives: Sequence[str]) -> List[TrialRecord]:
    relations = against_paper(records, objectives)
    return [record for record in records if relations.get(record.number) == "dominates"]


def _winner(records: Sequence[TrialRecord], objectives: Sequence[str]) -> Optional[TrialRecord]:
    """Return, of those that dominate the paper's network, the one that gains most in sum."""
    paper, better = paper_record(records), _dominators(records, objectives)
    if paper is None or not better:
        return None
    return max(better, key=lambda record: _gain(record, paper, objectives))


def _trade(
    records: Sequence[TrialRecord], paper: TrialRecord, objectives: Sequence[str]
) -> Optional[TrialRecord]:
    """Return, of those better in one axis and worse in another, the one that loses least."""
    relations = against_paper(records, objectives)
    mixed = [record for record in records if relations.get(record.number) == "incomparable"]
    return max(mixed, key=lambda r: min(_gains(r, paper, objectives))) if mixed else None


def _gain(record: TrialRecord, paper: TrialRecord, objectives: Sequence[str]) -> float:
    return sum(_gains(record, paper, objectives))


def _gains(record: TrialRecord, paper: TrialRecord, objectives: Sequence[str]) -> List[float]:
    """Return the relative gain in each objective, in its own direction; 0 where there is none."""
    gains = []
    for name in objectives:
        value, other = record.value(name), paper.value(name)
        sign = 1.0 if direction_of(name) == "maximize" else -1.0
        gains.append(0.0 if value is None or not other else sign * (value / other - 1.0))
    return gains


def _axis(record: TrialRecord, paper: TrialRecord, name: str) -> str:
    own, base = record.value(name), paper.value(name)
    if own == base:
        return f"{metric_title(name)} the same {format_figure(record, name)}"
    change = changes(record.measurement, paper.measurement, [name])
    amount = change[: -len(metric_title(name))].strip()
    return (
        f"{metric_title(name)} {format_figure(record, name)} against {format_figure(paper, name)}"
        + (f" ({amount})" if amount else "")
    )


def _measured(paper: TrialRecord, objectives: Sequence[str]) -> str:
    device = paper.measurement.device.get("name")
    sources = "; ".join(
        f"{metric_title(name)}: {plain_source(paper.measurement.metrics[name].source)}"
        for name in objectives
        if name in paper.measurement.metrics
    )
    return f"{'On ' + str(device) + ' – ' if device else ''}{sources}."


def plain_source(source: str) -> str:
    """Return a figure's source without the epoch that it was read at."""
    return source.partition(", epoch ")[0]


def _once(chance: Optional[Chance]) -> str:
    text = "Each network was trained once, from one seed"
    return (
        f"{text}: a small difference may be chance."
        if chance is None
        else (f"{text}. {chance.sentence}")
    )


def _over_seeds(run: Run, runs: Sequence[Run], best: TrialRecord, paper: TrialRecord) -> str:
    """The gain over runs, each of another seed and alike in all else, that trained both."""
    pairs: List[Tuple[TrialRecord, TrialRecord]] = [(best, paper)]
    counted = [run]  # a copy of a run is no further sample
    for other in runs:
        if not all(differ_in_seed_alone(one, other) for one in counted):
            continue
        found = {r.key: r for r in other.records if r.measurement.is_finished}
        if best.key in found and paper.key in found:
            pairs.append((found[best.key], found[paper.key]))
            counted.append(other)
    try:
        comparable([record for pair in pairs for record in pair], run.objectives)
    except StudyError:
        return ""
    if len(pairs) < 2:
        return ""
    parts = [_spread(pairs, name) for name in run.objectives]
    return f"Over {len(pairs)} seeds, mean ± standard deviation: {', '.join(parts)}."


def _spread(pairs: Sequence[Tuple[TrialRecord, TrialRecord]], name: str) -> str:
    is_share = name in METRICS and METRICS[name].unit == "share"
    gains = []
    for own, base in pairs:
        a, b = own.measurement.metrics[name].value, base.measurement.metrics[name].value
        gains.append(100 * (a - b) if is_share else 100 * (a / b - 1) if b else 0.0)
    unit = " points" if is_share else "%"
    return f"{mean(gains):+.1f} ± {stdev(gains):.1f}{unit} {metric_title(name)}"


def _begun(name: str) -> str:
    """A trial's number may begin a sentence; a network's name stays as it is."""
    return f"Trial {name[6:]}" if name.startswith("trial ") else name
