"""The accuracy frontier of the paper's quadrants that a run's study file asks for."""

from __future__ import annotations

from pathlib import Path

from nas_edge.candidate.measurement import finite_number
from nas_edge.config.files import load_yaml
from nas_edge.errors import ConfigError
from nas_edge.study.run import Run

DEFAULT = 0.7  # the paper's


def accuracy_frontier_of(run: Run) -> float:
    """Return the study's accuracy frontier, the paper's where its file says none.

    Raises:
        ConfigError: If the run's study file was changed and no longer holds one.
    """
    return accuracy_frontier_in(run.folder.path / "study.yaml")


def accuracy_frontier_in(study: Path) -> float:
    """Return the accuracy frontier of a run's study file, the paper's where it says none.

    Raises:
        ConfigError: If the file was changed and no longer holds one.
    """
    said = load_yaml(study).get("accuracy_frontier", DEFAULT) if study.is_file() else DEFAULT
    found = finite_number(said)
    if found is None or not 0 <= found <= 1:
        raise ConfigError(
            f"{study}: accuracy_frontier must be a number from 0 to 1, but got {said!r}; mend it, "
            "or take the key out for the paper's"
        )
    return found
