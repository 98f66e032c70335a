"""Optuna's study, made or opened again: only as what it was, and only by one process a folder."""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from typing import Any, Dict, List, Mapping, Sequence

from nas_edge.errors import StudyError
from nas_edge.study.identity import (
    FORMAT,
    FORMAT_ATTR,
    IDENTITY_ATTR,
    OPTUNA_ATTR,
    check_same,
    check_versions,
)
from nas_edge.study.records import direction_of
from nas_edge.study.run_folder import RunFolder
from nas_edge.study.storage import mask

CREATION_S = 15.0  # how long another worker may take between making the study and describing it


def open_study(
    storage: Any, folder: RunFolder, objectives: Sequence[str], identity: Mapping[str, Any]
) -> Any:
    """Return Optuna's study, new or one that may go on.

    Raises:
        StudyError: If it is another study; it says what differs.
        EnvironmentProblem: If its storage cannot be opened.
    """
    import optuna

    where = mask(folder.database_url) if folder.storage_url else str(folder.path)
    study = _create_or_load(storage, folder, objectives, identity, where)
    check_versions(study.user_attrs, optuna.__version__, where)
    check_same(study.user_attrs[IDENTITY_ATTR], plain(identity), where, folder.anew)
    return study


def plain(identity: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the identity as the storage gives it back.

    Raises:
        StudyError: If it is not plain data.
    """
    try:
        data: Dict[str, Any] = json.loads(json.dumps(identity))
    except (TypeError, ValueError) as err:
        raise StudyError(
            f"identity must be plain data (numbers, texts, lists, mappings): {err}"
        ) from err
    return data


def digest_of(identity: Mapping[str, Any]) -> str:
    """Return a short digest: equal for measurements that may stand in one study."""
    text = json.dumps(plain(identity), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _create_or_load(
    storage: Any,
    folder: RunFolder,
    objectives: Sequence[str],
    identity: Mapping[str, Any],
    where: str,
) -> Any:
    import optuna

    sampler = optuna.samplers.RandomSampler(seed=0)
    directions: List[Any] = [direction_of(objective) for objective in objectives]
    name = folder.study_name
    try:
        study = optuna.create_study(
            storage=storage, study_name=name, directions=directions, sampler=sampler
        )
    except optuna.exceptions.DuplicatedStudyError:
        study = optuna.load_study(storage=storage, study_name=name, sampler=sampler)
        if not _is_left_unfinished(study, folder):
            return study
        if [d.name.lower() for d in study.directions] != directions:
            raise StudyError(
                f"{where}: holds a study {name!r} with other objectives; give this one another name"
            ) from None
    _describe(study, objectives, identity)
    return study


def _describe(study: Any, objectives: Sequence[str], identity: Mapping[str, Any]) -> None:
    """Say what the study is; the format comes last and says that the rest is there."""
    import optuna

    study.set_user_attr(OPTUNA_ATTR, optuna.__version__)
    study.set_user_attr(IDENTITY_ATTR, plain(identity))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # marked experimental
        study.set_metric_names(list(objectives))
    study.set_user_attr(FORMAT_ATTR, FORMAT)


def _is_left_unfinished(study: Any, folder: RunFolder) -> bool:
    """Return whether its maker was cut off before it said what the study is.

    Another worker of a shared storage may be saying it just now: that is waited for.
    """
    deadline = time.monotonic() + (CREATION_S if folder.storage_url else 0.0)
    while True:
        attributes = study.user_attrs
        is_ours = set(attributes) <= {OPTUNA_ATTR, IDENTITY_ATTR}
        if not is_ours or study.get_trials(deepcopy=False):
            return False
        if time.monotonic() >= deadline:
            return True
        time.sleep(0.2)
