"""What came of a trial, told to Optuna: values, constraint, reason, files, repeats."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Optional, Sequence

from nas_edge.candidate.judged import PRUNED
from nas_edge.candidate.measurement import Measurement
from nas_edge.study import records as attrs
from nas_edge.study.records import TrialRecord, direction_of
from nas_edge.study.samplers import CONSTRAINT_ATTR, writes_constraints
from nas_edge.study.session import Session
from nas_edge.study.storage import MYSQL_EPOCHS, keeps_every_epoch

WORST = 1e6  # of a cost that nobody has measured yet; a finite number, which Optuna demands


def tell(session: Session, trial: Any, measurement: Measurement) -> None:
    """Finish a trial: with its values, infeasible by constraint, or failed with its reason."""
    data = measurement.to_dict()
    history = data.pop("history")
    trial.set_user_attr(attrs.MEASUREMENT, {**data, "history": []})
    if history:
        trial.set_user_attr(attrs.HISTORY, _that_fits(session, history))
    _finish(session, trial, measurement)


def tell_copy(session: Session, trial: Any, known: TrialRecord) -> None:
    """Finish a trial of a known point: the sampler learns its values, nobody trains it again."""
    trial.set_user_attr(attrs.DUPLICATE_OF, known.number)
    _finish(session, trial, known.measurement)


def withdraw(session: Session, trial: Any, reason: str, duplicate_of: Optional[int]) -> None:
    """Finish a trial that another worker's makes needless; it is failed, and no candidate."""
    if duplicate_of is not None:
        trial.set_user_attr(attrs.DUPLICATE_OF, duplicate_of)
    _fail(session, trial, reason)


def upload(session: Session, trial: Any, files: Sequence[Path]) -> None:
    """Give files to Optuna's dashboard, once (before telling: a finished trial is closed)."""
    import optuna

    artifacts = optuna.artifacts
    session.folder.artifacts.mkdir(exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store = artifacts.FileSystemArtifactStore(base_path=str(session.folder.artifacts))
        there = {meta.filename for meta in artifacts.get_all_artifact_meta(trial)}
        for file in files:
            if file.name not in there:
                artifacts.upload_artifact(
                    artifact_store=store, file_path=str(file), study_or_trial=trial
                )


def _that_fits(session: Session, history: Sequence[Any]) -> Sequence[Any]:
    if keeps_every_epoch(session.folder.database_url, len(history)):
        return history
    step = -(-len(history) // MYSQL_EPOCHS)
    return [*history[:-1:step], history[-1]]


def _finish(session: Session, trial: Any, measurement: Measurement) -> None:
    if measurement.is_stopped:
        _prune(session, trial, measurement)
        return
    if not (measurement.is_finished or measurement.is_infeasible):
        _fail(session, trial, f"{measurement.outcome}: {measurement.reason}")
        return
    violation = 0.0
    if measurement.is_infeasible:
        violation = float(measurement.details.get("violation", 1.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trial.set_user_attr(CONSTRAINT_ATTR, violation)
        if not writes_constraints(session.sampler):
            # The dashboard reads infeasibility from what a sampler's constraints_func writes; these
            # samplers have none.
            storage, key = session.study._storage, "constraints"
            storage.set_trial_system_attr(trial._trial_id, key, [violation])
        values = [_value(session, measurement, name) for name in session.objectives]
        session.study.tell(trial, values)


def _prune(session: Session, trial: Any, measurement: Measurement) -> None:
    """Finish a trial that was stopped: no result for a sampler, and no failure.

    Optuna gets no intermediate values, which it cannot take where there are several objectives.
    """
    import optuna

    expected = measurement.details.get(PRUNED, {}).get("expected")
    if expected is not None:
        trial.set_user_attr(attrs.EXPECTED_ACCURACY, min(max(float(expected), 0.0), 1.0))
    trial.set_user_attr(attrs.STOPPED, measurement.reason)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session.study.tell(trial, state=optuna.trial.TrialState.PRUNED)


def _fail(session: Session, trial: Any, reason: str) -> None:
    import optuna

    trial.set_user_attr(attrs.FAILURE, reason)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session.study.tell(trial, state=optuna.trial.TrialState.FAIL)


def _value(session: Session, measurement: Measurement, objective: str) -> float:
    """Return the value Optuna is told.

    An infeasible candidate has no accuracy; Optuna wants a number beside its constraint. It gets
    the worst there is, or the memory that it needs at the least; no table of ours shows it.
    """
    metric = measurement.metrics.get(objective)
    if metric is not None:
        return metric.value
    details = measurement.details
    if objective in ("peak_memory", "mean_memory"):
        needs = details.get("needs_bytes", details.get("needs_more_than_bytes"))
        if needs is not None:
            return float(needs)
    if direction_of(objective) == "maximize":
        return 0.0
    known = [record.value(objective) for record in session.ledger.records]
    return max((value for value in known if value is not None), default=WORST)
