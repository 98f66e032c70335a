"""One board before the camera: its layout, its view, and a defect that it could have.

A place for the defect is found on every board, on those that stay normal too, and only then is it
painted or not: so normal and defective boards are alike in all but the defect, and the same scene
can be painted both ways.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from nas_edge.data.synthetic.defects import propose_defect
from nas_edge.data.synthetic.layout import Defect, Layout, apply_defect
from nas_edge.data.synthetic.parameters import DrawingParameters
from nas_edge.data.synthetic.raster import Palette, draw_palette, paint
from nas_edge.data.synthetic.routing import draw_layout
from nas_edge.data.synthetic.shapes import Box, View
from nas_edge.errors import DataError

# The layout reaches beyond the crop, so that a turned or shrunk crop shows no border.
_SURROUND = 1.45
# Defects keep this share of the crop's side away from its border.
_BORDER = 0.06
_LAYOUT_ATTEMPTS = 100


@dataclass(frozen=True)
class Scene:
    """A board, the crop of it that is seen, and a defect that fits it.

    Attributes:
        layout: The board without defect.
        view: Layout units to pixels.
        palette: The board's colours.
        size: Side of the picture in pixels.
        defect: A defect that fits the board.
    """

    layout: Layout
    view: View
    palette: Palette
    size: int
    defect: Defect

    def paint(self, is_defective: bool) -> Image.Image:
        """Return the clean picture, with or without the defect."""
        layout = apply_defect(self.layout, self.defect) if is_defective else self.layout
        return paint(layout, self.view, self.palette, (self.size, self.size))

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The defect's (left, top, right, bottom) in pixels, right and bottom exclusive."""
        left, top, right, bottom = self.defect.box
        corners = self.view.place(((left, top), (right, top), (right, bottom), (left, bottom)))
        xs, ys = zip(*corners)
        # Pillow's outlines reach up to one pixel beyond the exact shape.
        return (
            max(0, math.floor(min(xs) - 0.5)),
            max(0, math.floor(min(ys) - 0.5)),
            min(self.size, math.ceil(max(xs) + 1.0)),
            min(self.size, math.ceil(max(ys) + 1.0)),
        )


def draw_scene(rng: np.random.Generator, knobs: DrawingParameters, size: int, kind: str) -> Scene:
    """Return a random scene.

    Args:
        rng: Source of every choice.
        knobs: What to draw from.
        size: Side of the picture in pixels.
        kind: Which defect the board has to have a place for.
    Raises:
        DataError: If the knobs leave no place for the defect.
    """
    side = _SURROUND * knobs.field_mil
    for _ in range(_LAYOUT_ATTEMPTS):
        view = _draw_view(rng, knobs, side, size)
        layout, grid = draw_layout(rng, knobs, side, side)
        defect = propose_defect(kind, rng, knobs, layout, grid, _window(view, side))
        if defect is not None:
            return Scene(layout, view, draw_palette(rng, knobs), size, defect)
    raise DataError(
        f"knobs must leave room for a {kind}, but {_LAYOUT_ATTEMPTS} boards had none; "
        "raise field_mil or lower defect_scale"
    )


def _draw_view(rng: np.random.Generator, knobs: DrawingParameters, side: float, size: int) -> View:
    angle = math.radians(float(rng.uniform(-knobs.rotation_deg, knobs.rotation_deg)))
    scale = size / knobs.field_mil * float(rng.uniform(*knobs.zoom))
    return View((side / 2.0, side / 2.0), scale, angle, (size / 2.0, size / 2.0))


def _window(view: View, side: float) -> Box:
    """The largest upright square, in mil, that the crop shows whole, less the border."""
    turn = abs(math.cos(view.angle)) + abs(math.sin(view.angle))
    half = view.middle[0] * (1.0 - 2.0 * _BORDER) / (view.scale * turn)
    return side / 2.0 - half, side / 2.0 - half, side / 2.0 + half, side / 2.0 + half
