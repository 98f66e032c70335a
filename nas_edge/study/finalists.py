"""The finalists of a search: its best and its handcrafted networks, trained again from new seeds.

Each training is a trial of a study of its own, which lies in the run's folder and goes on like any
other. The networks were chosen by one training's validation accuracy each; here their accuracy on
test images is measured for means and intervals, which chose nothing.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, List, Optional, Tuple, Union

from nas_edge.candidate.calibration import CALIBRATION_FILE, load_calibration
from nas_edge.candidate.evaluator import Job, TrainingEvaluator
from nas_edge.candidate.measurement import Measurement
from nas_edge.candidate.process import ChildLimits
from nas_edge.config.space import load_space_config
from nas_edge.config.study import StudyConfig, load_study_config
from nas_edge.data.image_set import ImageSet, open_image_set
from nas_edge.data.source import load_image_set
from nas_edge.device.machine import Device, find_device
from nas_edge.errors import ConfigError, DataError, NasEdgeError, StudyError
from nas_edge.space.search_space import SearchSpace
from nas_edge.space.training_choices import recipe_with, searched_space
from nas_edge.study.checks import check_trainable
from nas_edge.study.engine import ignore, run_in
from nas_edge.study.finalist_space import (
    Finalist,
    FinalistSpace,
    finalist_seeds,
    network_key,
    network_name,
)
from nas_edge.study.identity import differences_of
from nas_edge.study.log import logged
from nas_edge.study.opening import plain
from nas_edge.study.records import TrialRecord, fronts_of
from nas_edge.study.run import Run, open_run
from nas_edge.study.run_folder import create_or_open, disk_errors
from nas_edge.study.session import Event
from nas_edge.study.training_study import study_event, training_identity

DEFAULT_SEEDS = 3


def finalize_run(
    path: Union[str, Path],
    *,
    seeds: int = DEFAULT_SEEDS,
    fronts: int = 1,
    epochs: Optional[int] = None,
    device: str = "auto",
    time_budget_s: Optional[float] = None,
    on_event: Callable[[Event], None] = ignore,
) -> List[TrialRecord]:
    """Train a run's best and handcrafted networks again from new seeds; return all trainings.

    The same call goes on where it stopped; with more seeds or fronts, or once the front has other
    networks, it adds those. `nas_edge.finalists_frame` has what came of them.

    Args:
        path: The run's folder; the finalists go into ``finalists`` in it.
        seeds: How many trainings each network gets. One alone gives no interval.
        fronts: How many: 1 trains the front, 2 also the networks that only those of the front
            dominate, and so on. What was stopped early has no final accuracy and is on none.
        epochs: Of each training; the study's own by default.
        device: "auto", "cpu" or "cuda". Another than the search's gives accuracies that compare
            with the search's, and memory that does not.
        time_budget_s: No training is started that would end after so many seconds of trainings,
            those of earlier calls included.
        on_event: Hears of everything as it happens.
    Raises:
        StudyError: If the run has no finished candidate, is none of a study file, or holds
            finalists that were trained otherwise.
        DataError: If the images of the search are gone or others by now.
        ConfigError: If the device cannot do what is asked for.
        EnvironmentProblem: If the machine is at fault.
    """
    if seeds < 1:
        raise ConfigError(f"seeds must be at least 1, but got {seeds}")
    if fronts < 1:
        raise ConfigError(f"fronts must be at least 1, but got {fronts}")
    run = open_run(path)
    config, space = _search_of(run)
    chosen = chosen_finalists(run, fronts)
    found = find_device(device)
    longer = _with_epochs(config, epochs)
    check_trainable(longer, found, str(run.folder.path / "study.yaml"))
    folder = create_or_open(run.folder.finalists, longer.name, None)
    folder = replace(folder, is_part=True)
    log = logged(folder.path / "log.txt", on_event)
    with log as on_event, folder.locked(), disk_errors(folder.path):

        def note(text: str) -> None:
            on_event({"event": "note", "text": text})

        images = _images_of(run, config, note)
        trainings = FinalistSpace(space, _trainings(space, chosen, seeds, config.seed))

        def begin() -> None:
            # Single trainings make no front: the means of all will.
            event = study_event(longer, trainings, images, found, folder.path)
            on_event({**event, "objectives": [], "time_budget_s": time_budget_s})
            for text in _notes(run, chosen, seeds, (config, longer), images, found):
                note(text)

        return run_in(
            folder,
            trainings,
            SeededEvaluator(_evaluator(run, longer, images, found)),
            objectives=config.objectives,
            trials=None,
            sampler="random",
            seed=config.seed,
            time_budget_s=time_budget_s,
            identity=training_identity(longer, images, found),
            on_event=on_event,
            on_open=begin,
        )


class SeededEvaluator:
    """Trains a finalist's network from its own seed."""

    def __init__(self, evaluator: TrainingEvaluator) -> None:
        self._evaluator = evaluator

    def bind(self, job: Job) -> Callable[[Finalist], Measurement]:
        """Return the evaluator of one trial."""
        return lambda one: self._evaluator.bind(replace(job, seed=one.seed))(one.point)


def chosen_finalists(run: Run, fronts: int = 1) -> List[TrialRecord]:
    """Return what is trained again: the finished references, then the rest of the fronts.

    Raises:
        StudyError: If nothing has finished.
    """
    references = [r for r in run.records if r.reference and r.measurement.is_finished]
    best = fronts_of(run.records, run.objectives, fronts)
    found = {record.key: record for record in [*references, *best]}
    if not found:
        raise StudyError(
            f"{run.folder.path}: must have a finished candidate to train again, but has none; run "
            "its study first"
        )
    return list(found.values())


def _search_of(run: Run) -> Tuple[StudyConfig, Any]:
    """Return the study of a run and its space."""
    file = run.folder.path / "study.yaml"
    if not file.is_file():
        raise StudyError(
            f"{run.folder.path}: must be a run of a study file, but holds no study.yaml; "
            "nas-edge reproduce --seed N trains the paper's networks again"
        )
    config, _ = load_study_config(str(file))
    space_config, space_path = load_space_config(config.space, run.folder.path)
    space = searched_space(SearchSpace.from_config(space_config, str(space_path)), config)
    own = plain({"recipe": config.recipe.model_dump(), "space": space.fingerprint()})
    differences = differences_of({name: run.identity.get(name, {}) for name in own}, own)
    if differences:
        raise StudyError(
            f"{file}: must be the study that the run holds, but {differences[0]}; change it back"
        )
    return config, space


def _with_epochs(config: StudyConfig, epochs: Optional[int]) -> StudyConfig:
    """Return the finalists' study: a name of its own, other epochs with the time that they take."""
    recipe, limits = config.recipe, config.limits
    if epochs is not None and epochs != recipe.epochs:
        factor = max(1.0, epochs / recipe.epochs)
        recipe = recipe_with(recipe, {"epochs": epochs})
        if limits.candidate_time is not None:
            limits = limits.model_copy(update={"candidate_time": factor * limits.candidate_time})
    name = f"{config.name}-finalists"
    changed = {"name": name, "recipe": recipe, "limits": limits, "time_budget": None}
    return config.model_copy(update=changed)


def _trainings(
    space: Any, chosen: List[TrialRecord], seeds: int, study_seed: int
) -> List[Finalist]:
    """Return every network's first training, then every second one, and so on."""
    return [
        Finalist(record.name, space.from_json(record.point), place, seed)
        for place, seed in enumerate(finalist_seeds(study_seed, seeds), 1)
        for record in chosen
    ]


def _images_of(run: Run, config: StudyConfig, note: Callable[[str], None]) -> ImageSet:
    """Return the search's images: as it decoded them, or decoded anew where they still are.

    Raises:
        DataError: If they are gone, or others by now.
    """
    wanted = run.identity["data"]["identity"]
    for folder in sorted(run.folder.cache.glob("*")):
        opened = open_image_set(folder)
        if opened is not None and opened.identity == wanted:
            return opened
    try:
        images = load_image_set(config.data, config.recipe.image_size, run.folder.cache, note)
    except NasEdgeError as err:
        raise DataError(
            f"{run.folder.path}: the search's images are gone, decoded and as they were ({err})"
        ) from err
    if images.identity != wanted:
        raise DataError(
            f"{images.description}: must hold the images of the search ({wanted}), but holds "
            f"others by now ({images.identity}); put them back"
        )
    return images


def _evaluator(run: Run, config: StudyConfig, images: ImageSet, device: Device) -> Any:
    """Return what trains as the search did, with its calibration where that still holds."""
    evaluator = TrainingEvaluator(
        recipe=config.recipe,
        images=images,
        device=device,
        memory_limit_bytes=config.memory_limit,
        limits=ChildLimits(config.limits.candidate_time, config.limits.silence),
        keep_weights=config.artifacts.weights,
        memory_saver=config.memory_saver,
    )
    file = run.folder.path / CALIBRATION_FILE
    found = load_calibration(file, evaluator.calibration_holds_for())
    return replace(evaluator, calibration=found)


def _notes(
    run: Run,
    chosen: List[TrialRecord],
    seeds: int,
    configs: Tuple[StudyConfig, StudyConfig],
    images: ImageSet,
    device: Device,
) -> List[str]:
    """Return what is worth knowing before the first training."""
    epochs, own = configs[1].recipe.epochs, configs[0].recipe.epochs
    length = (
        f"{epochs} epochs as in the search"
        if epochs == own
        else (f"{epochs} epochs instead of the search's {own}")
    )
    notes = [f"finalists: {len(chosen)} networks, {seeds} trainings each, {length}"]
    left_out = [r.name for r in run.records if r.reference and not r.measurement.is_finished]
    if left_out:
        notes.append(f"left out, without figures in the search: {', '.join(left_out)}")
    others = _other_finalists(run, chosen)
    if others:
        notes.append(
            f"finalists of earlier calls that get no further seeds: {', '.join(others)}; those of "
            "further fronts do with --fronts as before"
        )
    if seeds < 2:
        notes.append("one training gives no interval: --seeds 2 or more do")
    if "test" not in images.counts:
        notes.append("there are no test images: finalists are compared on the validation images")
    search = run.identity["device"]
    if (search["kind"], search["name"]) != (device.kind, device.name):
        notes.append(
            f"the search ran on {search['name']} ({search['kind']}), the finalists on "
            f"{device.name} ({device.kind}): accuracies compare, memory does not"
        )
    return notes


def _other_finalists(run: Run, chosen: List[TrialRecord]) -> List[str]:
    """Return the names of the finalists that are there and not chosen now."""
    there = () if run.finalists is None else run.finalists.records
    keys = {record.key for record in chosen}
    names = {network_key(r): network_name(r) for r in there if network_key(r) not in keys}
    return list(names.values())
