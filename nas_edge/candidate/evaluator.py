"""The evaluator that really trains: an architecture in, a measurement out.

Cheap before dear: the estimate refuses what cannot fit the limit, the probe measures the memory
before an epoch is spent, then the training runs, each in a process of its own.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional

from nas_edge.candidate.estimate import SOURCE as ESTIMATE_SOURCE
from nas_edge.candidate.estimate import CostEstimate, estimate_cost
from nas_edge.candidate.infeasible import (
    is_stopped_by_limit,
    out_of_memory,
    over_limit,
    past_limit,
)
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
from nas_edge.device.machine import Device, versions
from nas_edge.models.counts import count_model
from nas_edge.space.architecture import Architecture

PROBE_TASK = "nas_edge.candidate.probe:probe"
TRAINING_TASK = "nas_edge.candidate.child:train_candidate"


@dataclass(frozen=True)
class Job:
    """What belongs to one trial: its seed, its folder, who hears of its progress."""

    number: int
    seed: int
    folder: Path
    on_progress: Callable[[Message], None] = field(default=lambda _: None)


@dataclass(frozen=True)
class TrainingEvaluator:
    """Train candidates on this device.

    Args:
        recipe: How.
        images: On what.
        device: Where.
        memory_limit_bytes: What a candidate may need; None for no limit.
        limits: When a candidate's process counts as hung.
        keep_weights: Whether the evaluated weights are kept in the candidate's folder.
        job: Set by `bind`; without it seed 0 and a new temporary folder, which stays for its log.
    """

    recipe: RecipeConfig
    images: ImageSet
    device: Device
    memory_limit_bytes: Optional[int] = None
    limits: ChildLimits = field(default_factory=ChildLimits)
    keep_weights: bool = False
    job: Optional[Job] = None

    def bind(self, job: Job) -> TrainingEvaluator:
        """Return the evaluator of one trial."""
        return replace(self, job=job)

    def __call__(self, architecture: Architecture) -> Measurement:
        """Train one architecture in a process of its own and return what was measured."""
        started = time.monotonic()
        job = self.job or Job(0, 0, Path(tempfile.mkdtemp(prefix="nas-edge-")))
        job.folder.mkdir(parents=True, exist_ok=True)
        measured = self._evaluate(architecture, job)
        return replace(
            measured,
            seed=job.seed,
            device=self.device.to_dict(),
            versions=versions(),
            wall_s=time.monotonic() - started,
        )

    def _evaluate(self, architecture: Architecture, job: Job) -> Measurement:
        metrics = self._counted(architecture)
        limit = self.memory_limit_bytes
        if limit is not None:
            estimate = self._estimate(architecture)
            if estimate.lower_bound_bytes > limit:
                need = f"an estimated {format_bytes(estimate.peak_bytes)}"
                return over_limit(metrics, need, estimate.peak_bytes, ESTIMATE_SOURCE, limit)
        probe = self._run(PROBE_TASK, architecture, job)
        if probe.result is None:
            return self._failed(probe, metrics, architecture)
        metrics["peak_memory"] = Metric(probe.result["peak_bytes"], "bytes", probe.result["source"])
        peak_bytes = probe.result["peak_bytes"]
        if limit is not None and peak_bytes > limit:
            need = format_bytes(peak_bytes)
            return over_limit(metrics, need, peak_bytes, probe.result["source"], limit)
        job.on_progress({"event": "probed", "peak_bytes": peak_bytes})
        trained = self._train(architecture, job, peak_bytes)
        if trained.result is None:
            return self._failed(trained, metrics, architecture)
        metrics.update(_trained_metrics(trained.result))
        details = {
            "weights_epoch": trained.result["weights_epoch"],
            "resumed_from_epoch": trained.result["resumed_from_epoch"],
            "latency": trained.result["latency"],
            "start_s": trained.start_s,
            "probe_start_s": probe.start_s,
            **trained.facts,
        }
        if "peak_allocated_bytes" in probe.result:  # of the reserved peak, what tensors used
            details["peak_allocated_bytes"] = probe.result["peak_allocated_bytes"]
        history = tuple(trained.result["history"])
        return Measurement(metrics=metrics, history=history, details=details)

    def _train(self, architecture: Architecture, job: Job, probe_bytes: int) -> ChildEnd:
        """Train what the probe accepted; the limit may cost it time and not its place."""
        allocator = allocator_for(self.memory_limit_bytes, probe_bytes, self.device.kind)
        trained = self._run(TRAINING_TASK, architecture, job, allocator=allocator)
        if ran_out_for_kept_blocks(trained):
            trained = self._run(TRAINING_TASK, architecture, job, allocator=RETURNS_BLOCKS)
        return trained

    def _run(self, task: str, architecture: Architecture, job: Job, **more: Any) -> ChildEnd:
        plain = {
            "architecture": architecture.to_dict(),
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
            **more,
        }
        return run_in_child(task, plain, job.folder / "log.txt", self.limits, job.on_progress)

    def _counted(self, architecture: Architecture) -> Dict[str, Metric]:
        counts = count_model(architecture.plan, self.recipe.image_size, self.images.num_outputs)
        return {
            "params": Metric(counts.num_params, "count", "counted, moving statistics included"),
            "macs": Metric(
                counts.macs, "count", f"counted at {self.recipe.image_size} px, one image"
            ),
        }

    def _estimate(self, architecture: Architecture) -> CostEstimate:
        return estimate_cost(architecture, self.recipe, self.images.num_outputs)

    def _failed(
        self, end: ChildEnd, metrics: Mapping[str, Metric], architecture: Architecture
    ) -> Measurement:
        limit = self.memory_limit_bytes
        if limit is not None:
            estimated_bytes = self._estimate(architecture).peak_bytes
            is_probed = "peak_memory" in metrics
            if is_stopped_by_limit(end, limit, estimated_bytes, is_probed=is_probed):
                return past_limit(metrics, end, limit, estimated_bytes)
        if end.kind == OUT_OF_MEMORY:
            on_cpu = self.device.kind == "cpu"
            return out_of_memory(
                metrics, end, end.available_bytes if on_cpu else self.device.memory_bytes
            )
        return Measurement(outcome=end.kind, reason=end.reason, metrics=metrics, details=end.facts)


def _trained_metrics(result: Mapping[str, Any]) -> Dict[str, Metric]:
    history = result["history"]
    source = result["memory_source"]
    values = {
        "val_accuracy": (
            result["val_accuracy"],
            f"validation images, epoch {result['weights_epoch']}",
        ),
        "train_accuracy": (result["train_accuracy"], "training batches, as seen while training"),
        "test_accuracy": (result["test_accuracy"], "test images; for reporting only"),
        "latency": (result["latency"]["median_ms"], "median of a forward pass, batch 1"),
        "epoch_time": (
            sum(r["seconds"] for r in history) / len(history),
            "mean wall time an epoch",
        ),
        "train_peak_memory": (max(r["peak_memory_bytes"] for r in history), source),
        "mean_memory": (sum(r["mean_memory_bytes"] for r in history) / len(history), source),
    }
    return {
        name: Metric(value, METRICS[name].unit, origin)
        for name, (value, origin) in values.items()
        if value is not None
    }
