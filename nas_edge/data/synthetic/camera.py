"""What a camera makes of the clean picture: blur, uneven light, a colour cast, noise."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageFilter

from nas_edge.data.synthetic.parameters import DrawingParameters

# Blur is given for this side, so that every size shows the same detail.
_REFERENCE_PX = 64
_MOTTLE_CELLS = 6


def blur_reach_px(knobs: DrawingParameters, field_px: float) -> int:
    """Return how many pixels away the blur of a crop of this side carries a change, at most."""
    return math.ceil(knobs.blur_px[1] * field_px / _REFERENCE_PX)


def photograph(
    picture: Image.Image,
    rng: np.random.Generator,
    knobs: DrawingParameters,
    field_px: float | None = None,
) -> np.ndarray:
    """Return the picture as a camera would take it, uint8 of shape (height, width, 3).

    Args:
        picture: A clean RGB picture.
        rng: Source of light, cast and noise.
        knobs: How much of each.
        field_px: The side of a crop on this picture, where it shows more than one: what decides
            the blur. None: the picture is a crop.
    """
    blur = float(rng.uniform(*knobs.blur_px)) * (field_px or picture.width) / _REFERENCE_PX
    blurred = np.asarray(picture.filter(ImageFilter.BoxBlur(blur)))
    width, height = picture.size
    # Rows of all channels side by side: NumPy is several times slower on a last axis of three.
    pixels = _noise(rng, (height, 3 * width))
    pixels *= np.float32(knobs.noise)
    pixels += _mottle(rng, knobs, width, height)
    pixels += blurred.reshape(height, 3 * width) * _light(rng, knobs, width, height)
    np.clip(pixels, 0.0, 255.0, out=pixels)
    np.rint(pixels, out=pixels)
    return pixels.astype(np.uint8).reshape(height, width, 3)


def _noise(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Noise of mean 0 and deviation 1; two uniform numbers are drawn quicker than a normal one."""
    noise = rng.random(shape, dtype=np.float32)
    noise += rng.random(shape, dtype=np.float32)
    noise -= np.float32(1.0)
    noise *= np.float32(math.sqrt(6.0))
    return noise


def _light(
    rng: np.random.Generator, knobs: DrawingParameters, width: int, height: int
) -> np.ndarray:
    """Gain, colour cast and a linear gradient as factors, shape (height, 3 * width)."""
    slope_x, slope_y = rng.uniform(-knobs.gradient, knobs.gradient, 2)
    cast = rng.uniform(1.0 - knobs.cast, 1.0 + knobs.cast, 3) * rng.uniform(*knobs.gain)
    across = np.repeat(np.linspace(-slope_x, slope_x, width), 3).astype(np.float32)
    down = np.linspace(1.0 - slope_y, 1.0 + slope_y, height, dtype=np.float32)
    light = np.add.outer(down, across)
    light *= np.tile(cast.astype(np.float32), width)
    return light


def _mottle(
    rng: np.random.Generator, knobs: DrawingParameters, width: int, height: int
) -> np.ndarray:
    """Slow brightness changes of laminate and mask, shape (height, 3 * width)."""
    cells = rng.standard_normal((_MOTTLE_CELLS, _MOTTLE_CELLS), dtype=np.float32)
    cells *= np.float32(knobs.mottle)
    # So slow that a pixel's three channels, a third of a pixel apart, are as good as equal.
    smooth = Image.fromarray(cells).resize((3 * width, height), Image.Resampling.BICUBIC)
    return np.asarray(smooth)
