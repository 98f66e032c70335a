"""What is recorded of a candidate that needs too much memory: how much, as far as it is known."""

from __future__ import annotations

from typing import Mapping

from nas_edge.candidate.measurement import OUT_OF_MEMORY, OVER_LIMIT, Measurement, Metric
from nas_edge.candidate.process import ChildEnd
from nas_edge.config.units import format_bytes

LEAST_VIOLATION = 0.01  # of a candidate that ran into the limit and was estimated to be within it


# A candidate whose process died under the bound without saying why is taken for too large from
# this share of the limit on: the estimate's error, and some.
ESTIMATE_SHARE = 0.9


def is_stopped_by_limit(
    end: ChildEnd, limit_bytes: int, estimated_bytes: int, *, is_probed: bool
) -> bool:
    """Return whether it was the enforced limit that a candidate's process failed for.

    One that the probe has accepted and that dies without saying why has crashed.
    """
    if end.kind == OVER_LIMIT:
        return True
    is_large = estimated_bytes >= ESTIMATE_SHARE * limit_bytes
    return end.is_unexplained and is_large and not is_probed


def over_limit(
    metrics: Mapping[str, Metric], need: str, need_bytes: int, source: str, limit_bytes: int
) -> Measurement:
    """Return the measurement of a candidate whose need is known."""
    limit = format_bytes(limit_bytes)
    return Measurement(
        outcome=OVER_LIMIT,
        reason=f"needs {need} of training memory, more than the limit of {limit}",
        metrics=metrics,
        details={
            "needs_bytes": need_bytes,
            "needs_source": source,
            "violation": need_bytes / limit_bytes - 1.0,
        },
    )


def past_limit(
    metrics: Mapping[str, Metric], end: ChildEnd, limit_bytes: int, estimated_bytes: int
) -> Measurement:
    """Return the measurement of a candidate that the enforced limit stopped: a censored one.

    How far it is over the limit nobody saw; the estimate tells the sampler.
    """
    return Measurement(
        outcome=OVER_LIMIT,
        reason=(
            f"needs more than the limit of {format_bytes(limit_bytes)} of training memory, an "
            f"estimated {format_bytes(estimated_bytes)}: {end.reason}"
        ),
        metrics=metrics,
        details={
            **end.facts,
            "needs_more_than_bytes": limit_bytes,
            "estimated_bytes": estimated_bytes,
            "violation": max(estimated_bytes / limit_bytes - 1.0, LEAST_VIOLATION),
        },
    )


def out_of_memory(
    metrics: Mapping[str, Metric], end: ChildEnd, available_bytes: int
) -> Measurement:
    """Return the measurement of a candidate that the machine had too little for: a censored one."""
    need = f"needs more than {format_bytes(available_bytes)}, what was available"
    return Measurement(
        outcome=OUT_OF_MEMORY,
        reason=f"{need}: {end.reason}",
        metrics=metrics,
        details={**end.facts, "needs_more_than_bytes": available_bytes, "violation": 1.0},
    )
