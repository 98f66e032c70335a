"""The evaluator that really trains: an architecture in, a measurement out.

Cheap before dear: the estimate refuses what cannot fit the limit, the probe measures the memory
before an epoch is spent, then the training runs, each in a process of its own.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Union

from nas_edge.candidate.calibrating import calibrate_device, drawn_from
from nas_edge.candidate.calibration import Calibration
from nas_edge.candidate.estimate import CostEstimate, estimate_cost
from nas_edge.candidate.infeasible import (
    is_stopped_by_limit,
    out_of_memory,
    over_limit,
    past_limit,
)
from nas_edge.candidate.judged import Judge, Judged, Stopped
from nas_edge.candidate.limit import RETURNS_BLOCKS, allocator_for, ran_out_for_kept_blocks
from nas_edge.candidate.measurement import (
    METRICS,
    OUT_OF_MEMORY,
    Measurement,
    Metric,
)
from nas_edge.candidate.process import ChildEnd, ChildLimits, Message, run_in_child
from nas_edge.config.study import RecipeConfig
from nas_edge.config.units import format_bytes
from nas_edge.data.image_set import ImageSet
from nas_edge.device.machine import Device, available_memory_bytes, versions
from nas_edge.models.counts import ModelCount, count_model
from nas_edge.space.architecture import Architecture
from nas_edge.space.baselines import Network
from nas_edge.space.training_choices import TrainedArchitecture
from nas_edge.training.savers import Saver, usable_savers

PROBE_TASK = "nas_edge.candidate.probe:probe"
TRAINING_TASK = "nas_edge.candidate.child:train_candidate"
# What of a recipe decides how much memory a network needs.
SHAPES_MEMORY = (
    "image_size",
    "batch_size",
    "micro_batch",
    "optimizer",
    "momentum",
    "precision",
    "memory_format",
)


@dataclass(frozen=True)
class Job:
    """What belongs to one trial: its seed, its folder, who hears of its progress and judges it."""

    number: int
    seed: int
    folder: Path
    on_progress: Callable[[Message], None] = field(default=lambda _: None)
    judge: Optional[Judge] = None


@dataclass(frozen=True)
class StartWeights:
    """A file of trained weights, and the hash of its bytes."""

    path: Path
    digest: str


@dataclass(frozen=True)
class TrainingEvaluator:
    """Train candidates on this device.

    Args:
        recipe: How; a point that was chosen with its training brings values of its own.
        images: On what.
        device: Where.
        memory_limit_bytes: What a candidate may need; None for no limit.
        limits: When a candidate's process counts as hung.
        keep_weights: Whether the evaluated weights are kept in the candidate's folder.
        memory_saver: "auto": the fastest that fits; or the name of one (`training/savers.py`).
        calibration: Of this device and recipe, from `calibrate`.
        start: Weights to begin with, all but the head's; None for new ones.
        job: Set by `bind`; without it seed 0 and a new temporary folder, which stays for its log.
    """

    recipe: RecipeConfig
    images: ImageSet
    device: Device
    memory_limit_bytes: Optional[int] = None
    limits: ChildLimits = field(default_factory=ChildLimits)
    keep_weights: bool = False
    memory_saver: str = "auto"
    calibration: Optional[Calibration] = None
    start: Optional[StartWeights] = None
    job: Optional[Job] = None

    def bind(self, job: Job) -> TrainingEvaluator:
        """Return the evaluator of one trial."""
        return replace(self, job=job)

    def __call__(self, point: Union[Network, TrainedArchitecture]) -> Measurement:
        """Train one point in a process of its own and return what was measured."""
        if isinstance(point, TrainedArchitecture):
            chosen = replace(self, recipe=point.recipe(self.recipe))
            return chosen(point.architecture).with_details(train=point.settings)
        started = time.monotonic()
        job = self.job or Job(0, 0, Path(tempfile.mkdtemp(prefix="nas-edge-")))
        job.folder.mkdir(parents=True, exist_ok=True)
        measured = self._evaluate(point, job)
        return replace(
            measured,
            seed=job.seed,
            device=self.device.to_dict(),
            versions=versions(),
            wall_s=measured.wall_s + time.monotonic() - started,
        )

    def _evaluate(self, network: Network, job: Job) -> Measurement:
        metrics = self._counted(network)
        refusals: List[Measurement] = []
        for saver in self._savers(network):
            # The paper's question comes before any answer: what would it cost, by part.
            estimate = self._estimated(network, saver)
            found = self._with_saver(network, job, saver, estimate, dict(metrics))
            found = found.with_details(memory_saver=saver.name, estimate=_plain_estimate(estimate))
            if not found.is_infeasible:
                return found
            refusals.append(found)
        return min(refusals, key=_need)

    def _savers(self, network: Network) -> List[Saver]:
        """Return the ways to train that may be tried, the fastest first."""
        if not isinstance(network, Architecture):
            return [Saver()]
        if self.memory_saver == "auto":
            return usable_savers(self.recipe)
        return [Saver.of(self.memory_saver)]

    def _estimated(self, network: Network, saver: Saver) -> CostEstimate:
        """Return the quick tier's estimate where it has one: the template's plain step."""
        common: Dict[str, Any] = {"calibration": self.calibration, "device": self.device.kind}
        is_whole = self.recipe.trainable == "all"
        if isinstance(network, Architecture) and saver == Saver() and is_whole:
            return estimate_cost(network, self.recipe, self.images.num_outputs, **common)
        from nas_edge.candidate.simulation import estimate_exactly

        return estimate_exactly(
            network, self.recipe, self.images.num_outputs, saver=saver, **common
        )

    def _with_saver(
        self,
        network: Network,
        job: Job,
        saver: Saver,
        estimate: CostEstimate,
        metrics: Dict[str, Metric],
    ) -> Measurement:
        """Refuse by the estimate, then by the probe; else train."""
        limit = self.memory_limit_bytes
        if limit is not None and estimate.lower_bound_bytes > limit:
            need = f"an estimated {format_bytes(estimate.peak_bytes)}"
            return over_limit(metrics, need, estimate.peak_bytes, estimate.source, limit)
        probe = self._run(PROBE_TASK, network, job, saver)
        if probe.result is None:
            return self._failed(probe, metrics, estimate)
        peak, source = probe.result["peak_bytes"], probe.result["source"]
        metrics["peak_memory"] = Metric(peak, "bytes", source)
        if limit is not None and peak > limit:
            return over_limit(metrics, format_bytes(peak), peak, source, limit)
        job.on_progress({"event": "probed", "peak_bytes": peak, "memory_saver": saver.name})
        judged = Judged(job.judge, job.on_progress, metrics)
        try:
            trained = self._train(network, replace(job, on_progress=judged.hear), saver, peak)
        except Stopped:
            return judged.measurement()
        if trained.result is None:
            return self._failed(trained, metrics, estimate)
        measured = _measured(metrics, probe, trained).with_details(**judged.details)
        return replace(measured, wall_s=judged.earlier_s)

    def calibrate(self, space: Any) -> Optional[Calibration]:
        """Return a calibration for this device and recipe, from five probes.

        Args:
            space: Has ``sample(rng)`` and ``references``.
        Returns:
            None where networks do not fit or a probe failed.
        """
        with tempfile.TemporaryDirectory(prefix="nas-edge-") as place:
            job = Job(0, 0, Path(place))
            return calibrate_device(
                drawn_from(space),
                self.recipe,
                self.images.num_outputs,
                self.device.kind,
                self._room_bytes(),
                lambda network: self._run(PROBE_TASK, network, job, Saver(), time_forward=True),
                self.calibration_holds_for(),
            )

    def calibration_holds_for(self) -> Dict[str, Any]:
        """Return what a calibration depends on, as plain data."""
        return {
            "device": {"kind": self.device.kind, "name": self.device.name},
            "versions": versions(),
            "recipe": {name: getattr(self.recipe, name) for name in SHAPES_MEMORY},
            "num_outputs": self.images.num_outputs,
        }

    def _room_bytes(self) -> int:
        """Return what a candidate may take: what there is, or the limit."""
        on_cpu = self.device.kind == "cpu"
        there = available_memory_bytes() if on_cpu else self.device.memory_bytes
        return there if self.memory_limit_bytes is None else min(there, self.memory_limit_bytes)

    def _train(self, network: Network, job: Job, saver: Saver, probe_bytes: int) -> ChildEnd:
        """Train what the probe accepted; the limit may cost it time and not its place."""
        allocator = allocator_for(self.memory_limit_bytes, probe_bytes, self.device.kind)
        trained = self._run(TRAINING_TASK, network, job, saver, allocator=allocator)
        if ran_out_for_kept_blocks(trained):
            trained = self._run(TRAINING_TASK, network, job, saver, allocator=RETURNS_BLOCKS)
        return trained

    def _run(self, task: str, network: Network, job: Job, saver: Saver, **more: Any) -> ChildEnd:
        plain = {
            "saver": saver.name,
            "architecture": network.to_dict(),
            "recipe": self.recipe.model_dump(),
            "image_set": str(self.images.folder),
            "images": self.images.identity,
            "num_outputs": self.images.num_outputs,
            "seed": job.seed,
            "device": self.device.kind,
            "num_threads": self.device.num_cores,
            "checkpoint": str(job.folder / "checkpoint.pt"),
            "weights": str(job.folder / "weights.pt") if self.keep_weights else None,
            "memory_limit": self.memory_limit_bytes,
            "start_from": str(self.start.path) if self.start else None,
            "start_digest": self.start.digest if self.start else None,
            **more,
        }
        return run_in_child(task, plain, job.folder / "log.txt", self.limits, job.on_progress)

    def _counted(self, network: Network) -> Dict[str, Metric]:
        counts = _count(network, self.recipe.image_size, self.images.num_outputs)
        return {
            "params": Metric(counts.num_params, "count", "counted, moving statistics included"),
            "macs": Metric(
                counts.macs, "count", f"counted at {self.recipe.image_size} px, one image"
            ),
        }

    def _failed(
        self, end: ChildEnd, metrics: Mapping[str, Metric], estimate: CostEstimate
    ) -> Measurement:
        limit = self.memory_limit_bytes
        if limit is not None:
            is_probed = "peak_memory" in metrics
            if is_stopped_by_limit(end, limit, estimate.peak_bytes, is_probed=is_probed):
                return past_limit(metrics, end, limit, estimate.peak_bytes)
        if end.kind == OUT_OF_MEMORY:
            on_cpu = self.device.kind == "cpu"
            return out_of_memory(
                metrics, end, end.available_bytes if on_cpu else self.device.memory_bytes
            )
        return Measurement(outcome=end.kind, reason=end.reason, metrics=metrics, details=end.facts)


def _count(network: Network, image_size: int, num_outputs: int) -> ModelCount:
    """Count by arithmetic where there is a plan; torch is imported for others alone."""
    if isinstance(network, Architecture):
        return count_model(network.plan, image_size, num_outputs)
    from nas_edge.models.network import count_network

    return count_network(network, image_size, num_outputs)


def _need(refused: Measurement) -> float:
    """What an infeasible candidate needs at the least; of one that ran out, what it had."""
    details = refused.details
    return float(details.get("needs_bytes", details.get("needs_more_than_bytes", 0)))


def _measured(metrics: Mapping[str, Metric], probe: ChildEnd, trained: ChildEnd) -> Measurement:
    assert probe.result is not None
    assert trained.result is not None
    details = {
        "weights_epoch": trained.result["weights_epoch"],
        "resumed_from_epoch": trained.result["resumed_from_epoch"],
        "latency": trained.result["latency"],
        "batch_latency": trained.result["batch_latency"],
        "meters": trained.result["meters"],
        "start_s": trained.start_s,
        "probe_start_s": probe.start_s,
        **trained.facts,
    }
    # Of the reserved peak, what tensors used; the machine's own view beside the probe's.
    for name in ("peak_allocated_bytes", "memory_taken_bytes"):
        if name in probe.result:
            details[name] = probe.result[name]
    return Measurement(
        metrics={**metrics, **_trained_metrics(trained.result)},
        history=tuple(trained.result["history"]),
        details=details,
    )


def _plain_estimate(estimate: CostEstimate) -> Dict[str, Any]:
    return {
        "tier": estimate.tier,
        "peak_bytes": estimate.peak_bytes,
        "source": estimate.source,
        "parts": dict(estimate.parts),
    }


def _trained_metrics(result: Mapping[str, Any]) -> Dict[str, Metric]:
    history = result["history"]
    source, sources = result["memory_source"], result["meters"]["sources"]
    batch = result["batch_latency"]
    values = {
        "val_accuracy": (
            result["val_accuracy"],
            f"validation images, epoch {result['weights_epoch']}",
        ),
        "train_accuracy": (result["train_accuracy"], "training batches, as seen while training"),
        "test_accuracy": (result["test_accuracy"], "test images; for reporting only"),
        "latency": (result["latency"]["median_ms"], "median of a forward pass, batch 1"),
        "batch_latency": (
            batch["median_ms"],
            f"median of a forward pass, batch {batch['batch_size']}",
        ),
        "epoch_time": (_mean(history, "seconds"), "mean wall time an epoch"),
        "train_peak_memory": (max(r["peak_memory_bytes"] for r in history), source),
        "mean_memory": (_mean(history, "mean_memory_bytes"), source),
        "energy_per_epoch": (_mean(history, "energy_j"), _power_source(sources)),
        "energy_per_inference": (
            result["energy_per_inference_j"],
            f"{_power_source(sources)}; forward passes of one image, idle power included",
        ),
        "board_ram_fraction": (
            _mean(history, "board_ram_fraction"),
            f"{sources.get('board_ram_fraction', '')}, mean of the epochs' ends",
        ),
    }
    return {
        name: Metric(value, METRICS[name].unit, origin)
        for name, (value, origin) in values.items()
        if value is not None
    }


def _mean(history: Sequence[Mapping[str, Any]], column: str) -> Optional[float]:
    """Return a column's mean; None where an epoch has none, so that no part passes for all."""
    if not all(column in row for row in history):
        return None
    return float(sum(row[column] for row in history)) / len(history)


def _power_source(sources: Mapping[str, str]) -> str:
    return sources.get("energy") or f"{sources.get('power', '')}, integrated over its samples"
