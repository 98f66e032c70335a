"""The study's loop: ask Optuna for a point, have it evaluated, tell what came of it.

`run_study` takes any space that can suggest, contain and key its points, and any evaluator from a
point to a `Measurement`; really training is one evaluator among others. A trial that was cut off
stays "running" in the storage under this run's name, and is the first to go on at the next start.
"""

from __future__ import annotations

import contextlib
import random
import statistics
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Union

from nas_edge.candidate.evaluator import Job
from nas_edge.candidate.measurement import CRASHED, Measurement
from nas_edge.config.study import SamplerConfig
from nas_edge.errors import ConfigError, SpaceError, StudyError
from nas_edge.study import records as attrs
from nas_edge.study.artifacts import write_candidate
from nas_edge.study.draw import draw_unseen
from nas_edge.study.identity import (
    FORMAT,
    FORMAT_ATTR,
    IDENTITY_ATTR,
    OPTUNA_ATTR,
    check_same,
    check_versions,
)
from nas_edge.study.records import TrialRecord, direction_of, records_of
from nas_edge.study.run_folder import RunFolder, create_or_open, read_json, unwritable
from nas_edge.study.samplers import (
    CONSTRAINT_ATTR,
    build_sampler,
    trial_seed,
    writes_constraints,
)
from nas_edge.study.storage import mask, open_storage, storage_errors

Event = Dict[str, Any]
Evaluator = Callable[[Any], Measurement]
MAX_REPEATS = 3  # suggestions of known points in a row before a new point is drawn at random
MAX_CRASHES = 3  # crashes in a row, with nothing finished yet, before the study gives up


def _ignore(event: Event) -> None:
    """Nobody listens."""


@dataclass
class _Run:
    """An opened study and what the loop needs at every step."""

    study: Any
    folder: RunFolder
    space: Any
    evaluator: Evaluator
    objectives: Sequence[str]
    sampler: SamplerConfig
    seed: int
    on_event: Callable[[Event], None]
    seen: Dict[str, TrialRecord] = field(default_factory=dict)

    def records(self) -> List[TrialRecord]:
        """Return every measured candidate, read anew from the storage."""
        found = records_of(self.study.get_trials(deepcopy=False))
        self.seen = {record.key: record for record in reversed(found)}
        return found


def run_study(
    space: Any,
    evaluator: Evaluator,
    *,
    objectives: Sequence[str] = ("val_accuracy", "peak_memory"),
    trials: int = 30,
    out: Union[str, Path] = "runs/study",
    name: Optional[str] = None,
    sampler: Union[str, SamplerConfig] = "tpe",
    seed: int = 0,
    storage: Optional[str] = None,
    time_budget_s: Optional[float] = None,
    identity: Optional[Mapping[str, Any]] = None,
    on_event: Callable[[Event], None] = _ignore,
) -> List[TrialRecord]:
    """Run a study, or go on with it, until it holds ``trials`` candidates.

    Args:
        space: Has ``suggest(trial)``, ``contains(point)`` and ``key(point)``; may have
            ``references`` (points by name, trained first), ``parameters(point)``, which they need,
            ``to_json``/``from_json`` for points that are not plain data, and ``fingerprint()``.
        evaluator: From a point to a `Measurement`. One with ``bind(job)`` is given its trial's
            number, seed and folder first.
        objectives: Two or three metric names; `METRICS` knows their directions, others are
            minimised.
        trials: Candidates in all, references and earlier sessions included, repeats not.
        out: The run's folder.
        name: The study's name; the folder's by default.
        sampler: A name of `SamplerConfig`, or one.
        seed: Decides every suggestion and every training.
        storage: Database URL; the run's own SQLite file by default.
        time_budget_s: No candidate is started that would end after so many seconds of
            evaluations, earlier sessions included.
        identity: What else must stay the same when the study goes on.
        on_event: Hears of everything as it happens.
    Returns:
        The records of all candidates, by number.
    Raises:
        StudyError: If the folder or storage holds another study, or another process runs it.
        EnvironmentProblem: If the disk, folder or storage fails; the same call goes on later.
    """
    _check_objectives(objectives)
    folder = create_or_open(Path(out), name or Path(out).resolve().name, storage)
    config = SamplerConfig(name=sampler) if isinstance(sampler, str) else sampler  # type: ignore[arg-type]
    full_identity = {
        "space": space.fingerprint() if hasattr(space, "fingerprint") else {},
        "objectives": list(objectives),
        "seed": seed,
        **(identity or {}),
    }
    with _locked(folder), storage_errors(folder.database_url), _disk_errors(folder.path):
        study = _open_study(folder, objectives, full_identity)
        run = _Run(study, folder, space, evaluator, objectives, config, seed, on_event)
        build_sampler(config, seed, space)  # an option that cannot work is refused before the first trial
        _enqueue_references(run)
        _loop(run, trials, time_budget_s)
        return run.records()


def _loop(run: _Run, trials: int, time_budget_s: Optional[float]) -> None:
    unfinished = _cut_off_trials(run)
    repeats = 0
    while True:
        found = run.records()
        # Trials that were cut off count as begun, so that they are never left behind.
        if len(found) >= trials and not unfinished:
            return
        if not unfinished and _is_over_budget(run, found, time_budget_s):
            return
        _check_crashes(found)
        if not unfinished and repeats >= MAX_REPEATS and not _enqueue_unseen(run, len(found)):
            run.on_event({"event": "note", "text": "every point of the space has been tried"})
            return
        trial, point = unfinished.pop(0) if unfinished else _ask(run)
        run.on_event(_candidate_event(run, trial, point, found, trials, time_budget_s))
        known = run.seen.get(run.space.key(point))
        repeats = repeats + 1 if known else 0
        if known:
            trial.set_user_attr(attrs.DUPLICATE_OF, known.number)
            _tell(run, trial, known.measurement)
        else:
            _evaluate(run, trial, point)


def _ask(run: _Run) -> Any:
    """Return a new trial and its point."""
    number = len(run.study.get_trials(deepcopy=False))
    run.study.sampler = build_sampler(run.sampler, trial_seed(run.seed, number, "suggest"), run.space)
    trial = run.study.ask()
    trial.set_user_attr(attrs.WORKER, run.folder.worker)
    return trial, _suggest(run, trial)


def _suggest(run: _Run, trial: Any) -> Any:
    """Return a trial's point; a trial that has its parameters already gives the same point again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna's notes on experimental samplers, at every trial
        point = run.space.suggest(trial)
    trial.set_user_attr(attrs.KEY, run.space.key(point))
    trial.set_user_attr(attrs.POINT, _plain(run.space, point))
    return point


def _cut_off_trials(run: _Run) -> List[Any]:
    """Return this run's trials that began and did not end: its lock is ours, so they are dead."""
    import optuna

    running = run.study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
    cut_off = []
    for frozen in running:
        if frozen.user_attrs.get(attrs.WORKER, run.folder.worker) != run.folder.worker:
            continue
        if attrs.WORKER not in frozen.user_attrs and run.folder.storage_url is not None:
            continue  # another worker of a shared storage may have asked for it just now
        seed = trial_seed(run.seed, frozen.number, "suggest")
        run.study.sampler = build_sampler(run.sampler, seed, run.space)
        trial = optuna.trial.Trial(run.study, frozen._trial_id)
        trial.set_user_attr(attrs.WORKER, run.folder.worker)
        cut_off.append((trial, _suggest(run, trial)))
    return cut_off


def _evaluate(run: _Run, trial: Any, point: Any) -> None:
    """Have a point evaluated, keep its files, tell Optuna."""
    folder = run.folder.candidate(trial.number)
    # Measured, but cut off before Optuna heard of it.
    measurement = _measured_before(folder, run.space.key(point))
    if measurement is None:
        seed = trial_seed(run.seed, trial.number, "train")
        job = Job(trial.number, seed, folder, lambda m: run.on_event({**m, "number": trial.number}))
        bind = getattr(run.evaluator, "bind", None)
        measurement = (bind(job) if bind else run.evaluator)(point)
        measurement = measurement.with_details(key=run.space.key(point))
    _check_metrics(run, measurement)
    shown = write_candidate(folder, _plain(run.space, point), measurement)
    _upload(run, trial, shown)
    _tell(run, trial, measurement)
    (folder / "checkpoint.pt").unlink(missing_ok=True)
    run.on_event({"event": "measured", "number": trial.number, "measurement": measurement})


def _measured_before(folder: Path, key: str) -> Optional[Measurement]:
    data = read_json(folder / "measurement.json")
    if data is None or data.get("details", {}).get("key") != key:
        return None
    return Measurement.from_dict(data)


def _tell(run: _Run, trial: Any, measurement: Measurement) -> None:
    """Finish a trial: complete with its values, infeasible by constraint, or failed with its reason."""
    import optuna

    data = measurement.to_dict()
    history = data.pop("history")
    trial.set_user_attr(attrs.MEASUREMENT, {**data, "history": []})
    if history and attrs.DUPLICATE_OF not in trial.user_attrs:
        trial.set_user_attr(attrs.HISTORY, history)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not (measurement.is_finished or measurement.is_infeasible):
            trial.set_user_attr("nas_edge:failure", f"{measurement.outcome}: {measurement.reason}")
            run.study.tell(trial, state=optuna.trial.TrialState.FAIL)
            return
        violation = float(measurement.details.get("violation", 1.0)) if measurement.is_infeasible else 0.0
        trial.set_user_attr(CONSTRAINT_ATTR, violation)
        if not writes_constraints(run.sampler):
            # The dashboard reads infeasibility from what a sampler's constraints_func writes; these
            # samplers have none.
            key = "constraints"
            run.study._storage.set_trial_system_attr(trial._trial_id, key, [violation])
        run.study.tell(trial, [_told(run, measurement, name) for name in run.objectives])


def _told(run: _Run, measurement: Measurement, objective: str) -> float:
    """Return the value Optuna is told.

    An infeasible candidate has no accuracy; Optuna wants a number beside its constraint. It gets
    the worst there is, or the memory that it needs at the least; no table of ours shows it.
    """
    metric = measurement.metrics.get(objective)
    if metric is not None:
        return metric.value
    if objective in ("peak_memory", "mean_memory"):
        needs = measurement.details.get("needs_bytes", measurement.details.get("needs_more_than_bytes"))
        if needs is not None:
            return float(needs)
    if direction_of(objective) == "maximize":
        return 0.0
    return max((record.value(objective) or 0.0 for record in run.seen.values()), default=0.0)


def _upload(run: _Run, trial: Any, files: Sequence[Path]) -> None:
    """Give files to Optuna's dashboard (before tell: a finished trial is closed)."""
    import optuna

    run.folder.artifacts.mkdir(exist_ok=True)
    store = optuna.artifacts.FileSystemArtifactStore(base_path=str(run.folder.artifacts))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for file in files:
            optuna.artifacts.upload_artifact(
                artifact_store=store, file_path=str(file), study_or_trial=trial
            )


def _enqueue_references(run: _Run) -> None:
    references: Mapping[str, Any] = getattr(run.space, "references", {})
    for name, point in references.items():
        run.study.enqueue_trial(
            run.space.parameters(point), user_attrs={attrs.REFERENCE: name}, skip_if_exists=True
        )


def _enqueue_unseen(run: _Run, number: int) -> bool:
    """Enqueue a random point that was not tried; return whether there is one."""
    rng = random.Random(trial_seed(run.seed, number, "unseen"))
    params = draw_unseen(run.space, lambda point: run.space.key(point) in run.seen, rng)
    if params is not None:
        run.study.enqueue_trial(params)
    return params is not None


def _open_study(folder: RunFolder, objectives: Sequence[str], identity: Mapping[str, Any]) -> Any:
    """Return Optuna's study, new or one that may go on."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = open_storage(folder.database_url)
    where = mask(folder.database_url) if folder.storage_url else str(folder.path)
    study = optuna.create_study(
        storage=storage,
        study_name=folder.study_name,
        directions=[direction_of(o) for o in objectives],
        sampler=optuna.samplers.RandomSampler(seed=0),
        load_if_exists=True,
    )
    if not study.user_attrs and not study.get_trials(deepcopy=False):
        study.set_user_attr(OPTUNA_ATTR, optuna.__version__)
        study.set_user_attr(IDENTITY_ATTR, _jsonable(identity))
        study.set_user_attr(FORMAT_ATTR, FORMAT)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # marked experimental
            study.set_metric_names(list(objectives))
    check_versions(study.user_attrs, optuna.__version__, where)
    check_same(study.user_attrs[IDENTITY_ATTR], _jsonable(identity), where)
    return study


def _is_over_budget(run: _Run, found: Sequence[TrialRecord], budget_s: Optional[float]) -> bool:
    if budget_s is None or not found:
        return False
    times = [record.measurement.wall_s for record in found]
    if sum(times) + statistics.median(times) <= budget_s:
        return False
    spent = f"{sum(times):.0f} of {budget_s:.0f} s"
    run.on_event({"event": "note", "text": f"the time budget is used up ({spent}, {len(found)} candidates)"})
    return True


def _check_crashes(found: Sequence[TrialRecord]) -> None:
    """Give up where every candidate crashes: then it is not the candidates.

    Raises:
        StudyError: With the last reason.
    """
    last = found[-MAX_CRASHES:]
    if len(last) == MAX_CRASHES == len(found) and all(r.measurement.outcome == CRASHED for r in last):
        raise StudyError(
            f"the first {MAX_CRASHES} candidates all crashed, the last with: {last[-1].measurement.reason}; "
            "mend that, then start anew with --out"
        )


def _check_objectives(objectives: Sequence[str]) -> None:
    if not 2 <= len(objectives) <= 3 or len(set(objectives)) != len(objectives):
        raise ConfigError(f"objectives must be two or three different names, but got {list(objectives)}")


def _check_metrics(run: _Run, measurement: Measurement) -> None:
    missing = [o for o in run.objectives if o not in measurement.metrics]
    if measurement.is_finished and missing:
        raise SpaceError(
            f"the evaluator must measure {', '.join(missing)}, but gave {', '.join(measurement.metrics) or 'nothing'}"
        )


def _candidate_event(
    run: _Run, trial: Any, point: Any, found: Sequence[TrialRecord], trials: int, budget_s: Optional[float]
) -> Event:
    times = [record.measurement.wall_s for record in found]
    left = (trials - len(found)) * statistics.mean(times) if times else None
    if left is not None and budget_s is not None:
        left = min(left, max(budget_s - sum(times), 0.0))
    return {
        "event": "candidate",
        "number": trial.number,
        "reference": trial.user_attrs.get(attrs.REFERENCE),
        "point": point,
        "position": len(found) + 1,
        "trials": trials,
        "time_left_s": left,
    }


def _plain(space: Any, point: Any) -> Any:
    return space.to_json(point) if hasattr(space, "to_json") else point


def _jsonable(data: Mapping[str, Any]) -> Any:
    import json

    return json.loads(json.dumps(data))


@contextlib.contextmanager
def _locked(folder: RunFolder) -> Iterator[None]:
    lock = folder.lock()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Turn a full disk or a folder that cannot be written into one line."""
    from nas_edge.errors import NasEdgeError

    try:
        yield
    except NasEdgeError:
        raise
    except OSError as err:
        raise unwritable(path, err) from err
