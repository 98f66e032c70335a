"""The knobs of the synthetic boards, and how one difficulty sets them all.

Lengths on the board are in mil, on the picture in pixels of a 64 px picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

from nas_edge.errors import DataError

Range = Tuple[float, float]


@dataclass(frozen=True)
class DrawingParameters:
    """Everything that the drawing draws from; a Range is (lowest, highest), drawn uniformly.

    Attributes:
        field_mil: Side of the crop on the board. Smaller: everything larger, fewer conductors.
        trace_width: Width of traces.
        gap: Distance between parallel traces; half its lower end is the least clearance.
        pad_radius: Radius of through-hole pads (vias: half of it).
        hole_ratio: Drill radius as a share of the pad's.
        clutter: How many further traces, vias and parts are tried after header and bus.
        pour_chance: Probability of a copper pour with its clearances.
        ink_marks: Highest number of silkscreen marks.
        ink_over_copper: Probability that a mark may cross copper.
        stubs: Highest number of harmless dead-end traces (they resemble spurs and open circuits).
        specks: Highest number of harmless dark or bright specks.
        defect_scale: Size of defects relative to the nearby trace's width.
        bareness: How much a defect shows as bare copper or bare laminate, 0 (under mask, its shape
            alone tells) to 1 (its colour tells).
        contrast: Brightness of copper under mask as a multiple of the bare board's.
        mask_variety: Spread of the solder mask's colour (1: also blue, red and black boards).
        rotation_deg: Largest rotation either way.
        zoom: Scale relative to `field_mil`.
        gradient: Largest relative change of light from the middle to the border.
        gain: Relative brightness.
        cast: Largest relative change of one colour channel.
        blur_px: Radius of the blur, which is a box as defocus is nearly.
        mottle: Standard deviation of slow brightness changes, grey levels.
        noise: Standard deviation of the sensor's noise, grey levels.
    """

    field_mil: float
    trace_width: Range
    gap: Range
    pad_radius: Range
    hole_ratio: Range
    clutter: int
    pour_chance: float
    ink_marks: int
    ink_over_copper: float
    stubs: int
    specks: int
    defect_scale: Range
    bareness: Range
    contrast: Range
    mask_variety: float
    rotation_deg: float
    zoom: Range
    gradient: float
    gain: Range
    cast: float
    blur_px: Range
    mottle: float
    noise: float


def parameters_at(difficulty: float) -> DrawingParameters:
    """Return the knobs at a difficulty: each moves linearly from its easy to its hard end.

    Colour that gives a defect away (`bareness`) and boards of other colours (`mask_variety`) are
    cut off where they leave 0 to 1: boards are all green up to 0.62.

    Args:
        difficulty: 0 (easy) to 1 (hard).
    Raises:
        DataError: If difficulty lies outside.
    """
    # The comparison is also false for NaN.
    if not 0.0 <= difficulty <= 1.0:
        raise DataError(f"difficulty must be between 0 and 1, but got {difficulty!r}")

    def ramp(easy: float, hard: float) -> float:
        return easy + (hard - easy) * difficulty

    return DrawingParameters(
        field_mil=ramp(135.0, 175.0),
        trace_width=(ramp(13.0, 9.0), 18.0),
        gap=(ramp(14.0, 10.0), ramp(20.0, 17.0)),
        pad_radius=(ramp(17.0, 14.5), 20.0),
        hole_ratio=(ramp(0.55, 0.43), 0.6),
        clutter=round(ramp(2.0, 7.0)),
        pour_chance=ramp(0.0, 0.4),
        ink_marks=round(ramp(0.0, 3.0)),
        ink_over_copper=ramp(0.0, 0.4),
        stubs=round(ramp(0.0, 2.0)),
        specks=round(ramp(0.0, 5.0)),
        defect_scale=(ramp(1.7, 0.75), ramp(2.3, 1.2)),
        bareness=(max(0.0, ramp(0.8, -0.1)), min(1.0, ramp(1.3, 0.65))),
        contrast=(ramp(2.4, 1.6), ramp(2.8, 2.5)),
        mask_variety=max(0.0, ramp(-0.6, 0.36)),
        rotation_deg=ramp(2.0, 8.0),
        zoom=(ramp(0.97, 0.87), ramp(1.03, 1.13)),
        gradient=ramp(0.05, 0.25),
        gain=(ramp(0.95, 0.75), ramp(1.05, 1.2)),
        cast=ramp(0.02, 0.08),
        blur_px=(ramp(0.2, 0.36), ramp(0.4, 0.9)),
        mottle=ramp(1.0, 4.2),
        noise=ramp(2.0, 7.0),
    )
