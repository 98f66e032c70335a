"""Places on traces where a defect may sit: straight runs, away from corners and trace ends."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nas_edge.data.synthetic.layout import Layout
from nas_edge.data.synthetic.shapes import Box, Point


@dataclass(frozen=True)
class Run:
    """A straight piece of a trace's middle line, inside the window."""

    start: Point
    end: Point
    width: float
    net: int

    @property
    def length(self) -> float:
        """Distance between the ends, mil."""
        return math.hypot(self.end[0] - self.start[0], self.end[1] - self.start[1])


@dataclass(frozen=True)
class Site:
    """A place on a trace with its own axes.

    Attributes:
        at: A point on the middle line.
        along: Unit vector of the trace.
        across: Unit vector to one of its sides.
        width: The trace's width.
        net: Its net.
    """

    at: Point
    along: Point
    across: Point
    width: float
    net: int

    def point(self, along: float, across: float) -> Point:
        """Return the point at these distances from `at`, mil."""
        (x, y), (ux, uy), (vx, vy) = self.at, self.along, self.across
        return x + along * ux + across * vx, y + along * uy + across * vy


def find_runs(layout: Layout, window: Box) -> list[Run]:
    """Return the straight runs of the layout's traces inside a window.

    Args:
        layout: The board.
        window: (left, top, right, bottom), mil.
    """
    runs = []
    for trace in layout.traces:
        points, width = trace.stroke.points, trace.stroke.width
        for a, b in zip(points, points[1:]):
            length = math.hypot(b[0] - a[0], b[1] - a[1])
            low, high = _clip(a, b, window)
            # A corner next to the place would leave copper beside a cut, or hide a bite.
            low, high = max(low, width / length), min(high, 1.0 - width / length)
            if low < high:
                runs.append(Run(_between(a, b, low), _between(a, b, high), width, trace.net))
    return runs


def draw_site(rng: np.random.Generator, runs: list[Run]) -> Site:
    """Return a random place on the runs, each mil of them as likely as any other.

    Args:
        rng: Source of the choice.
        runs: At least one.
    """
    reach = float(rng.random()) * sum(run.length for run in runs)
    side = 1.0 if rng.random() < 0.5 else -1.0
    for run in runs:
        if reach <= run.length:
            break
        reach -= run.length
    share = min(1.0, reach / run.length)
    ux = (run.end[0] - run.start[0]) / run.length
    uy = (run.end[1] - run.start[1]) / run.length
    at = _between(run.start, run.end, share)
    return Site(at, (ux, uy), (-side * uy, side * ux), run.width, run.net)


def _between(a: Point, b: Point, share: float) -> Point:
    return a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])


def _clip(a: Point, b: Point, window: Box) -> tuple[float, float]:
    """Return the shares of the way from a to b that lie inside; empty where low >= high."""
    low, high = 0.0, 1.0
    for axis in (0, 1):
        step = b[axis] - a[axis]
        if abs(step) < 1e-9:
            if not window[axis] <= a[axis] <= window[axis + 2]:
                return 1.0, 0.0
            continue
        first, second = (window[axis] - a[axis]) / step, (window[axis + 2] - a[axis]) / step
        low, high = max(low, min(first, second)), min(high, max(first, second))
    return low, high
