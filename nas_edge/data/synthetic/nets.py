"""Which net owns which square of the board: the check that shapes touch only what they should.

The grid is coarse (2 mil) and tells nothing about looks; routing asks it for free room, defects
ask it which nets a cut, a bridge or a blob would touch.
"""

from __future__ import annotations

import math

from PIL import Image, ImageDraw

from nas_edge.data.synthetic.layout import POUR_NET, Layout
from nas_edge.data.synthetic.shapes import Shape, View, draw_shape

CELLS_PER_MIL = 0.5
# A cell is a byte, because Pillow then counts the nets under a shape in one call.
MOST_NETS = 255


class NetGrid:
    """A raster of net numbers, 1 to `MOST_NETS`; 0 is free."""

    def __init__(self, width: float, height: float) -> None:
        """Start with a free grid of `width` by `height` mil."""
        size = (math.ceil(width * CELLS_PER_MIL), math.ceil(height * CELLS_PER_MIL))
        self._nets = Image.new("L", size)
        self._mask = Image.new("L", size)
        self._nets_pen = ImageDraw.Draw(self._nets)
        self._mask_pen = ImageDraw.Draw(self._mask)
        self._view = View((0.0, 0.0), CELLS_PER_MIL, 0.0, (0.0, 0.0))

    def is_free(self, shape: Shape, grow: float) -> bool:
        """Tell whether no net lies under the grown shape."""
        return not any(self._counts(shape, grow)[1:])

    def has_only(self, net: int, shape: Shape, grow: float) -> bool:
        """Tell whether no net but this one lies under the grown shape."""
        counts = self._counts(shape, grow)
        return sum(counts) == counts[0] + counts[net]

    def touched(self, shape: Shape, grow: float = 0.0) -> set[int]:
        """Return the nets under the grown shape."""
        counts = self._counts(shape, grow)
        return {net for net, count in enumerate(counts) if count and net}

    def net_at(self, x: float, y: float) -> int:
        """Return the net at a point; 0 if free or outside."""
        column, row = int(x * CELLS_PER_MIL), int(y * CELLS_PER_MIL)
        if not (0 <= column < self._nets.width and 0 <= row < self._nets.height):
            return 0
        return int(self._nets.getpixel((column, row)))  # type: ignore[arg-type]

    def claim(self, shape: Shape, net: int, grow: float = 0.0) -> None:
        """Write a net over the grown shape."""
        draw_shape(self._nets_pen, shape, self._view, net, grow)

    def _counts(self, shape: Shape, grow: float) -> list[int]:
        """Return how many cells of each net lie under the grown shape."""
        draw_shape(self._mask_pen, shape, self._view, 1, grow)
        counts = self._nets.histogram(self._mask)
        self._mask_pen.rectangle((0, 0, *self._mask.size), fill=0)
        return counts


def claim_layout(layout: Layout) -> NetGrid:
    """Return the grid of a finished layout, pours and their clearances included."""
    grid = NetGrid(layout.width, layout.height)
    traces = [(trace.stroke, trace.net) for trace in layout.traces]
    conductors = traces + [(pad.shape, pad.net) for pad in layout.pads]
    for pour in layout.pours:
        grid.claim(pour, POUR_NET)
    if layout.pours:
        for shape, _ in conductors:
            grid.claim(shape, 0, layout.clearance)
    for shape, net in conductors:
        grid.claim(shape, net)
    return grid
