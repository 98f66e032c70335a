"""Draws a layout as a clean colour picture: evenly lit, sharp, without noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence, Tuple

import numpy as np
from PIL import Image, ImageDraw

from nas_edge.data.synthetic.defects import SHADOW_MIL
from nas_edge.data.synthetic.layout import Layout, Pad
from nas_edge.data.synthetic.parameters import DrawingParameters
from nas_edge.data.synthetic.shapes import View, bounds, draw_shape, shifted

Colour = Tuple[int, int, int]

# Solder masks over laminate: green is by far the commonest.
_MASKS = ((8, 62, 20), (12, 36, 92), (92, 18, 22), (30, 32, 34), (16, 70, 62))
_BARE_COPPER = (232, 120, 48)
_BARE_LAMINATE = (214, 192, 120)


@dataclass(frozen=True)
class Palette:
    """The colours of one board."""

    laminate: Colour
    copper: Colour
    shadow: Colour
    pad: Colour
    rim: Colour
    hole: Colour
    ink: Colour


def draw_palette(rng: np.random.Generator, knobs: DrawingParameters) -> Palette:
    """Return the colours of a board.

    Args:
        rng: Source of every choice.
        knobs: `contrast` and `mask_variety` decide.
    """
    variety = knobs.mask_variety
    is_green = rng.random() >= 0.6 * variety
    base = _MASKS[0] if is_green else _MASKS[int(rng.integers(1, len(_MASKS)))]
    mask = [v * (1.0 + 0.3 * variety * (2.0 * rng.random() - 1.0)) for v in base]
    contrast = knobs.contrast[0] + rng.random() * (knobs.contrast[1] - knobs.contrast[0])
    tin = 0.85 + 0.25 * rng.random()
    metal = [v * tin for v in (176, 170, 158)]
    return Palette(
        laminate=_colour(mask, 1.0),
        copper=_colour(mask, contrast, 6.0),
        shadow=_colour(mask, 0.55),
        pad=_colour(metal, 1.0),
        rim=_colour(metal, 0.72),
        hole=_colour((26, 24, 22), 0.5 + 1.1 * rng.random()),
        ink=_colour((214, 214, 206), 0.9 + 0.2 * rng.random()),
    )


def paint(layout: Layout, view: View, palette: Palette, size: tuple[int, int]) -> Image.Image:
    """Return the layout's picture as an RGB image.

    Args:
        layout: What to draw, with or without a defect.
        view: Layout units to the picture's pixels.
        palette: The colours.
        size: (width, height) of the picture.
    """
    factor = max(2, min(8, 192 // max(size)))
    large = Image.new("RGB", (size[0] * factor, size[1] * factor), palette.laminate)
    pen = ImageDraw.Draw(large)
    near = view.enlarged(factor)
    _paint_copper(pen, layout, near, palette)
    for pad in layout.pads:
        _paint_pad(pen, pad, near, palette, layout.bareness)
    for shape in layout.ink:
        draw_shape(pen, shape, near, palette.ink)
    for mark in layout.marks:
        grey = round(255 * mark.tone)
        draw_shape(pen, mark.shape, near, (grey, grey, grey))
    return large.reduce(factor)


def _paint_copper(pen: ImageDraw.ImageDraw, layout: Layout, view: View, palette: Palette) -> None:
    for pour in layout.pours:
        draw_shape(pen, pour, view, palette.copper)
    strokes = [trace.stroke for trace in layout.traces]
    if layout.pours:
        for conductor in (*strokes, *(pad.shape for pad in layout.pads)):
            draw_shape(pen, conductor, view, palette.laminate, layout.clearance)
    for shape in (*strokes, *layout.added):
        draw_shape(pen, shifted(shape, SHADOW_MIL, SHADOW_MIL), view, palette.shadow)
    for stroke in strokes:
        draw_shape(pen, stroke, view, palette.copper)
    for shape in layout.added:
        draw_shape(pen, shape, view, _blend(palette.copper, _BARE_COPPER, layout.bareness))
    for shape in layout.removed:
        draw_shape(pen, shape, view, _blend(palette.laminate, _BARE_LAMINATE, layout.bareness))


def _paint_pad(
    pen: ImageDraw.ImageDraw, pad: Pad, view: View, palette: Palette, bareness: float
) -> None:
    """A tinned pad with a darker rim, and its hole or what stands in its place."""
    left, top, right, bottom = bounds(pad.shape)
    reach = min(right - left, bottom - top) / 2.0
    draw_shape(pen, pad.shape, view, palette.rim)
    draw_shape(pen, pad.shape, view, palette.pad, -0.15 * reach)
    if pad.hole is None:
        return
    missing = _blend(palette.pad, _BARE_COPPER, bareness)
    draw_shape(pen, pad.hole, view, palette.hole if pad.is_drilled else missing)


def _colour(values: Sequence[float], factor: float, offset: float = 0.0) -> Colour:
    red, green, blue = (min(255, round(v * factor + offset)) for v in values)
    return red, green, blue


def _blend(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(a + share * (b - a)) for a, b in zip(first, second))
    return red, green, blue
