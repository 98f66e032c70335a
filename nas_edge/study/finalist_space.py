"""A search's space again, each of whose points is a network with the seed that it is trained from.

A study of them searches nothing: the trainings that are asked for are its references, and each is
evaluated once. Those asked for later, of other networks or from further seeds, join the same study.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence

from nas_edge.space.baselines import REPEAT
from nas_edge.study.records import POINT, TrialRecord
from nas_edge.study.samplers import trial_seed

TEST, VALIDATION = "test_accuracy", "val_accuracy"
MAX_SEED = 2**32 - 1
_SEPARATOR = "#"


@dataclass(frozen=True)
class Finalist:
    """One training of a finalist.

    Args:
        name: The network's in the search.
        point: The search's, with its training where that was searched.
        place: From 1 on, which of the network's trainings this is.
        seed: That it is trained from.
    """

    name: str
    point: Any
    place: int
    seed: int

    @property
    def label(self) -> str:
        """Its name in the study, e.g. ``trial 7, seed 2``."""
        return f"{self.name}, seed {self.place}"


class FinalistSpace:
    """The space of finalists. ``references`` are the trainings that are asked for now, by name.

    Args:
        space: The search's.
        finalists: What is asked for, in the order in which they are trained.
    """

    def __init__(self, space: Any, finalists: Sequence[Finalist]) -> None:
        self._space = space
        self.name = f"the finalists of {space.name}"
        self.num_points = len(finalists)
        self.references = {one.label: one for one in finalists}

    def suggest(self, trial: Any) -> Finalist:
        """Return the point that a trial was enqueued with."""
        self._space.suggest(trial)  # Optuna has a trial's parameters only once they are asked for
        trial.suggest_int("seed", 0, MAX_SEED)
        return self.from_json(trial.user_attrs[POINT])

    def parameters(self, finalist: Finalist) -> Dict[str, Any]:
        """Return the searched values of the network, and the seed."""
        return {**self._space.parameters(finalist.point), "seed": finalist.seed}

    def contains(self, finalist: Finalist) -> bool:
        """Return whether the network is one of the search's space."""
        return bool(self._space.contains(finalist.point))

    def key(self, finalist: Finalist) -> str:
        """Return the network's key in the search, with the seed in it."""
        return f"{self._space.key(finalist.point)}{_SEPARATOR}{finalist.seed}"

    def to_json(self, finalist: Finalist) -> Dict[str, Any]:
        """Return plain data of a point: the network's, and a group ``repeat``."""
        about = {"of": finalist.name, "place": finalist.place, "seed": finalist.seed}
        return {**self._space.to_json(finalist.point), REPEAT: about}

    def from_json(self, data: Mapping[str, Any]) -> Finalist:
        """Return the point of plain data; the inverse of `to_json`."""
        about = data[REPEAT]
        point = self._space.from_json({key: one for key, one in data.items() if key != REPEAT})
        return Finalist(about["of"], point, about["place"], about["seed"])

    def fingerprint(self) -> Dict[str, Any]:
        """Return the search's: which of its networks are there is not what makes the study."""
        return dict(self._space.fingerprint())


def network_key(record: TrialRecord) -> str:
    """Return the key that a finalist's network has in the search."""
    return record.key.rpartition(_SEPARATOR)[0]


def network_name(record: TrialRecord) -> str:
    """Return the name that a finalist's network had in the search when it was asked for."""
    return str(record.point[REPEAT]["of"])


def finalist_seeds(study_seed: int, count: int) -> List[int]:
    """Return the seeds that finalists are trained from: always the same, none of the search's."""
    return [trial_seed(study_seed, place, "finalist") for place in range(1, count + 1)]


def judged_by(identity: Mapping[str, Any]) -> str:
    """Return the accuracy that finalists are compared by: validation's where no test images are."""
    return TEST if "test" in identity["data"]["counts"] else VALIDATION
