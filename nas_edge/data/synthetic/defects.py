"""The six defects of HRIPCB as edits of a layout, each checked against the nets it touches.

A proposal is dropped where it would not be what its name says: a short has to join exactly two
nets, an open circuit has to cut one trace from edge to edge, a blob has to touch nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Callable

import numpy as np

from nas_edge.data.synthetic.layout import Defect, Layout
from nas_edge.data.synthetic.nets import NetGrid
from nas_edge.data.synthetic.parameters import DrawingParameters
from nas_edge.data.synthetic.shapes import Box, Point, Polygon, Shape, Stroke, bounds, united
from nas_edge.data.synthetic.sites import Run, Site, draw_site, find_runs

DEFECT_KINDS = (
    "missing_hole",
    "mouse_bite",
    "open_circuit",
    "short",
    "spur",
    "spurious_copper",
)

# Copper's shadow reaches this far beyond it, mil; `raster` draws it, boxes include it.
SHADOW_MIL = 1.5
_ATTEMPTS = 20
_LONGEST_BRIDGE_MIL = 45.0
# Room that has to be free beside an edge for it to count as an edge, mil.
_EDGE_MIL = 4.0


@dataclass(frozen=True)
class _Place:
    """What a proposal draws from."""

    rng: np.random.Generator
    scale: float
    bareness: float
    layout: Layout
    grid: NetGrid
    runs: list[Run]
    window: Box

    def site(self) -> Site:
        return draw_site(self.rng, self.runs)

    def uniform(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))


def propose_defect(
    kind: str,
    rng: np.random.Generator,
    knobs: DrawingParameters,
    layout: Layout,
    grid: NetGrid,
    window: Box,
) -> Defect | None:
    """Return a defect of a kind with its box in the window, or None if no place was found.

    Args:
        kind: One of `DEFECT_KINDS`.
        rng: Source of every choice.
        knobs: Size and look of defects.
        layout: A board without defect.
        grid: Its nets.
        window: Where the defect may lie, mil.
    """
    propose, runs = _PROPOSALS[kind], find_runs(layout, window)
    if not runs:
        return None
    for _ in range(_ATTEMPTS):
        scale = float(rng.uniform(*knobs.defect_scale))
        bareness = float(rng.uniform(*knobs.bareness))
        defect = propose(_Place(rng, scale, bareness, layout, grid, runs, window))
        if defect is not None and is_inside(defect.box, window):
            return defect
    return None


def is_inside(box: Box, window: Box) -> bool:
    """Tell whether a box lies in a window."""
    return (
        box[0] >= window[0] and box[1] >= window[1] and box[2] <= window[2] and box[3] <= window[3]
    )


def _missing_hole(place: _Place) -> Defect | None:
    """Leave a drilled pad undrilled."""
    choices = [
        (i, bounds(pad.shape))
        for i, pad in enumerate(place.layout.pads)
        if pad.hole is not None and is_inside(bounds(pad.shape), place.window)
    ]
    if not choices:
        return None
    index, box = choices[int(place.rng.integers(len(choices)))]
    return Defect("missing_hole", box, undrilled=index, bareness=place.bareness)


def _mouse_bite(place: _Place) -> Defect | None:
    """Gnaw one to three bites out of one edge; a third of the trace stays."""
    site = place.site()
    depth = min(0.45 * place.scale, 0.66) * site.width
    reach = max(depth, 0.5 * place.scale * site.width)
    if not _has_free_edge(place, site, reach, 1.0):
        return None
    edge, bites = site.width / 2.0, []
    for offset in (-0.8, 0.0, 0.8)[: int(place.rng.integers(1, 4))]:
        centre = site.point(offset * reach, edge)
        bites.append(_blob(place, centre, depth * place.uniform(0.75, 1.0)))
    return _removing(place, "mouse_bite", tuple(bites))


def _open_circuit(place: _Place) -> Defect | None:
    """Cut a trace from edge to edge, with ragged ends."""
    site = place.site()
    half = 0.5 * place.scale * site.width
    if not (_has_free_edge(place, site, half, 1.0) and _has_free_edge(place, site, half, -1.0)):
        return None
    over = site.width / 2.0 + 1.0
    rims = []
    for end in (-1.0, 1.0):
        steps = (-over, -over / 3.0, over / 3.0, over)
        rims.append([site.point(end * half * place.uniform(0.75, 1.0), v) for v in steps])
    return _removing(place, "open_circuit", (Polygon((*rims[0], *reversed(rims[1]))),))


def _short(place: _Place) -> Defect | None:
    """Bridge the way from a trace to the nearest conductor beside it."""
    site = place.site()
    edge = site.width / 2.0
    distance = next(
        (d for d in np.arange(2.0, _LONGEST_BRIDGE_MIL, 2.0) if _net(place, site, edge + d)), None
    )
    if distance is None:
        return None
    other = _net(place, site, edge + float(distance))
    far, half = edge + float(distance) + 4.0, 0.3 * place.scale * site.width
    waist = half * place.uniform(0.6, 1.1)
    sides = [(-half, 0.0), (-waist, far / 2.0), (-half, far), (half, far), (waist, far / 2.0)]
    bridge = Polygon(tuple(site.point(u, v) for u, v in (*sides, (half, 0.0))))
    if place.grid.touched(bridge, 1.0) != {site.net, other} or other == site.net:
        return None
    return _adding(place, "short", (bridge,))


def _spur(place: _Place) -> Defect | None:
    """Let a tapering spike grow from an edge, short of any other conductor."""
    site = place.site()
    edge, half = site.width / 2.0, 0.35 * place.scale * site.width
    tip, lean = edge + 0.8 * place.scale * site.width, place.uniform(-0.6, 0.6) * half
    outline = [(-half, edge - 1.0), (-0.6 * half + lean, tip), (0.5 * half + lean, tip)]
    spike = Polygon(tuple(site.point(u, v) for u, v in (*outline, (half, edge - 1.0))))
    near, far = edge + _EDGE_MIL, max(tip, edge + 1.5 * _EDGE_MIL)
    room = [(-half, near), (-half, far), (half, far), (half, near)]
    beyond = Polygon(tuple(site.point(u, v) for u, v in room))
    if not place.grid.is_free(beyond, 0.5 * _EDGE_MIL):
        return None
    return _adding(place, "spur", (spike,))


def _spurious_copper(place: _Place) -> Defect | None:
    """Leave an isolated blob of copper on free laminate."""
    left, top, right, bottom = place.window
    at = (place.uniform(left, right), place.uniform(top, bottom))
    blob = _blob(place, at, 0.55 * place.scale * place.layout.traces[0].stroke.width)
    if not place.grid.is_free(blob, place.layout.clearance * 0.5):
        return None
    return _adding(place, "spurious_copper", (blob,))


_PROPOSALS: dict[str, Callable[[_Place], Defect | None]] = {
    "missing_hole": _missing_hole,
    "mouse_bite": _mouse_bite,
    "open_circuit": _open_circuit,
    "short": _short,
    "spur": _spur,
    "spurious_copper": _spurious_copper,
}


def _adding(place: _Place, kind: str, shapes: tuple[Shape, ...]) -> Defect:
    box = united([bounds(shape, SHADOW_MIL) for shape in shapes])
    return Defect(kind, box, added=shapes, bareness=place.bareness)


def _removing(place: _Place, kind: str, shapes: tuple[Shape, ...]) -> Defect | None:
    """Take copper away, unless pads, which are drawn over it, would hide that."""
    box = united([bounds(shape) for shape in shapes])
    for pad in place.layout.pads:
        left, top, right, bottom = bounds(pad.shape)
        if left < box[2] and right > box[0] and top < box[3] and bottom > box[1]:
            return None
    return Defect(kind, box, removed=shapes, bareness=place.bareness)


def _net(place: _Place, site: Site, across: float) -> int:
    return place.grid.net_at(*site.point(0.0, across))


def _has_free_edge(place: _Place, site: Site, reach: float, side: float) -> bool:
    """Tell whether no conductor lies beside the trace's edge, over the defect's reach."""
    across = side * (site.width / 2.0 + _EDGE_MIL)
    beside = Stroke((site.point(-reach, across), site.point(reach, across)), 2.0)
    return place.grid.is_free(beside, 0.0)


def _blob(place: _Place, centre: Point, radius: float) -> Polygon:
    """Return an irregular, roundish polygon whose corners lie at 0.75 to 1 radii."""
    radii = place.rng.uniform(0.75, 1.0, 9)
    points = []
    for i, share in enumerate(radii.tolist()):
        turn, reach = 2.0 * math.pi * i / len(radii), radius * share
        points.append((centre[0] + reach * math.cos(turn), centre[1] + reach * math.sin(turn)))
    return Polygon(tuple(points))
