"""Where the names of a figure's points stand, so that none covers another name, a point or a line.

Plotly and matplotlib both place a text at a side of its point, and neither looks what is there.
"""

from __future__ import annotations

from typing import List, NamedTuple, Sequence, Tuple

from nas_edge.paper.plots import QuadrantPlot

SIDES = ("top", "bottom", "right", "left")
# A picture of 640 x 480 px, in which a letter takes about this much.
_WIDTH, _HEIGHT = 640.0, 480.0
_LETTER, _LINE, _MARKER = 8.0, 17.0, 9.0


class Box(NamedTuple):
    """A rectangle in pixels, y upwards."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: Box) -> float:
        """Return the area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0.0) * max(height, 0.0)


def label_sides(plot: QuadrantPlot, accuracy_top: float) -> List[str]:
    """Return for each point the side of `SIDES` on which its name covers least.

    Args:
        plot: The points.
        accuracy_top: The upper end of the accuracy axis, which begins at 0.
    """
    low, high = plot.memory_range
    places = [
        (_WIDTH * (p.memory - low) / (high - low), _HEIGHT * p.accuracy / accuracy_top)
        for p in plot.points
    ]
    taken = [Box(x - _MARKER, y - _MARKER, x + _MARKER, y + _MARKER) for x, y in places]
    regions = plot.regions
    x = _WIDTH * (regions.memory_frontier - low) / (high - low)
    y = _HEIGHT * regions.accuracy_frontier / accuracy_top
    taken += [Box(x - 1, 0.0, x + 1, _HEIGHT), Box(0.0, y - 1, _WIDTH, y + 1), *_corners()]
    sides = []
    for i, (point, place) in enumerate(zip(plot.points, places)):
        others = [box for j, box in enumerate(taken) if j != i]
        boxes = {side: _label(place, side, point.name) for side in SIDES}
        best = min(SIDES, key=lambda side: _covered(boxes[side], others))
        taken.append(boxes[best])
        sides.append(best)
    return sides


def _label(place: Tuple[float, float], side: str, text: str) -> Box:
    (x, y), width = place, _LETTER * len(text)
    if side in ("top", "bottom"):
        bottom = y + _MARKER if side == "top" else y - _MARKER - _LINE
        return Box(x - width / 2, bottom, x + width / 2, bottom + _LINE)
    # From the point on: a line between it and its name would put the name into another region.
    left = x if side == "right" else x - _MARKER - width
    return Box(left, y - _LINE / 2, left + _MARKER + width, y + _LINE / 2)


def _covered(box: Box, others: Sequence[Box]) -> float:
    """Return what a label covers; what is outside of the picture counts as well."""
    inside = box.overlap(Box(0.0, 0.0, _WIDTH, _HEIGHT))
    area = (box.right - box.left) * (box.top - box.bottom)
    return sum(map(box.overlap, others)) + 2 * (area - inside)


def _corners() -> List[Box]:
    """Return where the names of the four regions stand: in the corners."""
    width, height = _LETTER * len("High Accuracy, High Memory"), 1.5 * _LINE
    lefts, bottoms = (0.0, _WIDTH - width), (0.0, _HEIGHT - height)
    return [Box(x, y, x + width, y + height) for x in lefts for y in bottoms]
