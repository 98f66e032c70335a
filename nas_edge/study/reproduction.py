"""The paper's networks trained by its recipe, each as one trial of a study like any other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Union

from nas_edge.candidate.evaluator import Job, StartWeights, TrainingEvaluator
from nas_edge.candidate.measurement import Measurement
from nas_edge.candidate.process import ChildLimits
from nas_edge.config.files import dump_yaml
from nas_edge.config.reproduction import RECIPES, SETTINGS, TASKS, reproduction_config
from nas_edge.config.study import StudyConfig
from nas_edge.data.source import load_image_set
from nas_edge.device.machine import find_device
from nas_edge.errors import ConfigError, StudyError
from nas_edge.models.network import count_network, prepare_network
from nas_edge.space.baselines import NETWORK_NAMES, network_of_name
from nas_edge.space.references import PAPER_REFERENCE
from nas_edge.study.checks import check_trainable
from nas_edge.study.engine import ignore, run_in
from nas_edge.study.log import logged
from nas_edge.study.named_networks import NamedNetwork, NamedNetworks
from nas_edge.study.records import TrialRecord
from nas_edge.study.run_folder import create_or_open, disk_errors, write_whole
from nas_edge.study.session import Event
from nas_edge.study.training_study import study_event, training_identity
from nas_edge.study.transfer_source import find_sources, sha256


def named_networks(
    names: Sequence[str], setting: str, source: Optional[str] = None
) -> Dict[str, NamedNetwork]:
    """Return what is trained, by name.

    Args:
        names: Networks of the paper.
        setting: "scratch" begins with new weights, the others with trained ones.
        source: RUN or RUN:TRIAL that holds those.
    Raises:
        StudyError: If trained weights are missing, or given where none are used.
    """
    if setting == "scratch":
        if source is not None:
            raise StudyError("--from must not be given where a network is trained from scratch")
        if not names:
            raise StudyError(f"name a network ({', '.join(NETWORK_NAMES)})")
        return {name: NamedNetwork(name, network_of_name(name)) for name in names}
    if source is None:
        raise StudyError(
            f"--from is missing: {setting} begins with a trained network; give RUN or RUN:TRIAL of "
            "one that was trained on another task"
        )
    return find_sources(source, names)


def reproduce_paper(
    networks: Union[str, Sequence[str]] = (PAPER_REFERENCE,),
    *,
    out: Union[str, Path],
    task: str = "synthetic",
    setting: str = "scratch",
    recipe: str = "paper",
    source: Optional[str] = None,
    device: str = "auto",
    on_event: Callable[[Event], None] = ignore,
    **options: Any,
) -> List[TrialRecord]:
    """Train networks of the paper by its recipe, as `nas-edge reproduce` does; return all records.

    Args:
        networks: A name or several; none where ``source`` is RUN:TRIAL, whose network it is.
        out: The run's folder; the same call goes on where it stopped.
        task: "synthetic", or "pcb" or "caltech101" with ``data``, the folder of its images.
        setting: "scratch", "frozen" or "finetune".
        recipe: "paper", or "fixed" without its second softmax.
        source: RUN or RUN:TRIAL that "frozen" and "finetune" begin with.
        device: "auto", "cpu" or "cuda".
        on_event: Hears of everything as it happens.
        options: ``data``, ``epochs``, ``image_size``, ``bn_momentum`` and ``seed``, as in
            `nas_edge.config.reproduction.reproduction_config`.
    Raises:
        ConfigError: If there is no such task, setting or recipe, or images are missing.
    """
    about = {"task": task, "setting": setting, "recipe": recipe}
    for (key, value), known in zip(about.items(), (TASKS, SETTINGS, tuple(RECIPES))):
        if value not in known:
            raise ConfigError(f"{key} must be one of {', '.join(known)}, but got {value!r}")
    config = reproduction_config(task, setting, recipe, **options)
    names = [networks] if isinstance(networks, str) else networks
    wanted = named_networks(names, setting, source)
    return run_reproduction(config, wanted, about, out=out, device=device, on_event=on_event)


def run_reproduction(
    config: StudyConfig,
    networks: Mapping[str, NamedNetwork],
    about: Mapping[str, Any],
    *,
    out: Union[str, Path],
    device: str = "auto",
    on_event: Callable[[Event], None] = ignore,
) -> List[TrialRecord]:
    """Train networks as trials of one study, or go on with it; return all its records.

    Args:
        config: From `nas_edge.config.reproduction.reproduction_config`.
        networks: From `named_networks`; those of earlier calls stay in the study.
        about: Task, setting and recipe, kept with the study.
        out: The run's folder.
        device: "auto", "cpu" or "cuda".
        on_event: Hears of everything as it happens.
    Raises:
        ConfigError: If the device cannot do what is asked for.
        SpaceError: If the images are too small for a network.
        DataError: If the images cannot be used.
        StudyError: If the folder holds another study.
        EnvironmentProblem: If the machine is at fault.
    """
    for point in networks.values():  # before the first of them trains for hours
        prepare_network(point.network)
        count_network(point.network, config.recipe.image_size, 1)
    found = find_device(device)
    check_trainable(config, found, "reproduce")
    folder = create_or_open(Path(out), config.name, None)
    log = logged(folder.path / "log.txt", on_event)
    space = NamedNetworks(networks)

    with log as on_event, folder.locked(), disk_errors(folder.path):

        def note(text: str) -> None:
            on_event({"event": "note", "text": text})

        images = load_image_set(config.data, config.recipe.image_size, folder.cache, note)
        evaluator = TrainingEvaluator(
            recipe=config.recipe,
            images=images,
            device=found,
            limits=ChildLimits(config.limits.candidate_time, config.limits.silence),
            keep_weights=config.artifacts.weights,
        )

        def begin() -> None:
            text = dump_yaml({**about, "study": config.model_dump(mode="json")})
            write_whole(folder.path / "reproduce.yaml", text)
            on_event(study_event(config, space, images, found, folder.path))

        return run_in(
            folder,
            space,
            NamedEvaluator(evaluator, config.seed),
            objectives=config.objectives,
            trials=None,
            sampler="random",
            seed=config.seed,
            time_budget_s=None,
            identity={**training_identity(config, images, found), "reproduce": dict(about)},
            on_event=on_event,
            on_open=begin,
        )


class NamedEvaluator:
    """Trains a named network with the weights that it begins with.

    The study's seed is each training's, so that the order in which networks were asked for changes
    no result.
    """

    def __init__(self, evaluator: TrainingEvaluator, seed: int) -> None:
        self._evaluator = evaluator
        self._seed = seed

    def bind(self, job: Job) -> Callable[[NamedNetwork], Measurement]:
        """Return the evaluator of one trial."""
        bound = self._evaluator.bind(replace(job, seed=self._seed))
        return lambda point: replace(bound, start=_checked(point.start))(point.network)


def _checked(start: Optional[StartWeights]) -> Optional[StartWeights]:
    """Return the weights to begin with; those that were there when the trial was asked for."""
    if start is None:
        return None
    what = "gone" if not start.path.is_file() else ""
    if not what and sha256(start.path) != start.digest:
        what = "others by now"
    if what:
        raise StudyError(
            f"{start.path}: the weights to begin with are {what}; put them back, or start anew "
            "with --out"
        )
    return start
