"""A study's calibration: probed once, before the first candidate, and kept in the run's folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Optional

from nas_edge.candidate.calibration import CALIBRATION_FILE, load_calibration
from nas_edge.candidate.evaluator import Job, TrainingEvaluator
from nas_edge.study.run_folder import write_whole


class CalibratedEvaluator:
    """An evaluator that sets its estimates right before its first candidate.

    Args:
        evaluator: Trains.
        space: Has ``sample(rng)`` and ``references``.
        folder: The run's, which keeps the calibration.
        note: Hears what takes the time.
    """

    def __init__(
        self, evaluator: TrainingEvaluator, space: Any, folder: Path, note: Callable[[str], None]
    ) -> None:
        self._evaluator = evaluator
        self._space = space
        self._path = folder / CALIBRATION_FILE
        self._note = note
        self._calibrated: Optional[TrainingEvaluator] = None

    def bind(self, job: Job) -> TrainingEvaluator:
        """Return the evaluator of one trial."""
        return self._with_calibration().bind(job)

    def _with_calibration(self) -> TrainingEvaluator:
        if self._calibrated is None:
            found = load_calibration(self._path, self._evaluator.calibration_holds_for())
            if found is None:
                self._note("calibrating the memory estimate: five probes")
                found = self._evaluator.calibrate(self._space)
                if found is not None:
                    write_whole(self._path, json.dumps(found.to_dict(), indent=1))
            self._calibrated = replace(self._evaluator, calibration=found)
        return self._calibrated
