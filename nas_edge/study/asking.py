"""Trials and their points: asked for anew, taken up again after a cut, drawn where none is new.

A point depends on the study's history and the trial's number alone, so that a study that was
interrupted, wherever it was, goes on as if it had not been.
"""

from __future__ import annotations

import json
import random
import warnings
from typing import Any, List, Mapping, Tuple

from nas_edge.errors import SpaceError, StudyError
from nas_edge.study import records as attrs
from nas_edge.study.draw import draw_unseen
from nas_edge.study.reading import trials_of
from nas_edge.study.samplers import build_sampler, trial_seed
from nas_edge.study.session import Session


def enqueue_references(session: Session) -> None:
    """Enqueue each handcrafted point once, also after a cut in the middle of this.

    Raises:
        SpaceError: If one is not in the space.
        StudyError: If the study has another point of that name.
    """
    references: Mapping[str, Any] = getattr(session.space, "references", {})
    there = {
        trial.user_attrs[attrs.REFERENCE]: trial.user_attrs.get(attrs.KEY)
        for trial in trials_of(session.study)
        if attrs.REFERENCE in trial.user_attrs and not _is_lost(session, trial)
    }
    for name, point in references.items():
        key = session.space.key(point)
        if there.get(name) not in (None, key):
            raise StudyError(
                f"{session.folder.path}: holds {name} as another point, e.g. with other weights to "
                "begin with; give this one a folder of its own with --out"
            )
        if name not in there:
            if not session.space.contains(point):
                raise SpaceError(f"the reference {name!r} must be a point of the space, but is not")
            about = {
                attrs.REFERENCE: name,
                attrs.KEY: key,
                attrs.POINT: session.plain(point),
            }
            session.study.enqueue_trial(session.space.parameters(point), user_attrs=about)


def cut_off_trials(session: Session) -> List[Tuple[Any, Any]]:
    """Return this run's trials that began and did not end: its lock is ours, so they are dead."""
    import optuna

    states = (optuna.trial.TrialState.RUNNING,)
    cut_off = []
    for frozen in trials_of(session.study, states):
        worker = frozen.user_attrs.get(attrs.WORKER, session.folder.worker)
        if worker != session.folder.worker or _is_orphan(session, frozen):
            continue
        _set_sampler(session, frozen.number)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = optuna.trial.Trial(session.study, frozen._trial_id)
            _skip_draws(trial, frozen)
        trial.set_user_attr(attrs.WORKER, session.folder.worker)
        cut_off.append((trial, _suggest(session, trial)))
    return cut_off


def ask(session: Session) -> Tuple[Any, Any]:
    """Return a new trial and its point."""
    _set_sampler(session, len(trials_of(session.study)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trial = session.study.ask()
    trial.set_user_attr(attrs.WORKER, session.folder.worker)
    return trial, _suggest(session, trial)


def enqueue_unseen(session: Session) -> bool:
    """See that a point that was not tried waits; return False if none is found.

    One that is known to need more memory than there may be used is none.
    """
    ledger = session.ledger
    if ledger.waiting:  # enqueued already, and then the run was cut off
        return True
    known = {*ledger.by_key, *(one.key for one in ledger.elsewhere())}
    points = session.known_points

    def is_out(point: Any) -> bool:
        is_seen = session.space.key(point) in known
        return is_seen or (points is not None and points.is_above_limit(point))

    rng = random.Random(trial_seed(session.seed, len(ledger.records), "unseen"))
    params = draw_unseen(session.space, is_out, rng)
    if params is not None:
        session.study.enqueue_trial(params)
    return params is not None


def _is_lost(session: Session, trial: Any) -> bool:
    """Whether nothing will come of a reference's trial: its worker died, or it was one too many."""
    was_surplus = trial.state.name == "FAIL" and not (
        attrs.MEASUREMENT in trial.user_attrs or attrs.DUPLICATE_OF in trial.user_attrs
    )
    return was_surplus or _is_orphan(session, trial)


def _is_orphan(session: Session, trial: Any) -> bool:
    """Whether a trial of a shared storage belongs to a worker that died before it could say so.

    It may as well belong to one that is just about to: it is nobody's to take over.
    """
    is_running = trial.state.name == "RUNNING"
    return session.is_shared and is_running and attrs.WORKER not in trial.user_attrs


def _set_sampler(session: Session, number: int) -> None:
    seed = trial_seed(session.seed, number, "suggest")
    session.study.sampler = build_sampler(
        session.sampler, seed, session.space, session.known_points
    )


def _skip_draws(trial: Any, frozen: Any) -> None:
    """Draw again what was drawn before the cut, so that the rest comes out the same."""
    if attrs.KEY in frozen.user_attrs:
        return
    drawn_together = trial.relative_params or {}
    for name, distribution in frozen.distributions.items():
        if name not in drawn_together:
            trial.study.sampler.sample_independent(trial.study, frozen, name, distribution)


def _suggest(session: Session, trial: Any) -> Any:
    """Return a trial's point; one that has its parameters already gives the same point again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna's notes on experimental samplers, at every trial
        point = session.space.suggest(trial)
    plain = session.plain(point)
    try:
        json.dumps(plain)
    except (TypeError, ValueError) as err:
        raise SpaceError(
            f"a point of the space must be plain data, but got {point!r} ({err}); "
            "give the space to_json and from_json"
        ) from err
    trial.set_user_attr(attrs.KEY, session.space.key(point))
    trial.set_user_attr(attrs.POINT, plain)
    return point
