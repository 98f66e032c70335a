"""The accuracy frontier of the paper's quadrants that a run's study file asks for."""

from __future__ import annotations

from nas_edge.config.files import load_yaml
from nas_edge.study.run import Run

DEFAULT = 0.7  # the paper's


def accuracy_frontier_of(run: Run) -> float:
    """Return the study's accuracy frontier, the paper's where the run has no study file."""
    study = run.folder.path / "study.yaml"
    return float(load_yaml(study)["accuracy_frontier"] if study.is_file() else DEFAULT)
