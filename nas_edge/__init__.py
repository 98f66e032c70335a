"""Search for networks that train well in little memory, on the device itself.

The names below are what a notebook needs; each is imported when it is first used, so that importing
nas_edge is quick. Everything else is in the rooms: `nas_edge.space`, `nas_edge.study`, ...
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, List

from nas_edge.version import __version__

if TYPE_CHECKING:
    from nas_edge.candidate.estimate import estimate_cost
    from nas_edge.candidate.evaluator import TrainingEvaluator
    from nas_edge.candidate.measurement import Measurement, Metric
    from nas_edge.config.study import RecipeConfig, StudyConfig, load_study_config
    from nas_edge.data.synthetic import SyntheticPcb
    from nas_edge.errors import NasEdgeError
    from nas_edge.models.counts import count_layers, count_model
    from nas_edge.models.xception import build_model
    from nas_edge.report.html import write_report
    from nas_edge.space.architecture import Architecture
    from nas_edge.space.references import reference_architecture
    from nas_edge.space.search_space import SearchSpace
    from nas_edge.study.engine import run_study
    from nas_edge.study.run import Run, open_run
    from nas_edge.study.training_study import run_training_study

_HOMES = {
    "Architecture": "nas_edge.space.architecture",
    "Measurement": "nas_edge.candidate.measurement",
    "Metric": "nas_edge.candidate.measurement",
    "NasEdgeError": "nas_edge.errors",
    "RecipeConfig": "nas_edge.config.study",
    "Run": "nas_edge.study.run",
    "SearchSpace": "nas_edge.space.search_space",
    "StudyConfig": "nas_edge.config.study",
    "SyntheticPcb": "nas_edge.data.synthetic",
    "TrainingEvaluator": "nas_edge.candidate.evaluator",
    "build_model": "nas_edge.models.xception",
    "count_layers": "nas_edge.models.counts",
    "count_model": "nas_edge.models.counts",
    "estimate_cost": "nas_edge.candidate.estimate",
    "load_study_config": "nas_edge.config.study",
    "open_run": "nas_edge.study.run",
    "reference_architecture": "nas_edge.space.references",
    "run_study": "nas_edge.study.engine",
    "run_training_study": "nas_edge.study.training_study",
    "write_report": "nas_edge.report.html",
}

__all__ = [
    "Architecture",
    "Measurement",
    "Metric",
    "NasEdgeError",
    "RecipeConfig",
    "Run",
    "SearchSpace",
    "StudyConfig",
    "SyntheticPcb",
    "TrainingEvaluator",
    "__version__",
    "build_model",
    "count_layers",
    "count_model",
    "estimate_cost",
    "load_study_config",
    "open_run",
    "reference_architecture",
    "run_study",
    "run_training_study",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Import a name's room when the name is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'nas_edge' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__})
