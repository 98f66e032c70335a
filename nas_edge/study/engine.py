"""The study's loop: ask Optuna for a point, have it evaluated, tell what came of it.

`run_study` takes any space that can suggest, contain and key its points, and any evaluator from a
point to a `Measurement`; really training is one evaluator among others. A trial that was cut off
stays "running" in the storage under this run's name, and is the first to go on at the next start.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, List, Mapping, Optional, Sequence, Union

from nas_edge.candidate.evaluator import Job
from nas_edge.candidate.judged import Judge
from nas_edge.candidate.measurement import Measurement
from nas_edge.config.study import SamplerConfig
from nas_edge.errors import ConfigError, SpaceError
from nas_edge.study import records as attrs
from nas_edge.study.artifacts import write_candidate
from nas_edge.study.asking import ask, cut_off_trials, enqueue_references, enqueue_unseen
from nas_edge.study.budget import (
    ELSEWHERE,
    EXHAUSTED,
    End,
    check_crashes,
    spent_time,
    time_left_s,
)
from nas_edge.study.known_points import Known, known_points_of
from nas_edge.study.ledger import Ledger
from nas_edge.study.log import logged
from nas_edge.study.opening import digest_of, open_study
from nas_edge.study.optuna_import import import_optuna
from nas_edge.study.pruning import Pruner
from nas_edge.study.records import TrialRecord
from nas_edge.study.run_folder import RunFolder, create_or_open, disk_errors, read_json
from nas_edge.study.samplers import resolve_sampler, trial_seed
from nas_edge.study.session import Evaluator, Event, Session
from nas_edge.study.sharing import is_surplus, rival_of
from nas_edge.study.storage import open_storage, storage_errors
from nas_edge.study.telling import tell, tell_copy, upload, withdraw

MAX_REPEATS = 3  # suggestions of known points in a row before a new point is drawn at random


def ignore(event: Event) -> None:
    """Nobody listens."""


def run_study(
    space: Any,
    evaluator: Evaluator,
    *,
    objectives: Sequence[str] = ("val_accuracy", "peak_memory"),
    trials: int = 30,
    out: Union[str, Path] = "runs/study",
    name: Optional[str] = None,
    sampler: Union[str, SamplerConfig] = "auto",
    seed: int = 0,
    storage: Optional[str] = None,
    time_budget_s: Optional[float] = None,
    identity: Optional[Mapping[str, Any]] = None,
    known: Optional[Known] = None,
    on_event: Callable[[Event], None] = ignore,
) -> List[TrialRecord]:
    """Run a study, or go on with it, until it holds ``trials`` candidates.

    Args:
        space: Has ``suggest(trial)``, ``contains(point)`` and ``key(point)``; may have
            ``references`` (points by name, trained first), ``parameters(point)``, which they need,
            ``to_json(point)`` for points that are not plain data, and ``fingerprint()``.
        evaluator: From a point to a `Measurement`. One with ``bind(job)`` is given its trial's
            number, seed and folder first.
        objectives: Two or three metric names; `METRICS` knows their directions, others are
            minimised.
        trials: Candidates in all, references and earlier sessions included, repeats not.
        out: The run's folder.
        name: The study's name; the folder's by default.
        sampler: A name of `SamplerConfig`, or one.
        seed: Decides every suggestion and every training.
        storage: Database URL; the run's own SQLite file by default. Several workers may share one,
            each with a folder of its own.
        time_budget_s: No candidate is started that would end after so many seconds of
            evaluations, earlier sessions included.
        identity: What else must stay the same when the study goes on.
        known: From a point to figures that are known before it is evaluated (`Known`); with it and
            a space that has ``searched`` choices, the sampler "known-cost" can be used, and is.
        on_event: Hears of everything as it happens.
    Returns:
        The records of all candidates, by number.
    Raises:
        StudyError: If the folder or storage holds another study, or another process runs it.
        EnvironmentProblem: If the disk, folder or storage fails; the same call goes on later.
    """
    folder = create_or_open(Path(out), name or Path(out).resolve().name, storage)
    with folder.locked(), logged(folder.path / "log.txt", on_event) as heard:
        return run_in(
            folder,
            space,
            evaluator,
            objectives=objectives,
            trials=trials,
            sampler=sampler,
            seed=seed,
            time_budget_s=time_budget_s,
            identity=identity,
            known=known,
            on_event=heard,
        )


def run_in(
    folder: RunFolder,
    space: Any,
    evaluator: Evaluator,
    *,
    objectives: Sequence[str],
    trials: Optional[int],
    sampler: Union[str, SamplerConfig],
    seed: int,
    time_budget_s: Optional[float],
    identity: Optional[Mapping[str, Any]],
    on_event: Callable[[Event], None],
    on_open: Callable[[], None] = lambda: None,
    known: Optional[Known] = None,
    max_memory: Optional[float] = None,
    pruner: Optional[Pruner] = None,
) -> List[TrialRecord]:
    """Run a study in a folder whose lock is held; ``on_open`` is called once it may go on.

    With ``trials`` None the references alone are evaluated, these and those of earlier calls. No
    point whose estimated memory is above ``max_memory`` bytes is suggested. ``pruner`` stops
    trainings of evaluators that are bound to a job.
    """
    _check_objectives(objectives)
    import_optuna()
    points = known_points_of(space, known, objectives, seed, max_memory)
    # One that cannot work is refused before the first trial.
    config = resolve_sampler(sampler, objectives, space, points)
    full_identity = {
        "space": space.fingerprint() if hasattr(space, "fingerprint") else {},
        "objectives": list(objectives),
        "seed": seed,
        **(identity or {}),
    }
    with contextlib.ExitStack() as stack:
        stack.enter_context(storage_errors(folder.database_url))
        stack.enter_context(disk_errors(folder.path))
        storage = open_storage(folder.database_url)
        stack.callback(storage.engine.dispose)  # closed, SQLite leaves one file
        study = open_study(storage, folder, objectives, full_identity)
        on_open()
        session = Session(
            study,
            folder,
            space,
            evaluator,
            objectives,
            config,
            seed,
            on_event,
            digest_of(full_identity),
            Ledger(folder.worker),
            points,
            pruner,
        )
        enqueue_references(session)
        _loop(session, trials, time_budget_s)
        return session.refresh().records


def _loop(session: Session, trials: Optional[int], time_budget_s: Optional[float]) -> None:
    unfinished = cut_off_trials(session)
    while True:
        ledger = session.refresh()
        session.on_event({"event": "known", "records": tuple(ledger.records)})
        check_crashes(ledger.records, session.folder.anew)
        # Trials that were cut off count as begun, so that they are never left behind.
        begun = len(ledger.records) + len(unfinished) + ledger.waiting
        if unfinished:
            trial, point = unfinished.pop(0)
        else:
            end = _end(session, trials, time_budget_s)
            if end is not None:
                if end.text:
                    session.on_event({"event": "note", "text": end.text})
                session.on_event({"event": "ended", "why": end.why, "text": end.text})
                return
            trial, point = ask(session)
        _settle(session, trial, point, begun if trials is None else trials, time_budget_s)


def _end(session: Session, trials: Optional[int], time_budget_s: Optional[float]) -> Optional[End]:
    """Return why no further candidate is started, None if one is."""
    ledger = session.ledger
    if trials is None:
        return spent_time(ledger.records, time_budget_s) if ledger.waiting else End()
    if len(ledger.records) >= trials:
        return End()
    elsewhere = ledger.elsewhere()
    if len(ledger.records) + len(elsewhere) >= trials:
        text = f"other workers have begun the remaining {len(elsewhere)} of {trials} candidates"
        return End(ELSEWHERE, text)
    spent = spent_time(ledger.records, time_budget_s)
    if spent is None and ledger.repeats >= MAX_REPEATS and not enqueue_unseen(session):
        return End(EXHAUSTED, _exhausted(session))
    return spent


def _exhausted(session: Session) -> str:
    points = session.known_points
    has_limit = points is not None and points.has_limit
    which = " that fits the memory limit" if has_limit else ""
    return f"every point of the space{which} has been tried"


def _settle(
    session: Session, trial: Any, point: Any, trials: int, time_budget_s: Optional[float]
) -> None:
    """Bring a trial to its end: a copy of a known one, withdrawn, or evaluated."""
    ledger = session.refresh() if session.is_shared else session.ledger
    known = ledger.by_key.get(session.space.key(point))
    if known is not None:
        tell_copy(session, trial, known)
        return
    rival = rival_of(session, trial, session.space.key(point))
    if rival is not None:
        withdraw(
            session, trial, f"trial {rival.number} of another worker is at this point", rival.number
        )
        return
    if is_surplus(session, trial, trials):
        withdraw(session, trial, f"other workers have begun all of {trials} candidates", None)
        return
    session.on_event(_candidate_event(session, trial, point, trials, time_budget_s))
    _evaluate(session, trial, point)


def _evaluate(session: Session, trial: Any, point: Any) -> None:
    """Have a point evaluated, keep its files, tell Optuna."""
    folder = session.folder.candidate(trial.number)
    key = session.space.key(point)
    # Measured, but cut off before Optuna heard of it.
    measurement = _measured_before(folder, key, session.identity)
    if measurement is None:
        measurement = _measure(session, trial.number, point, folder, _judge_of(session, trial))
        measurement = measurement.with_details(key=key, identity=session.identity)
    upload(session, trial, write_candidate(folder, session.plain(point), measurement))
    tell(session, trial, measurement)
    (folder / "checkpoint.pt").unlink(missing_ok=True)
    session.on_event({"event": "measured", "number": trial.number, "measurement": measurement})


def _judge_of(session: Session, trial: Any) -> Optional[Judge]:
    """Return what may stop a trial; references are never stopped."""
    if session.pruner is None or attrs.REFERENCE in trial.user_attrs:
        return None
    return session.pruner.judge_of(trial.number, session.ledger.records)


def _measure(
    session: Session, number: int, point: Any, folder: Path, judge: Optional[Judge]
) -> Measurement:
    job = Job(
        number,
        trial_seed(session.seed, number, "train"),
        folder,
        lambda message: session.on_event({**message, "number": number}),
        judge,
    )
    evaluator = session.evaluator
    measure = evaluator.bind(job) if hasattr(evaluator, "bind") else evaluator
    started = time.monotonic()
    measurement = measure(point)
    _check_metrics(session.objectives, measurement)
    if not measurement.wall_s:
        measurement = replace(measurement, wall_s=time.monotonic() - started)
    return measurement


def _measured_before(folder: Path, key: str, identity: str) -> Optional[Measurement]:
    data = read_json(folder / "measurement.json")
    details = {} if data is None else data.get("details", {})
    if data is None or (details.get("key"), details.get("identity")) != (key, identity):
        return None
    return Measurement.from_dict(data)


def _check_objectives(objectives: Sequence[str]) -> None:
    if not 2 <= len(objectives) <= 3 or len(set(objectives)) != len(objectives):
        raise ConfigError(
            f"objectives must be two or three different names, but got {list(objectives)}"
        )


def _check_metrics(objectives: Sequence[str], measurement: Any) -> None:
    if not isinstance(measurement, Measurement):
        raise SpaceError(f"the evaluator must return a Measurement, but gave {measurement!r}")
    missing = [name for name in objectives if name not in measurement.metrics]
    if measurement.is_finished and missing:
        there = ", ".join(measurement.metrics) or "nothing"
        raise SpaceError(f"the evaluator must measure {', '.join(missing)}, but gave {there}")


def _candidate_event(
    session: Session, trial: Any, point: Any, trials: int, budget_s: Optional[float]
) -> Event:
    found = session.ledger.records
    return {
        "event": "candidate",
        "number": trial.number,
        "reference": trial.user_attrs.get(attrs.REFERENCE),
        "point": point,
        "position": len(found) + 1,
        "trials": trials,
        "time_left_s": time_left_s(found, trials, budget_s),
    }
