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
    from nas_edge.config.study import (
        RecipeConfig,
        StudyConfig,
        build_study_config,
        load_study_config,
    )
    from nas_edge.data.audit import audit_folder, audit_frame, select_clean, write_clean_copy
    from nas_edge.data.synthetic import SyntheticPcb, write_class_folders
    from nas_edge.errors import NasEdgeError
    from nas_edge.models.counts import count_layers, count_model
    from nas_edge.models.xception import build_model
    from nas_edge.paper.frames import published_cells, published_tables
    from nas_edge.paper.side_by_side import compare_with_paper
    from nas_edge.report.frames import (
        cost_frame,
        estimate_frame,
        finalists_frame,
        front_frame,
        importance_frame,
        metrics_frame,
        shared_choices_frame,
    )
    from nas_edge.report.html import write_report
    from nas_edge.report.plots import plot_front, plot_hypervolume, plot_importance, plot_memory
    from nas_edge.report.progress import ProgressLines
    from nas_edge.report.verdict import verdict_of
    from nas_edge.space.architecture import Architecture
    from nas_edge.space.drawing import describe_architecture, draw_architecture
    from nas_edge.space.references import reference_architecture
    from nas_edge.space.search_space import SearchSpace
    from nas_edge.study.classifier import Classifier, load_classifier
    from nas_edge.study.engine import run_study
    from nas_edge.study.finalists import finalize_run
    from nas_edge.study.reproduction import reproduce_paper
    from nas_edge.study.run import Run, open_run
    from nas_edge.study.training_study import run_training_study

_HOMES = {
    "Architecture": "nas_edge.space.architecture",
    "Classifier": "nas_edge.study.classifier",
    "Measurement": "nas_edge.candidate.measurement",
    "Metric": "nas_edge.candidate.measurement",
    "NasEdgeError": "nas_edge.errors",
    "ProgressLines": "nas_edge.report.progress",
    "RecipeConfig": "nas_edge.config.study",
    "Run": "nas_edge.study.run",
    "SearchSpace": "nas_edge.space.search_space",
    "StudyConfig": "nas_edge.config.study",
    "SyntheticPcb": "nas_edge.data.synthetic",
    "TrainingEvaluator": "nas_edge.candidate.evaluator",
    "audit_folder": "nas_edge.data.audit",
    "audit_frame": "nas_edge.data.audit",
    "build_model": "nas_edge.models.xception",
    "build_study_config": "nas_edge.config.study",
    "compare_with_paper": "nas_edge.paper.side_by_side",
    "cost_frame": "nas_edge.report.frames",
    "count_layers": "nas_edge.models.counts",
    "count_model": "nas_edge.models.counts",
    "describe_architecture": "nas_edge.space.drawing",
    "draw_architecture": "nas_edge.space.drawing",
    "estimate_cost": "nas_edge.candidate.estimate",
    "estimate_frame": "nas_edge.report.frames",
    "finalists_frame": "nas_edge.report.frames",
    "finalize_run": "nas_edge.study.finalists",
    "front_frame": "nas_edge.report.frames",
    "importance_frame": "nas_edge.report.frames",
    "load_classifier": "nas_edge.study.classifier",
    "load_study_config": "nas_edge.config.study",
    "metrics_frame": "nas_edge.report.frames",
    "open_run": "nas_edge.study.run",
    "plot_front": "nas_edge.report.plots",
    "plot_hypervolume": "nas_edge.report.plots",
    "plot_importance": "nas_edge.report.plots",
    "plot_memory": "nas_edge.report.plots",
    "published_cells": "nas_edge.paper.frames",
    "published_tables": "nas_edge.paper.frames",
    "reference_architecture": "nas_edge.space.references",
    "reproduce_paper": "nas_edge.study.reproduction",
    "run_study": "nas_edge.study.engine",
    "run_training_study": "nas_edge.study.training_study",
    "select_clean": "nas_edge.data.audit",
    "shared_choices_frame": "nas_edge.report.frames",
    "verdict_of": "nas_edge.report.verdict",
    "write_class_folders": "nas_edge.data.synthetic",
    "write_clean_copy": "nas_edge.data.audit",
    "write_report": "nas_edge.report.html",
}

__all__ = [
    "Architecture",
    "Classifier",
    "Measurement",
    "Metric",
    "NasEdgeError",
    "ProgressLines",
    "RecipeConfig",
    "Run",
    "SearchSpace",
    "StudyConfig",
    "SyntheticPcb",
    "TrainingEvaluator",
    "__version__",
    "audit_folder",
    "audit_frame",
    "build_model",
    "build_study_config",
    "compare_with_paper",
    "cost_frame",
    "count_layers",
    "count_model",
    "describe_architecture",
    "draw_architecture",
    "estimate_cost",
    "estimate_frame",
    "finalists_frame",
    "finalize_run",
    "front_frame",
    "importance_frame",
    "load_classifier",
    "load_study_config",
    "metrics_frame",
    "open_run",
    "plot_front",
    "plot_hypervolume",
    "plot_importance",
    "plot_memory",
    "published_cells",
    "published_tables",
    "reference_architecture",
    "reproduce_paper",
    "run_study",
    "run_training_study",
    "select_clean",
    "shared_choices_frame",
    "verdict_of",
    "write_class_folders",
    "write_clean_copy",
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
