"""What a candidate's estimate says of its memory, and nothing of what is no figure.

An evaluator of one's own may explain its figures with whatever it likes under the same names.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

from nas_edge.candidate.measurement import finite_number
from nas_edge.study.records import TrialRecord


def estimated_peak(record: TrialRecord) -> Optional[float]:
    """Return the estimated peak training memory in bytes, or None where there is none."""
    return finite_number(_estimate(record).get("peak_bytes"))


def parts_of(record: TrialRecord) -> Dict[str, float]:
    """Return the estimate's bytes by part; nothing where there is none."""
    parts = _estimate(record).get("parts")
    figures = {
        str(name): finite_number(size)
        for name, size in (parts.items() if isinstance(parts, Mapping) else ())
    }
    return {name: size for name, size in figures.items() if size is not None}


def _estimate(record: TrialRecord) -> Mapping[str, Any]:
    estimate = record.measurement.details.get("estimate")
    return estimate if isinstance(estimate, Mapping) else {}
