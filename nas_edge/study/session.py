"""One sitting at an opened study: what every step of the loop needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Protocol, Sequence, Union

from nas_edge.candidate.evaluator import Job
from nas_edge.candidate.measurement import Measurement
from nas_edge.config.study import SamplerConfig
from nas_edge.errors import EnvironmentProblem
from nas_edge.study.known_points import KnownPoints
from nas_edge.study.ledger import Ledger
from nas_edge.study.pruning import Pruner
from nas_edge.study.reading import trials_of
from nas_edge.study.run_folder import RunFolder
from nas_edge.study.storage import sqlite_file

Event = Dict[str, Any]
Measure = Callable[[Any], Measurement]


class Bindable(Protocol):
    """An evaluator that is told which trial it works for."""

    def bind(self, job: Job) -> Measure:
        """Return the evaluator of one trial."""
        ...


Evaluator = Union[Measure, Bindable]


@dataclass(frozen=True)
class Session:
    """The study, its place, and who suggests, evaluates and listens.

    ``identity`` is a digest of what must stay the same while the study goes on; ``known_points``
    serve the sampler "known-cost", None where costs are not known; ``pruner`` stops candidates.
    """

    study: Any
    folder: RunFolder
    space: Any
    evaluator: Evaluator
    objectives: Sequence[str]
    sampler: SamplerConfig
    seed: int
    on_event: Callable[[Event], None]
    identity: str
    ledger: Ledger
    known_points: Optional[KnownPoints] = None
    pruner: Optional[Pruner] = None

    @property
    def is_shared(self) -> bool:
        """Whether other workers may be at the same study."""
        return self.folder.storage_url is not None

    def refresh(self) -> Ledger:
        """Return the ledger, with what the storage got since.

        Raises:
            EnvironmentProblem: If the storage's file is gone; SQLite would go on with a file that
                nobody finds any more.
        """
        check_file_is_there(sqlite_file(self.folder.database_url))
        self.ledger.read(trials_of(self.study))
        return self.ledger

    def plain(self, point: Any) -> Any:
        """Return a point as plain data."""
        return self.space.to_json(point) if hasattr(self.space, "to_json") else point


def check_file_is_there(path: Optional[Path]) -> None:
    """Raise if an SQLite file was deleted under a running study."""
    if path is not None and not path.exists():
        raise EnvironmentProblem(
            f"{path}: the storage is gone; put it back and run the same command again (without it, "
            "the command starts a new one and takes over what the candidates' folders hold)"
        )
