"""An estimate set right by probes on the device that trains.

Enters: at least three networks of different size, each with its estimates and what its probe
measured. Leaves: for each tier of the estimate an offset and a slope, and a rate from MACs to
latency. It is kept with the run.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

CALIBRATION_FILE = "calibration.json"  # in the run's folder
MIN_POINTS = 3
MIN_SPREAD = 1.25  # largest to smallest estimate; nearer together, noise would decide the slope
SLOPES = (0.5, 2.0)  # outside of these the affine fit means that something else was measured


@dataclass(frozen=True)
class CalibrationPoint:
    """One probed network: its estimates by tier, bytes and milliseconds measured, its MACs."""

    name: str
    estimates: Mapping[str, int]
    probe_bytes: int
    macs: int
    latency_ms: Optional[float] = None


@dataclass(frozen=True)
class Calibration:
    """``measured = offset + slope * estimate`` by tier, fitted to ``points``.

    ``about`` says what it holds for: device, versions, image size, batch.
    """

    fits: Mapping[str, Tuple[float, float]]
    points: Tuple[CalibrationPoint, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    def predict_bytes(self, tier: str, estimate: float) -> int:
        """Return what a probe will measure."""
        offset, slope = self.fits.get(tier, (0.0, 1.0))
        return max(int(offset + slope * estimate), 0)

    def predict_latency_ms(self, macs: int) -> Optional[float]:
        """Return the latency that a network's MACs suggest; a prior, off by a tenth or two."""
        known = [p for p in self.points if p.latency_ms is not None]
        if len(known) < MIN_POINTS:
            return None
        offset, slope = fit([p.macs for p in known], [p.latency_ms or 0.0 for p in known], (0, 1e9))
        return offset + slope * macs

    @property
    def source(self) -> str:
        """How it came about, for people."""
        return f"calibrated by {len(self.points)} probes"

    def to_dict(self) -> Dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        """Return the calibration of plain data; the inverse of `to_dict`."""
        points = tuple(CalibrationPoint(**point) for point in data["points"])
        fits = {tier: (float(pair[0]), float(pair[1])) for tier, pair in data["fits"].items()}
        return cls(fits, points, dict(data["about"]))


def calibrate(points: Sequence[CalibrationPoint], about: Mapping[str, Any]) -> Calibration:
    """Return the calibration that fits some probed networks.

    Raises:
        ValueError: If there are fewer than three.
    """
    if len(points) < MIN_POINTS:
        raise ValueError(f"a calibration needs at least {MIN_POINTS} probes, but got {len(points)}")
    measured = [float(point.probe_bytes) for point in points]
    tiers = [tier for tier in points[0].estimates if all(tier in p.estimates for p in points)]
    fits = {tier: fit([p.estimates[tier] for p in points], measured, SLOPES) for tier in tiers}
    return Calibration(fits, tuple(points), dict(about))


def fit(
    estimates: Sequence[float], measured: Sequence[float], slopes: Tuple[float, float]
) -> Tuple[float, float]:
    """Return offset and slope of least squares of relative errors.

    Where the estimates are too near together, or the slope comes out beyond ``slopes``, the offset
    is 0 and the slope the median ratio.
    """
    ratio = statistics.median(m / e for e, m in zip(estimates, measured))
    if max(estimates) < MIN_SPREAD * min(estimates):
        return 0.0, ratio
    weights = [1.0 / m**2 for m in measured]
    total = sum(weights)
    mean_e = sum(w * e for w, e in zip(weights, estimates)) / total
    mean_m = sum(w * m for w, m in zip(weights, measured)) / total
    spread = sum(w * (e - mean_e) ** 2 for w, e in zip(weights, estimates))
    together = sum(w * (e - mean_e) * (m - mean_m) for w, e, m in zip(weights, estimates, measured))
    slope = together / spread
    if not slopes[0] <= slope <= slopes[1]:
        return 0.0, ratio
    return mean_m - slope * mean_e, slope


def load_calibration(
    path: Path, about: Optional[Mapping[str, Any]] = None
) -> Optional[Calibration]:
    """Return a kept calibration, or None if there is none that is whole and about the same."""
    try:
        found = Calibration.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if about is not None and json.loads(json.dumps(dict(about))) != dict(found.about):
        return None
    return found


def pick_spread(sizes: Sequence[float], count: int) -> List[int]:
    """Return the indices of the smallest, the largest and the quantiles between."""
    order = sorted(range(len(sizes)), key=lambda i: sizes[i])
    last = len(order) - 1
    positions = dict.fromkeys(round(last * k / max(count - 1, 1)) for k in range(count))
    return [order[position] for position in positions]
