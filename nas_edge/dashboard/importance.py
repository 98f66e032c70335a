"""Which choices matter for an objective, by an evaluator that is named and needs milliseconds."""

from __future__ import annotations

import inspect
import warnings
from typing import Any, Dict, List

from nas_edge.dashboard.snapshot import Snapshot
from nas_edge.study.records import comparable, losses_of

LEAST_TRIALS = 10  # fewer say nothing
TOP_SHARE = 0.2  # of the candidates, against which all others are held


def importances(snapshot: Snapshot) -> Dict[str, Dict[str, float]]:
    """Return each objective's shares by choice; nothing where too few candidates finished.

    Infeasible candidates are left out: what Optuna holds as their values nobody measured.

    Source:
        PED-ANOVA, Watanabe et al. 2023, as Optuna has it.
    """
    import optuna

    finished = comparable(snapshot.records, snapshot.objectives)
    if len(finished) < LEAST_TRIALS:
        return {}
    by_number = {trial.number: trial for trial in snapshot.trials}
    losses = losses_of(finished, snapshot.objectives)
    found: Dict[str, Dict[str, float]] = {}
    for column, objective in enumerate(snapshot.objectives):
        trials: List[Any] = [
            optuna.trial.create_trial(
                params=by_number[record.number].params,
                distributions=by_number[record.number].distributions,
                value=float(losses[row, column]),
            )
            for row, record in enumerate(finished)
        ]
        shares = _shares(trials)
        if shares:
            found[objective] = shares
    return found


def _shares(trials: List[Any]) -> Dict[str, float]:
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # marked experimental in some versions
        study = optuna.create_study(
            storage=optuna.storages.InMemoryStorage(),
            direction="minimize",
            sampler=optuna.samplers.RandomSampler(seed=0),
        )
        study.add_trials(trials)
        kind: Any = optuna.importance.PedAnovaImportanceEvaluator
        names = inspect.signature(kind).parameters
        option = "target_quantile" if "target_quantile" in names else "baseline_quantile"  # 4.5
        evaluator = kind(**{option: TOP_SHARE})
        try:
            found = optuna.importance.get_param_importances(study, evaluator=evaluator)
        except (ValueError, RuntimeError):  # no choice is in all trials, or none differs
            return {}
    return {name: float(share) for name, share in found.items()}
