"""Stopping a candidate that cannot reach the front any more, and how often that was wrong.

Its costs are known before it trains, so only finished candidates that need no more of any of them
can dominate it: it is stopped once even an optimistic extrapolation of its curve stays below the
best of them. Of these verdicts a share is not carried out, which shows how good they are.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy as np

from nas_edge.candidate.judged import PRUNED, Judge, Row
from nas_edge.candidate.known import KNOWN_BEFORE_TRAINING
from nas_edge.candidate.measurement import Metric
from nas_edge.config.study import PrunerConfig, RecipeConfig
from nas_edge.pareto import ranks
from nas_edge.prediction.curves import CurveExtrapolation
from nas_edge.study.known_points import ACCURACY
from nas_edge.study.records import TrialRecord
from nas_edge.study.samplers import trial_seed
from nas_edge.study.storage import keeps_every_epoch

LOSS = "val_loss"


@dataclass(frozen=True)
class Verdict:
    """Why a candidate is stopped after an epoch.

    Args:
        epoch: After which.
        expected: The accuracy that its curve leads to; None after a screen.
        upper: What it reaches at most; None after a screen.
        beaten_by: The number of the finished candidate that it cannot reach any more; None after a
            screen.
        beaten_accuracy: That one's accuracy.
        is_audit: Whether it trains on nevertheless, to see whether this was right.
        reason: The sentence.
    """

    epoch: int
    expected: Optional[float]
    upper: Optional[float]
    beaten_by: Optional[int]
    beaten_accuracy: Optional[float]
    reason: str
    is_audit: bool = False

    def to_dict(self) -> Dict[str, Any]:
        """Return plain data."""
        return asdict(self)


class Pruner:
    """Judges the candidates of one study by its records.

    Args:
        config: The rule.
        objectives: The study's.
        recipe: Of a whole training.
        seed: The study's; decides which verdicts are audited.
    """

    def __init__(
        self, config: PrunerConfig, objectives: Sequence[str], recipe: RecipeConfig, seed: int
    ) -> None:
        self._config = config
        self._costs = [name for name in objectives if name != ACCURACY]
        self._epochs = recipe.epochs
        self._keeps_best = recipe.weights == "best"
        self._seed = seed
        self._first_epoch = max(ceil(config.start * recipe.epochs), 1)

    def judge_of(self, number: int, records: Sequence[TrialRecord]) -> Judge:
        """Return what judges a candidate's epochs by the records that there are now."""
        whole = [record for record in records if self._has_curve(record, self._epochs)]
        if self._config.name == "screen":
            begun = [r for r in records if self._has_curve(r, self._first_epoch)]
            return lambda rows, known: self._screened(rows, known, begun)
        draw = random.Random(trial_seed(self._seed, number, "audit"))
        is_audit = draw.random() < self._config.audit
        return lambda rows, known: self._against_front(rows, known, whole, is_audit)

    def _has_curve(self, record: TrialRecord, epochs: int) -> bool:
        history = record.measurement.history
        has_costs = all(name in record.measurement.metrics for name in self._costs)
        is_usable = record.measurement.is_finished or epochs < self._epochs
        return is_usable and has_costs and len(history) >= epochs and _is_whole(history[:epochs])

    def _against_front(
        self,
        rows: Sequence[Row],
        known: Mapping[str, Metric],
        finished: Sequence[TrialRecord],
        is_audit: bool,
    ) -> Optional[Verdict]:
        """Return the verdict where the best that needs no more cannot be reached."""
        epoch = len(rows)
        if not self._first_epoch <= epoch < self._epochs or not _is_whole(rows):
            return None
        if len(finished) < self._config.min_curves:
            return None
        cheaper = [record for record in finished if self._needs_no_more(record, known)]
        if not cheaper:
            return None
        best = max(cheaper, key=_accuracy)
        found = CurveExtrapolation(
            np.array([_curve(record.measurement.history[: self._epochs]) for record in finished]),
            np.array([_accuracy(record) for record in finished]),
            self._config.confidence,
        ).extrapolate(np.array(_curve(rows)))
        # Of a training whose best weights count, the best so far is there already.
        has = max(row[ACCURACY] for row in rows) if self._keeps_best else 0.0
        if found is None or max(found.upper, has) >= _accuracy(best):
            return None
        expected, upper = max(found.expected, has), max(found.upper, has)
        reason = (
            f"after epoch {epoch} of {self._epochs} it leads to {100 * expected:.1f}% at "
            f"most {100 * upper:.1f}%, below {best.name} with {100 * _accuracy(best):.1f}% "
            "at no higher cost"
        )
        return Verdict(
            epoch,
            expected,
            upper,
            best.number,
            _accuracy(best),
            reason,
            is_audit,
        )

    def _needs_no_more(self, record: TrialRecord, known: Mapping[str, Metric]) -> bool:
        mine = record.measurement.metrics
        return all(mine[name].value <= known[name].value for name in self._costs)

    def _screened(
        self, rows: Sequence[Row], known: Mapping[str, Metric], begun: Sequence[TrialRecord]
    ) -> Optional[Verdict]:
        """Return the verdict unless the candidate is among the best share of all so far."""
        epoch = len(rows)
        if epoch != self._first_epoch or epoch == self._epochs or not _is_whole(rows):
            return None
        own = [_last(rows), *(known[name].value for name in self._costs)]
        others = [
            [
                _last(record.measurement.history[:epoch]),
                *(record.measurement.metrics[name].value for name in self._costs),
            ]
            for record in begun
        ]
        losses = np.array([own, *others]) * [-1.0, *[1.0] * len(self._costs)]
        order = np.lexsort((losses[:, 0], ranks(losses)))
        place = int(np.flatnonzero(order == 0)[0]) + 1
        promoted = max(ceil(self._config.promote * len(losses)), 1)
        if place <= promoted:
            return None
        reason = (
            f"after epoch {epoch} of {self._epochs} it is number {place} of {len(losses)}, "
            f"of which the best {promoted} train on"
        )
        return Verdict(epoch, None, None, None, None, reason)


def pruner_of(
    config: PrunerConfig,
    objectives: Sequence[str],
    recipe: RecipeConfig,
    seed: int,
    database_url: str = "",
) -> Optional[Pruner]:
    """Return a study's pruner; None where none is wanted or `why_no_pruner` says why not."""
    if config.name == "none" or why_no_pruner(objectives, recipe.epochs, database_url):
        return None
    return Pruner(config, objectives, recipe, seed)


def why_no_pruner(objectives: Sequence[str], epochs: int = 0, database_url: str = "") -> str:
    """Return why no candidate of a study can be stopped, "" if it can."""
    if not keeps_every_epoch(database_url, epochs):
        return f"the database keeps only some of {epochs} epochs"
    unknown = [n for n in objectives if n not in (ACCURACY, *KNOWN_BEFORE_TRAINING)]
    if unknown:
        return f"{' and '.join(unknown)} is not known before a training ends"
    return "" if ACCURACY in objectives else f"{ACCURACY} is no objective"


@dataclass(frozen=True)
class PruningSummary:
    """What stopping did: candidates, epochs not trained of all, verdicts audited and wrong ones."""

    stopped: int
    saved_share: float
    audited: int
    wrong: int

    @property
    def sentence(self) -> str:
        """In words; "" where nothing was stopped or audited."""
        if not self.stopped and not self.audited:
            return ""
        text = (
            f"{self.stopped} stopped early, {100 * self.saved_share:.0f}% of the epochs saved"
            if self.stopped
            else "none stopped early"
        )
        if not self.audited:
            return text
        wrong = f"{self.wrong} of them wrong" if self.wrong else "none of them wrong"
        return f"{text}; {self.audited} trained on to check the verdict, {wrong}"


def summarise_pruning(records: Sequence[TrialRecord]) -> PruningSummary:
    """Return what stopping did in a study."""
    trained = [record for record in records if record.measurement.history]
    whole = max((len(record.measurement.history) for record in trained), default=0)
    stopped = [record for record in trained if record.measurement.is_stopped]
    audited = [
        record
        for record in trained
        if record.measurement.is_finished and PRUNED in record.measurement.details
    ]
    saved = sum(whole - len(record.measurement.history) for record in stopped)
    wrong = [r for r in audited if _accuracy(r) > r.measurement.details[PRUNED]["beaten_accuracy"]]
    return PruningSummary(
        len(stopped), saved / (whole * len(trained)) if trained else 0.0, len(audited), len(wrong)
    )


def _accuracy(record: TrialRecord) -> float:
    return record.measurement.metrics[ACCURACY].value


def _curve(rows: Sequence[Row]) -> List[List[float]]:
    return [[row[ACCURACY], row[LOSS]] for row in rows]


def _last(rows: Sequence[Row]) -> float:
    return float(rows[-1][ACCURACY])


def _is_whole(rows: Sequence[Row]) -> bool:
    """Whether every epoch from the first on is there with what it is judged by."""
    return bool(rows) and all(
        row.get("epoch") == place
        and all(isinstance(row.get(name), (int, float)) for name in (ACCURACY, LOSS))
        for place, row in enumerate(rows, 1)
    )
