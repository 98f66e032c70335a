"""Which finished candidate a new one inherits its first weights from.

Only candidates that were trained from new weights pass theirs on: so an heir has one training
behind it beside its own, whenever it comes, and heirs compare with each other. They are judged,
and where it matters stopped, among themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence

from nas_edge.candidate.evaluator import Relative, StartWeights
from nas_edge.config.study import StudyConfig
from nas_edge.errors import SpaceError
from nas_edge.space.architecture import Architecture
from nas_edge.space.baselines import network_of_point
from nas_edge.space.smallest import num_parameters
from nas_edge.space.training_choices import TrainedArchitecture, recipe_with
from nas_edge.space.widths import is_as_wide
from nas_edge.study.pruning import Pruner, pruner_of
from nas_edge.study.records import TrialRecord
from nas_edge.study.run_folder import RunFolder
from nas_edge.study.transfer_source import sha256


@dataclass(frozen=True)
class Inheritance:
    """How a study's candidates inherit.

    ``epochs`` is how long an heir trains; ``pruner`` stops heirs, None where none is stopped.
    """

    epochs: int
    pruner: Optional[Pruner] = None

    def relative_of(
        self, point: Any, records: Sequence[TrialRecord], folder: RunFolder
    ) -> Optional[Relative]:
        """Return the smallest finished network that can pass its weights on, or None."""
        network = point.architecture if isinstance(point, TrainedArchitecture) else point
        if not isinstance(network, Architecture):
            return None
        wider = []
        for record in records:
            path = folder.candidate(record.number).resolve() / "weights.pt"
            wide = _architecture_of(record)
            if wide is None or record.measurement.is_heir or not path.is_file():
                continue
            if record.measurement.is_finished and is_as_wide(wide.plan, network.plan):
                wider.append((num_parameters(wide.plan), record.number, record.name, path))
        if not wider:
            return None
        _, number, name, path = min(wider)
        return Relative(number, name, StartWeights(path, sha256(path)), self.epochs)


def inheritance_of(config: StudyConfig, database_url: str) -> Optional[Inheritance]:
    """Return how a study file's candidates inherit; None where they do not."""
    if config.inherit.name == "none":
        return None
    epochs = config.inherit.epochs_of(config.recipe.epochs)
    recipe = recipe_with(config.recipe, {"epochs": epochs})
    pruner = pruner_of(config.pruner, config.objectives, recipe, config.seed, database_url)
    return Inheritance(epochs, pruner)


def inheritance_identity(config: StudyConfig) -> Dict[str, Any]:
    """Return what must stay the same while a study goes on; nothing where nothing is inherited."""
    if config.inherit.name == "none":
        return {}
    epochs = config.inherit.epochs_of(config.recipe.epochs)
    return {"inherit": {"name": config.inherit.name, "epochs": epochs}}


def alike(records: Sequence[TrialRecord], heirs: bool) -> List[TrialRecord]:
    """Return the records of heirs, or of the others."""
    return [record for record in records if record.measurement.is_heir == heirs]


def _architecture_of(record: TrialRecord) -> Optional[Architecture]:
    try:
        network = network_of_point(record.point)[0]
    except SpaceError:
        return None
    return network if isinstance(network, Architecture) else None
