"""Silkscreen and harmless specks.

Text is drawn with strokes of our own, so that no font file and no font version decides a pixel.
"""

from __future__ import annotations

import numpy as np

from nas_edge.data.synthetic.layout import Layout, Mark
from nas_edge.data.synthetic.nets import NetGrid
from nas_edge.data.synthetic.parameters import DrawingParameters
from nas_edge.data.synthetic.shapes import Polygon, Shape, Stroke, disc

# Corners of the pen's way in a 2 x 4 cell, y downwards.
_GLYPHS = (
    ((0, 0), (2, 0), (2, 4), (0, 4), (0, 0)),
    ((1, 0), (1, 4)),
    ((0, 0), (2, 0), (2, 2), (0, 2), (0, 4), (2, 4)),
    ((0, 0), (0, 2), (2, 2), (2, 0), (2, 4)),
    ((2, 0), (0, 0), (0, 2), (2, 2), (2, 4), (0, 4)),
    ((0, 0), (2, 0), (0, 4)),
    ((0, 4), (0, 0), (2, 0), (2, 2), (0, 2), (2, 4)),
    ((2, 0), (0, 0), (0, 4), (2, 4)),
    ((0, 0), (0, 4), (2, 4)),
    ((0, 4), (0, 0), (2, 4), (2, 0)),
)


def draw_ink(
    rng: np.random.Generator,
    knobs: DrawingParameters,
    layout: Layout,
    grid: NetGrid,
    fields: int,
) -> tuple[Shape, ...]:
    """Return silkscreen marks: text, lines, corners and dots.

    Args:
        rng: Source of every choice.
        knobs: What to draw from.
        layout: The copper below.
        grid: The nets below; most marks keep off them.
        fields: How many crops' worth of board this is.
    """
    ink: list[Shape] = []
    for _ in range(fields * int(rng.integers(knobs.ink_marks + 1))):
        x = float(rng.uniform(0.1, 0.9)) * layout.width
        y = float(rng.uniform(0.1, 0.9)) * layout.height
        mark = _random_mark(rng, x, y)
        may_cross = rng.random() < knobs.ink_over_copper
        if may_cross or all(grid.is_free(shape, 1.0) for shape in mark):
            ink.extend(mark)
    return tuple(ink)


def draw_specks(
    rng: np.random.Generator, knobs: DrawingParameters, layout: Layout, fields: int
) -> tuple[Mark, ...]:
    """Return small dark or bright specks anywhere on the board; fibres among them."""
    marks = []
    for _ in range(fields * int(rng.integers(knobs.specks + 1))):
        x = float(rng.uniform(0.0, layout.width))
        y = float(rng.uniform(0.0, layout.height))
        tone = float(rng.uniform(0.05, 0.2) if rng.random() < 0.5 else rng.uniform(0.5, 0.8))
        dx, dy, size = (float(v) for v in rng.uniform((-9.0, -9.0, 1.2), (9.0, 9.0, 3.5)))
        fibre = Stroke(((x, y), (x + dx, y + dy)), 1.5)
        marks.append(Mark(fibre if rng.random() < 0.3 else disc((x, y), size), tone))
    return tuple(marks)


def _random_mark(rng: np.random.Generator, x: float, y: float) -> tuple[Shape, ...]:
    choice = int(rng.integers(4))
    size = float(rng.uniform(3.0, 6.0))
    if choice == 0:
        return _text(rng, x, y, size)
    if choice == 1:
        length = size * float(rng.uniform(5.0, 12.0))
        end = (x + length, y) if rng.random() < 0.5 else (x, y + length)
        return (Stroke(((x, y), end), float(rng.uniform(2.5, 6.0))),)
    if choice == 2:
        return (Stroke(((x + size * 5.0, y), (x, y), (x, y + size * 5.0)), 3.0),)
    return (Polygon(((x, y), (x + size * 2.0, y), (x + size, y + size * 1.8))),)


def _text(rng: np.random.Generator, x: float, y: float, size: float) -> tuple[Shape, ...]:
    """One to three characters, written along x or along y."""
    is_turned = rng.random() < 0.5
    strokes: list[Shape] = []
    for i in range(int(rng.integers(1, 4))):
        glyph = _GLYPHS[int(rng.integers(len(_GLYPHS)))]
        cells = [((u + 3.2 * i) * size, v * size) for u, v in glyph]
        points = tuple((x - v, y + u) if is_turned else (x + u, y + v) for u, v in cells)
        strokes.append(Stroke(points, max(2.0, size * 0.6)))
    return tuple(strokes)
