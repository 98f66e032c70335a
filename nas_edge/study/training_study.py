"""A study file in, a run on real or synthetic images out: what `nas-edge run` does."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

from nas_edge.candidate.estimate import CostEstimate, estimate_cost
from nas_edge.candidate.evaluator import TrainingEvaluator
from nas_edge.candidate.known import KnownFigures
from nas_edge.candidate.process import ChildLimits
from nas_edge.config.files import dump_yaml
from nas_edge.config.space import SpaceConfig, load_space_config
from nas_edge.config.study import RecipeConfig, StudyConfig
from nas_edge.config.units import format_bytes
from nas_edge.data.image_set import ImageSet
from nas_edge.data.source import load_image_set
from nas_edge.device.machine import Device, find_device
from nas_edge.errors import ConfigError
from nas_edge.space.architecture import Architecture
from nas_edge.space.search_space import SearchSpace
from nas_edge.space.smallest import smallest_points
from nas_edge.space.training_choices import searched_recipes, searched_space
from nas_edge.study.calibrating import CalibratedEvaluator
from nas_edge.study.checks import check_trainable
from nas_edge.study.engine import ignore, run_in
from nas_edge.study.log import logged
from nas_edge.study.pruning import pruner_of, why_no_pruner
from nas_edge.study.records import TrialRecord
from nas_edge.study.run_folder import (
    RunFolder,
    create_or_open,
    disk_errors,
    unwritable,
    write_whole,
)
from nas_edge.study.session import Event
from nas_edge.study.time_plan import TimePlan
from nas_edge.training.savers import Saver, usable_savers

LEAST_SAVED_SHARE = 0.5  # of the plain peak; no memory saver halves it


def run_training_study(
    config: StudyConfig,
    *,
    out: Union[str, Path],
    beside: Optional[Path] = None,
    storage: Optional[str] = None,
    device: str = "auto",
    on_event: Callable[[Event], None] = ignore,
    where: str = "study",
) -> List[TrialRecord]:
    """Run a study file's study, or go on with it.

    Args:
        config: The validated study.
        out: The run's folder.
        beside: The folder in which a relative path of a search space is looked for too.
        storage: Database URL; the run's own SQLite file by default.
        device: "auto", "cpu" or "cuda".
        on_event: Hears of everything as it happens.
        where: Names the study file in errors.
    Returns:
        The records of all candidates, by number.
    Raises:
        ConfigError: If the study cannot run as it is written.
        DataError: If the images cannot be used.
        StudyError: If the folder holds another study.
        EnvironmentProblem: If the machine is at fault.
    """
    space_config, space_path = load_space_config(config.space, beside, f"{where}: space")
    networks = SearchSpace.from_config(space_config, str(space_path))
    space = searched_space(networks, config)
    found = find_device(device)
    check_trainable(config, found, where)
    folder = create_or_open(Path(out), config.name, storage)
    log = logged(folder.path / "log.txt", on_event)
    plan = _time_plan(config)
    with log as on_event, folder.locked(), disk_errors(folder.path):
        if plan is not None:
            on_event = plan.told_to(on_event)

        def note(text: str) -> None:
            on_event({"event": "note", "text": text})

        images = load_image_set(config.data, config.recipe.image_size, folder.cache, note)
        _check_space(networks, config, images, found)
        evaluator = TrainingEvaluator(
            recipe=config.recipe,
            images=images,
            device=found,
            memory_limit_bytes=config.memory_limit,
            limits=ChildLimits(config.limits.candidate_time, config.limits.silence),
            keep_weights=config.artifacts.weights,
            memory_saver=config.memory_saver,
        )
        return run_in(
            folder,
            space,
            CalibratedEvaluator(evaluator, networks, folder.path, note),
            objectives=config.objectives,
            trials=config.trials,
            sampler=config.sampler,
            seed=config.seed,
            time_budget_s=None if plan is None else plan.search_s,
            identity=training_identity(config, images, found),
            on_event=on_event,
            on_open=lambda: _begin(config, space, space_config, images, found, folder, on_event),
            known=KnownFigures(config.recipe, images.num_outputs, found.kind),
            max_memory=_largest_estimate(config),
            pruner=pruner_of(
                config.pruner, config.objectives, config.recipe, config.seed, folder.database_url
            ),
        )


def _largest_estimate(config: StudyConfig) -> Optional[float]:
    """Return the largest plain estimate that may fit the limit, in bytes."""
    if config.memory_limit is None:
        return None
    return config.memory_limit / (1.0 if config.memory_saver == "none" else LEAST_SAVED_SHARE)


def _begin(
    config: StudyConfig,
    space: Any,
    space_config: SpaceConfig,
    images: ImageSet,
    device: Device,
    folder: RunFolder,
    on_event: Callable[[Event], None],
) -> None:
    """Write the study down, only now that it is known to be the one that the folder holds."""
    _write_resolved(config, space_config, folder.path)
    on_event(study_event(config, space, images, device, folder.path))
    why = why_no_pruner(config.objectives, config.recipe.epochs, folder.database_url)
    if why and config.pruner.name != "none":
        on_event({"event": "note", "text": f"no candidate is stopped early: {why}"})


def training_identity(config: StudyConfig, images: ImageSet, device: Device) -> Dict[str, Any]:
    """Return what decides the figures beside space, objectives and seed."""
    saver = {} if config.memory_saver == "auto" else {"memory_saver": config.memory_saver}
    return {
        **saver,
        "recipe": config.recipe.model_dump(),
        "data": {
            "identity": images.identity,
            "classes": list(images.class_names),
            "counts": images.counts,
        },
        "device": {"kind": device.kind, "name": device.name},
        "memory_limit": config.memory_limit,
    }


def _check_space(space: SearchSpace, config: StudyConfig, images: ImageSet, device: Device) -> None:
    """Refuse, before anything trains, a limit that nothing fits and images that are too small.

    Raises:
        ConfigError: Naming what the smallest candidate needs.
    """
    # A learning rate needs no memory: one recipe of each kind that does.
    kinds = {(r.precision, r.optimizer, r.micro_batch): r for r in searched_recipes(config)}
    smallest = [
        (point, recipe)
        for recipe in kinds.values()
        for point in smallest_points(
            space, recipe.image_size, batch_size=recipe.micro_batch or recipe.batch_size
        )
    ]
    costs = [
        estimate_cost(point, recipe, images.num_outputs, device=device.kind)
        for point, recipe in smallest
    ]
    if config.memory_limit is None or _fits(costs, config.memory_limit):
        return
    if config.memory_saver != "none":
        costs += _costs_with_savers(smallest, config, images, device)
    if not _fits(costs, config.memory_limit):
        needs = min(cost.peak_bytes for cost in costs)
        raise ConfigError(
            f"memory_limit must be at least what the smallest candidate needs, an estimated "
            f"{format_bytes(needs)}, but got {format_bytes(config.memory_limit)}; raise it, or "
            "lower recipe.batch_size, recipe.micro_batch or recipe.image_size"
        )


def _fits(costs: Sequence[CostEstimate], limit: int) -> bool:
    return min(cost.lower_bound_bytes for cost in costs) <= limit


def _costs_with_savers(
    points: Sequence[Tuple[Architecture, RecipeConfig]],
    config: StudyConfig,
    images: ImageSet,
    device: Device,
) -> List[CostEstimate]:
    from nas_edge.candidate.simulation import estimate_exactly

    costs = []
    for point, recipe in points:
        fixed = config.memory_saver
        savers = usable_savers(recipe) if fixed == "auto" else [Saver.of(fixed)]
        costs += [
            estimate_exactly(point, recipe, images.num_outputs, saver=saver, device=device.kind)
            for saver in savers
        ]
    return costs


def _write_resolved(config: StudyConfig, space: SpaceConfig, path: Path) -> None:
    """Keep study and space as they were understood; both are files that `nas-edge run` takes."""
    study = config.model_dump(mode="json")
    study["space"] = "space.yaml"
    if config.data.path is not None:
        study["data"]["path"] = str(Path(config.data.path).resolve())
    try:
        write_whole(path / "space.yaml", dump_yaml(space.model_dump(mode="json")))
        write_whole(path / "study.yaml", dump_yaml(study))
    except OSError as err:
        raise unwritable(path, err) from err


def _time_plan(config: StudyConfig) -> Optional[TimePlan]:
    if config.time_budget is None:
        return None
    return TimePlan(config.time_budget, config.finalists_share, config.recipe.epochs)


def study_event(
    config: StudyConfig, space: Any, images: ImageSet, device: Device, path: Path
) -> Event:
    """Return the event that says what a study is, before its first candidate."""
    plan = _time_plan(config)
    return {
        "event": "study",
        "name": config.name,
        "space": space.name,
        "num_points": space.num_points,
        "data": images.description,
        "counts": images.counts,
        "classes": list(images.class_names),
        "left_out": images.left_out,
        "image_size": images.image_size,
        "device": device.to_dict(),
        "out": str(path),
        "epochs": config.recipe.epochs,
        "objectives": list(config.objectives),
        "memory_limit_bytes": config.memory_limit,
        "time_budget_s": None if plan is None else plan.search_s,
        "kept_for_finalists_s": None if plan is None else plan.kept_s,
    }
