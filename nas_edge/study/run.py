"""A run that is there, opened for reading: its records, objectives and front."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, List, Mapping, Optional, Tuple, Union

from nas_edge.errors import EnvironmentProblem, StudyError
from nas_edge.study.identity import IDENTITY_ATTR, check_versions
from nas_edge.study.optuna_import import import_optuna
from nas_edge.study.reading import read_trials
from nas_edge.study.records import TrialRecord, front_of, records_of, to_frame
from nas_edge.study.run_folder import RunFolder, check_place, open_folder
from nas_edge.study.storage import open_storage, storage_errors


@dataclass(frozen=True)
class Run:
    """What a run's storage holds; made by `open_run`.

    Args:
        folder: Where the run lies.
        objectives: Names of the figures that candidates are compared by.
        identity: What had to stay the same while the study went on: recipe, images, device, ...
        records: All measured candidates, by number.
        finalists: The run of its best trained again (`nas_edge.finalize_run`), if there is one.
    """

    folder: RunFolder
    objectives: Tuple[str, ...]
    identity: Mapping[str, Any]
    records: Tuple[TrialRecord, ...]
    finalists: Optional[Run] = None

    @property
    def name(self) -> str:
        """The study's name."""
        return self.folder.study_name

    def front(self) -> List[TrialRecord]:
        """Return the records that no other dominates, from the least second objective on."""
        return front_of(self.records, self.objectives)

    def record(self, number: int) -> TrialRecord:
        """Return one trial's record.

        Raises:
            StudyError: If the run has no such candidate.
        """
        for record in self.records:
            if record.number == number:
                return record
        numbers = ", ".join(str(r.number) for r in self.records[:20])
        there = f"the numbers there are: {numbers}" if numbers else "there is none yet"
        raise StudyError(f"{self.folder.path}: has no measured trial {number}; {there}")

    def reference(self, name: str) -> Optional[TrialRecord]:
        """Return the record of a handcrafted network, scaled or not, or None."""
        for record in self.records:
            if record.reference and name in (record.reference, record.reference.partition(" x")[0]):
                return record
        return None

    def frame(self) -> Any:
        """Return all records as a pandas DataFrame; columns end in their units."""
        return to_frame(self.records)


def open_run(path: Union[str, Path]) -> Run:
    """Return a run, read from its folder and storage.

    Raises:
        StudyError: If there is no run, or one of another version.
        ConfigError: If a database URL cannot name its path.
        EnvironmentProblem: If its storage cannot be reached.
    """
    optuna = import_optuna()
    folder = open_folder(Path(path))
    check_place(folder.path, "give it another name")
    if folder.storage_url is None and not (folder.path / "study.db").exists():
        if any((folder.path / "candidates").glob("*/measurement.json")):
            raise EnvironmentProblem(
                f"{folder.path / 'study.db'}: the storage is gone; nas-edge run with the same "
                "options makes it anew from what the candidates' folders hold"
            )
        raise StudyError(f"{folder.path}: has no trial yet; run its command again")
    storage = open_storage(folder.database_url, for_reading=True)
    with storage_errors(folder.database_url):
        try:
            study = optuna.load_study(study_name=folder.study_name, storage=storage)
        except KeyError:
            raise StudyError(
                f"{folder.path}: its storage no longer holds the study {folder.study_name!r}"
            ) from None
        attributes = study.user_attrs
        check_versions(attributes, optuna.__version__, str(folder.path))
        identity = attributes[IDENTITY_ATTR]
        records = records_of(read_trials(study, storage))
    storage.engine.dispose()
    has_finalists = (folder.finalists / "study.db").is_file()
    finalists = open_run(folder.finalists) if has_finalists else None
    return Run(folder, tuple(identity["objectives"]), identity, tuple(records), finalists)
