"""Draws a layout: a header with its traces, a bus, then more parts wherever there is room.

Every proposal is checked against the net grid, so that no two nets touch and each keeps its
clearance; what does not fit is left out. Works for a crop's surroundings and for a whole board.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from nas_edge.data.synthetic.ink import draw_ink, draw_specks
from nas_edge.data.synthetic.layout import Layout, Pad, Trace
from nas_edge.data.synthetic.nets import MOST_NETS, NetGrid, claim_layout
from nas_edge.data.synthetic.parameters import DrawingParameters
from nas_edge.data.synthetic.shapes import Point, Polygon, Shape, Stroke, disc, rectangle
from nas_edge.errors import DataError

_DIAGONAL = math.sqrt(0.5)
# The eight routing directions, 45 degrees apart.
_COMPASS = (
    (1.0, 0.0),
    (_DIAGONAL, _DIAGONAL),
    (0.0, 1.0),
    (-_DIAGONAL, _DIAGONAL),
    (-1.0, 0.0),
    (-_DIAGONAL, -_DIAGONAL),
    (0.0, -1.0),
    (_DIAGONAL, -_DIAGONAL),
)


def draw_layout(
    rng: np.random.Generator, knobs: DrawingParameters, width: float, height: float
) -> tuple[Layout, NetGrid]:
    """Return a random layout of `width` by `height` mil and its nets.

    Args:
        rng: Source of every choice.
        knobs: What to draw from.
        width: Extent along x.
        height: Extent along y.
    """
    router = _Router(rng, knobs, width, height)
    fields = max(1, round(width * height / (1.3 * knobs.field_mil) ** 2))
    for _ in range(fields):
        router.add_header()
        router.add_bus()
    for _ in range(knobs.clutter * fields):
        (router.add_lone_trace, router.add_via, router.add_part)[int(rng.integers(3))]()
    for _ in range(fields * int(rng.integers(knobs.stubs + 1))):
        router.add_stub()
    return router.finish(fields)


class _Router:
    """The layout so far and the grid that guards it."""

    def __init__(
        self, rng: np.random.Generator, knobs: DrawingParameters, width: float, height: float
    ) -> None:
        self._rng, self._knobs = rng, knobs
        self._width, self._height = width, height
        self._grid = NetGrid(width, height)
        self._traces: list[Trace] = []
        self._pads: list[Pad] = []
        self._outlines: list[Shape] = []
        self._next_net = 2  # 0 is free, 1 the pour
        self._clearance = knobs.gap[0] * 0.5
        self._trace_width = self._uniform(*knobs.trace_width)
        self._pad_radius = self._uniform(*knobs.pad_radius)
        self._hole_ratio = self._uniform(*knobs.hole_ratio)

    def finish(self, fields: int) -> tuple[Layout, NetGrid]:
        """Return the layout with its pours, ink and specks, and the grid that goes with it."""
        layout = Layout(
            self._width,
            self._height,
            self._clearance,
            traces=tuple(self._traces),
            pads=tuple(self._pads),
        )
        if self._rng.random() < self._knobs.pour_chance:
            layout = replace(layout, pours=(self._pour(),))
        grid = claim_layout(layout) if layout.pours else self._grid
        ink = draw_ink(self._rng, self._knobs, layout, grid, fields)
        marks = draw_specks(self._rng, self._knobs, layout, fields)
        return replace(layout, ink=(*self._outlines, *ink), marks=marks), grid

    def add_header(self) -> None:
        """Add a row of through-hole pads, with parallel traces leaving most of them."""
        radius = self._pad_radius
        pitch = 2.0 * radius + self._uniform(*self._knobs.gap)
        count = int(self._rng.integers(2, 5))
        heading = 2 * int(self._rng.integers(4))
        (ux, uy), (x, y) = _COMPASS[(heading + 2) % 8], self._somewhere(0.17)
        has_square_first = self._rng.random() < 0.5
        legs = self._legs(heading)
        for i in range(count):
            step = (i - (count - 1) / 2.0) * pitch
            at = (x + ux * step, y + uy * step)
            shape = self._pad_shape(at, radius, is_square=has_square_first and i == 0)
            net = self._claim_pad(shape, disc(at, radius * self._hole_ratio))
            if net and self._rng.random() < 0.75:
                self._claim_trace(_walk(at, legs), self._trace_width, net)

    def add_bus(self) -> None:
        """Add parallel traces that cross the area, each on its own net."""
        width, gap = self._trace_width, self._uniform(*self._knobs.gap)
        heading = 2 * int(self._rng.integers(4))
        (ux, uy), (x, y) = _COMPASS[heading], self._somewhere(0.2)
        reach = (self._width + self._height) / 2.0
        path = _walk((x - ux * reach, y - uy * reach), [(reach, heading), *self._legs(heading)])
        for i in range(int(self._rng.integers(2, 5))):
            self._claim_trace(_beside(path, i * (width + gap)), width, self._new_net())

    def add_lone_trace(self) -> None:
        """Add one trace that ends in a pad or a via."""
        heading = int(self._rng.integers(8))
        at = self._somewhere(0.45)
        radius = self._pad_radius * (0.6 if self._rng.random() < 0.5 else 1.0)
        net = self._claim_pad(disc(at, radius), disc(at, radius * self._hole_ratio))
        if net:
            self._claim_trace(_walk(at, self._legs(heading)), self._trace_width, net)

    def add_via(self) -> None:
        """Add a via without a trace on this side."""
        at, radius = self._somewhere(0.5), self._pad_radius * 0.55
        self._claim_pad(disc(at, radius), disc(at, radius * self._hole_ratio))

    def add_part(self) -> None:
        """Add the footprint of a two-terminal surface-mount part with its outline."""
        x, y = self._somewhere(0.5)
        half, reach = self._trace_width * 0.55, self._trace_width * 0.95
        apart = self._trace_width * 1.3
        is_upright = self._rng.random() < 0.5
        sizes = (reach, half) if is_upright else (half, reach)
        shift = (0.0, apart) if is_upright else (apart, 0.0)
        frame = rectangle((x, y), sizes[0] + shift[0] + 5.0, sizes[1] + shift[1] + 5.0)
        if not self._grid.is_free(frame, self._clearance * 0.5):
            return
        for sign in (-1.0, 1.0):
            self._claim_pad(rectangle((x + sign * shift[0], y + sign * shift[1]), *sizes), None)
        if self._knobs.ink_marks:
            self._outlines.append(Stroke((*frame.points, frame.points[0]), 2.5))

    def add_stub(self) -> None:
        """Add a dead end to a trace: a branch that was never used, no defect."""
        if not self._traces:
            return
        trace = self._traces[int(self._rng.integers(len(self._traces)))]
        i = int(self._rng.integers(len(trace.stroke.points) - 1))
        (ax, ay), (bx, by) = trace.stroke.points[i : i + 2]
        t, length = self._uniform(0.2, 0.8), math.hypot(bx - ax, by - ay)
        reach = self._uniform(2.0, 4.0) * trace.stroke.width
        side = 1.0 if self._rng.random() < 0.5 else -1.0
        nx, ny = side * (ay - by) / length, side * (bx - ax) / length
        foot = (ax + t * (bx - ax), ay + t * (by - ay))
        end = (foot[0] + nx * reach, foot[1] + ny * reach)
        stub = Stroke((foot, end), trace.stroke.width)
        if self._grid.has_only(trace.net, stub, self._clearance):
            self._claim(stub, trace.net)
            self._traces.append(Trace(stub, trace.net))

    def _pour(self) -> Polygon:
        """A copper area behind a straight or diagonal edge."""
        (x, y), (ux, uy) = self._somewhere(0.3), _COMPASS[int(self._rng.integers(8))]
        far = self._width + self._height
        vx, vy = -uy, ux
        near, beyond = ((-far, 0.0), (far, 0.0)), ((far, far), (-far, far))
        return Polygon(tuple((x + a * vx + b * ux, y + a * vy + b * uy) for a, b in near + beyond))

    def _legs(self, heading: int) -> list[tuple[float, int]]:
        """One to three straight runs; each turns by 45 degrees, the last leaves the area."""
        far = self._width + self._height
        turns = int(self._rng.integers(3))
        runs = [(self._uniform(0.15, 0.35) * self._knobs.field_mil, heading)]
        for _ in range(turns):
            heading = (heading + (1 if self._rng.random() < 0.5 else 7)) % 8
            runs.append((self._uniform(0.15, 0.35) * self._knobs.field_mil, heading))
        return [*runs[:-1], (far, runs[-1][1])]

    def _pad_shape(self, at: Point, radius: float, is_square: bool) -> Shape:
        return rectangle(at, radius * 0.9, radius * 0.9) if is_square else disc(at, radius)

    def _claim_pad(self, shape: Shape, hole: Stroke | None) -> int:
        """Put a pad where there is room and return its net; 0 where there is none."""
        if not self._grid.is_free(shape, self._clearance):
            return 0
        net = self._new_net()
        self._claim(shape, net)
        self._pads.append(Pad(shape, hole, net))
        return net

    def _claim_trace(self, path: tuple[Point, ...], width: float, net: int) -> None:
        """Put a trace where it touches no other net."""
        stroke = Stroke(path, width)
        if self._grid.has_only(net, stroke, self._clearance):
            self._claim(stroke, net)
            self._traces.append(Trace(stroke, net))

    def _claim(self, shape: Shape, net: int) -> None:
        self._grid.claim(shape, net)

    def _new_net(self) -> int:
        if self._next_net > MOST_NETS:
            raise DataError(
                f"width and height must hold at most {MOST_NETS} nets, but {self._width:.0f} by "
                f"{self._height:.0f} mil need more; put a larger board together from layouts"
            )
        self._next_net += 1
        return self._next_net - 1

    def _uniform(self, low: float, high: float) -> float:
        # Far quicker than Generator.uniform for one number.
        return low + (high - low) * self._rng.random()

    def _somewhere(self, spread: float) -> Point:
        """A point at most `spread` times the extent away from the middle, on each axis."""
        low, high = 0.5 - spread, 0.5 + spread
        return self._width * self._uniform(low, high), self._height * self._uniform(low, high)


def _walk(start: Point, legs: list[tuple[float, int]]) -> tuple[Point, ...]:
    """Return the corners of a walk along compass directions."""
    points = [start]
    for length, heading in legs:
        (x, y), (ux, uy) = points[-1], _COMPASS[heading % 8]
        points.append((x + length * ux, y + length * uy))
    return tuple(points)


def _beside(path: tuple[Point, ...], distance: float) -> tuple[Point, ...]:
    """Return the path that runs beside another one at a constant distance."""
    normals = []
    for (ax, ay), (bx, by) in zip(path, path[1:]):
        length = math.hypot(bx - ax, by - ay)
        normals.append(((ay - by) / length, (bx - ax) / length))
    points = []
    for i, (x, y) in enumerate(path):
        (px, py), (qx, qy) = normals[max(i - 1, 0)], normals[min(i, len(normals) - 1)]
        # The corner lies on the bisector, further out by 1 / cos of half the turn.
        stretch = distance / (1.0 + px * qx + py * qy)
        points.append((x + (px + qx) * stretch, y + (py + qy) * stretch))
    return tuple(points)
