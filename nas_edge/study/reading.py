"""Trials read from the storage without Optuna's objects around them: only what records are made of.

Optuna builds every parameter of every trial as an object of its database layer, 1.2 s for 1,000
trials. Here are two queries on its tables; where a later Optuna has other ones, its own reading is
the fallback. That both give the same is tested with the oldest and the newest Optuna.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence

from nas_edge.errors import StudyError


@dataclass(frozen=True)
class StoredTrial:
    """What `nas_edge.study.records` wants of a trial."""

    number: int
    state: Any
    user_attrs: Dict[str, Any] = field(default_factory=dict)


def damaged_trial(which: str, err: Exception) -> StudyError:
    """Return the error that says which trial's attributes something else has changed."""
    return StudyError(
        f"{which}: what the storage holds of its measurement is damaged "
        f"({type(err).__name__}: {err}); restore the storage, or delete this trial from it"
    )


def trials_of(study: Any, states: Optional[Sequence[Any]] = None) -> List[Any]:
    """Return a study's trials as Optuna reads them.

    Raises:
        StudyError: If one of them is damaged.
    """
    try:
        return list(study.get_trials(deepcopy=False, states=states))
    except json.JSONDecodeError as err:
        raise damaged_trial("one of the trials", err) from err


def read_trials(study: Any, storage: Any) -> Sequence[Any]:
    """Return a study's trials by number.

    Raises:
        StudyError: If one of them is damaged.
    """
    import sqlalchemy

    try:
        from optuna.storages._rdb import models

        trials, attributes = models.TrialModel, models.TrialUserAttributeModel
        all_trials = sqlalchemy.select(trials.trial_id, trials.number, trials.state).where(
            trials.study_id == study._study_id
        )
        all_attributes = (
            sqlalchemy.select(attributes.trial_id, attributes.key, attributes.value_json)
            .join(trials, trials.trial_id == attributes.trial_id)
            .where(trials.study_id == study._study_id)
        )
        engine = storage.engine
    except (ImportError, AttributeError):
        return trials_of(study)
    found: Dict[int, StoredTrial] = {}
    with engine.connect() as connection:
        for trial_id, number, state in connection.execute(all_trials):
            found[trial_id] = StoredTrial(number, state)
        for trial_id, key, value in connection.execute(all_attributes):
            if trial_id in found:  # not one that was made between the two queries
                found[trial_id].user_attrs[key] = _loaded(value, found[trial_id].number)
    ordered: List[StoredTrial] = sorted(found.values(), key=lambda trial: trial.number)
    return ordered


def _loaded(text: str, number: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as err:
        raise damaged_trial(f"trial {number}", err) from err
