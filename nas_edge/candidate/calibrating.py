"""Probe a few networks of different size on this device, to set its estimates right."""

from __future__ import annotations

import random
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from nas_edge.candidate.calibration import (
    MIN_POINTS,
    Calibration,
    CalibrationPoint,
    calibrate,
    pick_spread,
)
from nas_edge.candidate.estimate import EXACT, QUICK, estimate_cost
from nas_edge.candidate.process import ChildEnd
from nas_edge.config.study import RecipeConfig
from nas_edge.space.architecture import Architecture

NUM_PROBES = 5  # three decide a line; two more average out what no line explains
NUM_DRAWN = 200  # random points among which the sizes are chosen
SHARE = 0.5  # of the memory that may be used at most: a calibration must not run out itself

Probe = Callable[[Architecture], ChildEnd]


def calibrate_device(
    candidates: Mapping[str, Architecture],
    recipe: RecipeConfig,
    num_outputs: int,
    device: str,
    room_bytes: int,
    probe: Probe,
    about: Mapping[str, Any],
) -> Optional[Calibration]:
    """Return a calibration from probes of the smallest, the largest and networks between.

    Args:
        candidates: Networks by name, among which five are chosen by their estimates.
        recipe: How they are trained.
        num_outputs: Logits.
        device: "cpu" or "cuda".
        room_bytes: What is available; networks beyond half of it are not probed.
        probe: Runs one network's probe, latency included.
        about: What the calibration holds for.
    Returns:
        None where fewer than three networks fit or a probe failed: estimates stay as they are.
    """
    points: List[CalibrationPoint] = []
    for name, network in _chosen(candidates, recipe, num_outputs, device, room_bytes):
        end = probe(network)
        if end.result is None:
            return None
        points.append(_point(name, network, recipe, num_outputs, device, end.result))
    return calibrate(points, about) if len(points) >= MIN_POINTS else None


def drawn_from(space: Any, num_drawn: int = NUM_DRAWN) -> Dict[str, Architecture]:
    """Return a space's references and random points, by name; always the same ones."""
    rng = random.Random(0)
    drawn = {f"point {i}": space.sample(rng) for i in range(num_drawn)}
    return {**space.references, **drawn}


def _chosen(
    candidates: Mapping[str, Architecture],
    recipe: RecipeConfig,
    num_outputs: int,
    device: str,
    room_bytes: int,
) -> List[Tuple[str, Architecture]]:
    sizes = {
        name: estimate_cost(network, recipe, num_outputs, device=device).peak_bytes
        for name, network in candidates.items()
    }
    fitting = [name for name in candidates if sizes[name] <= SHARE * room_bytes]
    if len(fitting) < MIN_POINTS:
        return []
    return [
        (fitting[i], candidates[fitting[i]])
        for i in pick_spread([sizes[n] for n in fitting], NUM_PROBES)
    ]


def _point(
    name: str,
    network: Architecture,
    recipe: RecipeConfig,
    num_outputs: int,
    device: str,
    measured: Mapping[str, Any],
) -> CalibrationPoint:
    from nas_edge.candidate.simulation import estimate_exactly

    quick = estimate_cost(network, recipe, num_outputs, device=device)
    exact = estimate_exactly(network, recipe, num_outputs, device=device)
    return CalibrationPoint(
        name=name,
        estimates={QUICK: quick.simulated_bytes, EXACT: exact.simulated_bytes},
        probe_bytes=int(measured["peak_bytes"]),
        macs=quick.macs,
        latency_ms=measured.get("latency_ms"),
    )
