"""Flat shapes in layout units, and the view that carries them to pixels.

In: points in mil (a thousandth of an inch, the unit of board layouts). Out: marks on a Pillow
drawing. What a shape means (copper, hole, ink) is not known here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Sequence, Tuple, Union

if TYPE_CHECKING:
    from PIL import ImageDraw

Point = Tuple[float, float]
Box = Tuple[float, float, float, float]


@dataclass(frozen=True)
class Stroke:
    """A round-ended line through points; with a single point, a disc."""

    points: tuple[Point, ...]
    width: float


@dataclass(frozen=True)
class Polygon:
    """A filled polygon."""

    points: tuple[Point, ...]


Shape = Union[Stroke, Polygon]


@dataclass(frozen=True)
class View:
    """A similarity from layout units to pixels.

    Attributes:
        centre: The layout point that lands in the middle of the picture.
        scale: Pixels per mil.
        angle: Rotation in radians.
        middle: The pixel coordinates of the picture's middle.
    """

    centre: Point
    scale: float
    angle: float
    middle: Point

    def place(self, points: tuple[Point, ...]) -> list[Point]:
        """Return the points in pixels."""
        along, across = self.scale * math.cos(self.angle), self.scale * math.sin(self.angle)
        (cx, cy), (mx, my) = self.centre, self.middle
        mx, my = mx - cx * along + cy * across, my - cx * across - cy * along
        return [(mx + x * along - y * across, my + x * across + y * along) for x, y in points]

    def enlarged(self, factor: float) -> View:
        """Return this view of a picture with `factor` times the pixels a side."""
        middle = (self.middle[0] * factor, self.middle[1] * factor)
        return View(self.centre, self.scale * factor, self.angle, middle)


def disc(centre: Point, radius: float) -> Stroke:
    """Return a disc."""
    return Stroke((centre,), 2.0 * radius)


def rectangle(centre: Point, half_width: float, half_height: float) -> Polygon:
    """Return an axis-aligned rectangle."""
    (x, y), w, h = centre, half_width, half_height
    return Polygon(((x - w, y - h), (x + w, y - h), (x + w, y + h), (x - w, y + h)))


def shifted(shape: Shape, dx: float, dy: float) -> Shape:
    """Return the shape moved by (dx, dy)."""
    points = tuple((x + dx, y + dy) for x, y in shape.points)
    return Stroke(points, shape.width) if isinstance(shape, Stroke) else Polygon(points)


def bounds(shape: Shape, grow: float = 0.0) -> Box:
    """Return the (left, top, right, bottom) of a shape, grown on every side."""
    if isinstance(shape, Stroke):
        grow += shape.width / 2.0
    xs, ys = zip(*shape.points)
    return min(xs) - grow, min(ys) - grow, max(xs) + grow, max(ys) + grow


def united(boxes: Sequence[Box]) -> Box:
    """Return the smallest box that holds all the boxes."""
    lefts, tops, rights, bottoms = zip(*boxes)
    return min(lefts), min(tops), max(rights), max(bottoms)


def draw_shape(
    pen: ImageDraw.ImageDraw, shape: Shape, view: View, fill: Any, grow: float = 0.0
) -> None:
    """Fill a shape on a Pillow drawing.

    Args:
        pen: The drawing.
        shape: What to fill.
        view: Layout units to the drawing's pixels.
        fill: A Pillow colour.
        grow: Mil by which the shape is widened on every side.
    """
    points = view.place(shape.points)
    if isinstance(shape, Stroke):
        _draw_stroke(pen, points, (shape.width + 2.0 * grow) * view.scale, fill)
        return
    pen.polygon(points, fill=fill)
    if grow > 0.0:
        _draw_stroke(pen, [*points, points[0]], 2.0 * grow * view.scale, fill)


def _draw_stroke(pen: ImageDraw.ImageDraw, points: list[Point], width: float, fill: Any) -> None:
    thickness = max(1, round(width))
    if len(points) > 1:
        pen.line(points, fill=fill, width=thickness)
    if thickness < 3 and len(points) > 1:
        return
    radius = thickness / 2.0
    width_px, height_px = pen.im.size
    for x, y in points:
        # Traces end far outside of a crop: three calls in ten are saved.
        if -radius < x < width_px + radius and -radius < y < height_px + radius:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
