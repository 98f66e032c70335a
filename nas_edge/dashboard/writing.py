"""Notes and plots written into the storage, where Optuna's dashboard finds them.

They are attributes of the study, open while it runs and afterwards; what the study's own loop
writes is never touched. Only what differs from what is there is written.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, ContextManager, Dict, Iterator, Optional, Set

from nas_edge.dashboard.plots import DEFAULT_FRONTIER, study_plots
from nas_edge.dashboard.snapshot import Snapshot, take_snapshot
from nas_edge.dashboard.study_note import study_note, with_kept
from nas_edge.dashboard.trial_note import candidate_note, other_note
from nas_edge.study.records import front_of

CURVE = "curve.png"


@dataclass(frozen=True)
class _NotedTrial:
    """What `save_note` wants of a trial; a finished one has no object of Optuna's with it."""

    storage: Any
    study: Any
    _trial_id: int


@dataclass
class Notebook:
    """Keeps one study's notes and plots.

    Args:
        study: Optuna's, kept, so that finished trials are read once.
        where: How commands name its run, or None.
        task: What its study file says of itself.
        artifacts: The folder of the artifacts that are served, or None.
        accuracy_frontier: Of the paper's quadrants.
        while_writing: Held around every write, so that no page is read half written.
        is_running: Whether a candidate was under way at the last update.
    """

    study: Any
    where: Optional[str] = None
    task: str = ""
    artifacts: Optional[Path] = None
    accuracy_frontier: float = DEFAULT_FRONTIER
    while_writing: Callable[[], ContextManager[Any]] = contextlib.nullcontext
    is_running: bool = False
    _written: Dict[str, Any] = field(default_factory=dict)
    _noted: Optional[Set[int]] = None

    def update(self, until: Optional[float] = None) -> bool:
        """Bring everything up to date; return whether all of it is.

        Args:
            until: On the monotonic clock; a trial's note that would come later waits for the next
                call.
        """
        snapshot = take_snapshot(self.study, self.where, self.task)
        self.is_running = bool(snapshot.numbers("RUNNING"))
        if self._written.get("progress") != snapshot.progress:
            self._write_study(snapshot)
            self._written["progress"] = snapshot.progress
        return self._write_trials(snapshot, until)

    def _write_study(self, snapshot: Snapshot) -> None:
        from optuna_dashboard import get_note, save_note, save_plotly_graph_object

        figures = study_plots(snapshot, self.accuracy_frontier)
        note = study_note(snapshot)
        with self._writing():
            stored = get_note(self.study)  # within, so that nobody's edit is overwritten unread
            note = with_kept(note, stored)
            if note != stored:
                save_note(self.study, note)
            for name, figure in figures.items():
                text = figure.to_json()
                if self._written.get(name) != hash(text):
                    save_plotly_graph_object(self.study, figure, graph_object_id=name)
                    self._written[name] = hash(text)

    def _write_trials(self, snapshot: Snapshot, until: Optional[float]) -> bool:
        """Write the notes of finished trials that have none; what is there may be a reader's."""
        from optuna_dashboard import save_note

        if self._noted is None:
            self._noted = _noted_trials(self.study)
        records = {record.number: record for record in snapshot.records}
        noted = self._noted
        left = [t for t in snapshot.trials if t.state.is_finished() and t._trial_id not in noted]
        first = set() if snapshot.problem or not left else _on_front(snapshot)
        for trial in sorted(left, key=lambda t: (t.number not in first, -t.number)):
            if until is not None and time.monotonic() > until:
                return False
            record = records.get(trial.number)
            if record is None:
                note = other_note(snapshot, trial)
            else:
                note = candidate_note(snapshot, record, self._picture(trial))
            target = _NotedTrial(self.study._storage, self.study, trial._trial_id)
            with self._writing():
                save_note(target, note)
            self._noted.add(trial._trial_id)
        return True

    def _picture(self, trial: Any) -> Optional[str]:
        """Return where the dashboard serves a trial's learning curve, or None."""
        import optuna

        if self.artifacts is None:
            return None
        storage, study_id = self.study._storage, self.study._study_id
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # marked experimental
            files = optuna.artifacts.get_all_artifact_meta(trial, storage=storage)
        for file in files:
            # Another worker's files are in its own folder, which is not served.
            if file.filename == CURVE and (self.artifacts / file.artifact_id).is_file():
                return f"/artifacts/{study_id}/{trial._trial_id}/{file.artifact_id}"
        return None

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with self.while_writing(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield


def _on_front(snapshot: Snapshot) -> Set[int]:
    return {record.number for record in front_of(snapshot.records, snapshot.objectives)}


def _noted_trials(study: Any) -> Set[int]:
    """Return the ids of the trials that have a note, which optuna-dashboard tells one by one."""
    names = study._storage.get_study_system_attrs(study._study_id)
    found = set()
    for name in names:
        prefix, _, rest = name.partition(":")
        trial_id, _, kind = rest.partition(":")
        if prefix == "dashboard" and kind == "note_ver" and trial_id.isdigit():
            found.add(int(trial_id))
    return found
