"""A whole board: a panel of modules beside each other, with any number of defects on it.

Each module is a layout of its own, so that a board may have any size and number of nets. Which
defects lie on it is decided here, what they are in `defects`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Sequence, Tuple

import numpy as np
from PIL import Image

from nas_edge.data.synthetic.camera import blur_reach_px
from nas_edge.data.synthetic.defects import DEFECT_KINDS, propose_defect
from nas_edge.data.synthetic.layout import Defect, Layout, apply_defect
from nas_edge.data.synthetic.nets import NetGrid
from nas_edge.data.synthetic.parameters import DrawingParameters
from nas_edge.data.synthetic.raster import Palette, draw_palette, paint
from nas_edge.data.synthetic.routing import draw_layout
from nas_edge.data.synthetic.shapes import View
from nas_edge.errors import DataError

PixelBox = Tuple[int, int, int, int]
LEAST_DEFECTS, MOST_DEFECTS = 3, 5

_MODULE_FIELDS = 1.3  # a module's side, in crops
_GROOVE_PX = 2
# Defects keep this share of a module's side away from its border.
_BORDER = 0.06
_PANEL_ATTEMPTS = 50
_PLACE_ATTEMPTS = 120


@dataclass(frozen=True)
class Module:
    """One layout and where it lies on the board.

    Attributes:
        layout: Its copper, without defect.
        grid: Its nets.
        place: (left, top, right, bottom) in the board's pixels.
    """

    layout: Layout
    grid: NetGrid
    place: PixelBox


@dataclass(frozen=True)
class PlacedDefect:
    """A defect, the module that has it, and its box in the board's pixels.

    Right and bottom are exclusive. Nothing outside the box changes, in a photograph neither.
    """

    module: int
    defect: Defect
    box: PixelBox


@dataclass(frozen=True)
class Panel:
    """A board without defect.

    Attributes:
        modules: Row by row.
        palette: The board's colours.
        size: (width, height) in pixels.
        field_px: The side of a crop, to which lengths and blur are relative.
        knobs: What it was drawn from.
    """

    modules: Tuple[Module, ...]
    palette: Palette
    size: Tuple[int, int]
    field_px: float
    knobs: DrawingParameters

    @property
    def px_per_mil(self) -> float:
        """Pixels a mil."""
        return self.field_px / self.knobs.field_mil

    def paint(self, defects: Sequence[PlacedDefect] = ()) -> Image.Image:
        """Return the clean picture, with these defects on it."""
        picture = Image.new("RGB", self.size, self.palette.shadow)
        for index, module in enumerate(self.modules):
            layout = module.layout
            for placed in defects:
                if placed.module == index:
                    layout = apply_defect(layout, placed.defect)
            picture.paste(self._paint_module(layout, module.place), module.place[:2])
        return picture

    def _paint_module(self, layout: Layout, place: PixelBox) -> Image.Image:
        width, height = place[2] - place[0], place[3] - place[1]
        centre = (layout.width / 2.0, layout.height / 2.0)
        view = View(centre, self.px_per_mil, 0.0, (width / 2.0, height / 2.0))
        return paint(layout, view, self.palette, (width, height))


def draw_panel(
    rng: np.random.Generator, knobs: DrawingParameters, size: Tuple[int, int], field_px: float
) -> Panel:
    """Return a random board with room for at least three defects of every kind.

    Args:
        rng: Source of every choice.
        knobs: What to draw from.
        size: (width, height) in pixels.
        field_px: The side of a crop in pixels.
    Raises:
        DataError: If boards of this size have no such room.
    """
    for _ in range(_PANEL_ATTEMPTS):
        modules = tuple(
            Module(*draw_layout(rng, knobs, *_extent_mil(place, field_px, knobs)), place)
            for place in _places(size, field_px)
        )
        panel = Panel(modules, draw_palette(rng, knobs), size, field_px, knobs)
        if all(_has_room(panel, kind, rng) for kind in DEFECT_KINDS):
            return panel
    raise DataError(
        f"a board must have room for {LEAST_DEFECTS} defects of each kind, but none of "
        f"{_PANEL_ATTEMPTS} boards of {size[0]}x{size[1]} pixels had; make it larger"
    )


def place_defects(
    panel: Panel, kind: str, count: int, rng: np.random.Generator
) -> Tuple[PlacedDefect, ...]:
    """Return defects of one kind whose boxes do not touch; fewer than `count` if room is scarce.

    Args:
        panel: The board.
        kind: One of `DEFECT_KINDS`.
        count: How many.
        rng: Source of every choice.
    """
    found: list[PlacedDefect] = []
    for _ in range(_PLACE_ATTEMPTS):
        if len(found) == count:
            break
        index = int(rng.integers(len(panel.modules)))
        layout, grid = panel.modules[index].layout, panel.modules[index].grid
        border_x, border_y = _BORDER * layout.width, _BORDER * layout.height
        window = (border_x, border_y, layout.width - border_x, layout.height - border_y)
        defect = propose_defect(kind, rng, panel.knobs, layout, grid, window)
        if defect is None:
            continue
        box = _box_px(panel, panel.modules[index].place, defect)
        if not any(_touch(box, other.box) for other in found):
            found.append(PlacedDefect(index, defect, box))
    return _equally_bare(found)


def _equally_bare(found: Sequence[PlacedDefect]) -> Tuple[PlacedDefect, ...]:
    """A module shows all its defects as bare as the barest; say so in each."""
    bareness = {one.module: 0.0 for one in found}
    for one in found:
        bareness[one.module] = max(bareness[one.module], one.defect.bareness)
    return tuple(
        replace(one, defect=replace(one.defect, bareness=bareness[one.module])) for one in found
    )


def _has_room(panel: Panel, kind: str, rng: np.random.Generator) -> bool:
    return len(place_defects(panel, kind, LEAST_DEFECTS, rng)) == LEAST_DEFECTS


def _places(size: Tuple[int, int], field_px: float) -> list[PixelBox]:
    """Return the modules' places: an even grid of about `_MODULE_FIELDS` crops a side."""
    columns, rows = (max(1, round(side / (_MODULE_FIELDS * field_px))) for side in size)
    edges_x = [round(i * size[0] / columns) for i in range(columns + 1)]
    edges_y = [round(i * size[1] / rows) for i in range(rows + 1)]
    half = _GROOVE_PX // 2
    return [
        (left + half, top + half, right - half, bottom - half)
        for top, bottom in zip(edges_y, edges_y[1:])
        for left, right in zip(edges_x, edges_x[1:])
    ]


def _extent_mil(place: PixelBox, field_px: float, knobs: DrawingParameters) -> Tuple[float, float]:
    mil_per_px = knobs.field_mil / field_px
    return (place[2] - place[0]) * mil_per_px, (place[3] - place[1]) * mil_per_px


def _box_px(panel: Panel, place: PixelBox, defect: Defect) -> PixelBox:
    """Return the defect's box with what outlines and the camera's blur add around it."""
    left, top, right, bottom = (side * panel.px_per_mil for side in defect.box)
    reach = blur_reach_px(panel.knobs, panel.field_px)
    return (
        max(0, place[0] + math.floor(left - 0.5) - reach),
        max(0, place[1] + math.floor(top - 0.5) - reach),
        min(panel.size[0], place[0] + math.ceil(right + 1.0) + reach),
        min(panel.size[1], place[1] + math.ceil(bottom + 1.0) + reach),
    )


def _touch(box: PixelBox, other: PixelBox) -> bool:
    return box[0] <= other[2] and other[0] <= box[2] and box[1] <= other[3] and other[1] <= box[3]
