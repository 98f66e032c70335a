"""What a dashboard is asked to show: a run's folder, or a storage with any number of studies."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, List, Mapping, Optional

from nas_edge.config.files import load_yaml
from nas_edge.errors import ConfigError, StudyError
from nas_edge.report.frontier import DEFAULT, accuracy_frontier_in
from nas_edge.study.identity import FORMAT_ATTR, check_versions
from nas_edge.study.run import open_run
from nas_edge.study.storage import check_url, mask, open_storage, sqlite_file, storage_errors


@dataclass(frozen=True)
class Target:
    """A storage and what belongs to it; ``folder`` and ``study_name`` are of a run."""

    url: str
    folder: Optional[Path] = None
    study_name: Optional[str] = None

    @property
    def artifacts(self) -> Optional[Path]:
        """The folder of a run's artifacts."""
        return None if self.folder is None else self.folder / "artifacts"

    @property
    def shown(self) -> str:
        """How messages name it."""
        return mask(self.url) if self.folder is None else str(self.folder)

    @property
    def can_write(self) -> bool:
        """Whether notes can be kept: the storage is not a file that may only be read."""
        path = sqlite_file(self.url)
        return path is None or (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))

    @property
    def accuracy_frontier(self) -> float:
        """Of the paper's quadrants, as the run's study file has it."""
        return DEFAULT if self.folder is None else accuracy_frontier_in(self.folder / "study.yaml")

    @property
    def task(self) -> str:
        """What the run's study file says of itself and of its images, or ""."""
        study = self._study_file()
        data = study.get("data")
        data = data if isinstance(data, Mapping) else {}
        where = " ".join(str(data[key]) for key in ("source", "path") if data.get(key))
        parts = [str(study.get("description") or ""), f"images: {where}" if where else ""]
        return " ".join(filter(None, parts))

    def _study_file(self) -> Mapping[str, Any]:
        """Return the study as it was understood; nothing where it came from Python."""
        path = None if self.folder is None else self.folder / "study.yaml"
        return load_yaml(path) if path is not None and path.is_file() else {}


def find_target(what: str) -> Target:
    """Return what a word on the command line means: a database URL, or a run's folder.

    Raises:
        ConfigError: If optuna-dashboard is not installed, or the URL is malformed.
        StudyError: If there is no run, or one of another version.
        EnvironmentProblem: If the storage is gone or cannot be reached.
    """
    if find_spec("optuna_dashboard") is None:
        raise ConfigError('the dashboard needs optuna-dashboard; pip install "nas-edge[dashboard]"')
    if "://" in what:
        file = sqlite_file(check_url(what))
        if file is not None and not file.exists():
            raise ConfigError(f"{file}: there is no such file")
        return Target(check_url(what))
    folder = open_run(what).folder
    return Target(folder.database_url, folder.path, folder.study_name)


def open_studies(target: Target, storage: Any) -> List[Any]:
    """Return the studies that are this project's, of those in the storage.

    Raises:
        StudyError: If there is none, or one of another version.
        EnvironmentProblem: If the storage fails.
    """
    import optuna

    found = []
    with storage_errors(target.url):
        names = optuna.get_all_study_names(storage)
        for name in [target.study_name] if target.study_name in names else names:
            study = optuna.load_study(
                study_name=name, storage=storage, sampler=optuna.samplers.RandomSampler(seed=0)
            )
            if FORMAT_ATTR in study.user_attrs:
                check_versions(study.user_attrs, optuna.__version__, target.shown)
                found.append(study)
    if not found:
        raise StudyError(f"{target.shown}: holds no study of nas-edge; start one with nas-edge run")
    return found


def open_target(target: Target) -> Any:
    """Return Optuna's storage, beside a running study: nothing is made, and no lock is kept."""
    return open_storage(target.url, for_reading=True)
