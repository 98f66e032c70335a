"""What lies on a board, in mil: traces, pads, pours, ink, harmless marks, and a defect's edits.

A layout is plain frozen data; it is made by `routing`, changed by `defects`, drawn by `raster`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from nas_edge.data.synthetic.shapes import Box, Shape, Stroke

POUR_NET = 1


@dataclass(frozen=True)
class Trace:
    """A copper line under the solder mask; shapes of one net belong together electrically."""

    stroke: Stroke
    net: int


@dataclass(frozen=True)
class Pad:
    """Bare, tinned copper.

    Attributes:
        shape: Its outline.
        hole: The drill hole; None for a surface-mount pad.
        net: Its net.
        is_drilled: False where the hole is missing.
    """

    shape: Shape
    hole: Stroke | None
    net: int
    is_drilled: bool = True


@dataclass(frozen=True)
class Mark:
    """Something harmless that lies on top of the board: dust, a stain, a dark speck.

    Attributes:
        shape: Where it lies.
        tone: Its grey, 0 (black) to 1 (white).
    """

    shape: Shape
    tone: float


@dataclass(frozen=True)
class Layout:
    """A board or a part of one.

    Attributes:
        width: Extent along x, mil.
        height: Extent along y, mil.
        clearance: Distance that a pour keeps from other nets, mil.
        pours: Copper areas (net `POUR_NET`).
        traces: Copper lines.
        pads: Through-hole pads, vias and surface-mount pads.
        ink: Silkscreen.
        marks: Harmless dirt.
        added: Copper that a defect added.
        removed: Where a defect took copper away.
        bareness: How much a defect's edits show as bare copper and bare laminate, 0 to 1.
    """

    width: float
    height: float
    clearance: float
    pours: tuple[Shape, ...] = ()
    traces: tuple[Trace, ...] = ()
    pads: tuple[Pad, ...] = ()
    ink: tuple[Shape, ...] = ()
    marks: tuple[Mark, ...] = ()
    added: tuple[Shape, ...] = ()
    removed: tuple[Shape, ...] = ()
    bareness: float = 0.0


@dataclass(frozen=True)
class Defect:
    """One defect as an edit of a layout.

    Attributes:
        kind: One of `defects.DEFECT_KINDS`.
        box: (left, top, right, bottom) in mil; nothing outside it changes.
        added: Copper to add.
        removed: Where to take copper away.
        undrilled: Index of the pad that loses its hole, or None.
        bareness: See `Layout`.
    """

    kind: str
    box: Box
    added: tuple[Shape, ...] = ()
    removed: tuple[Shape, ...] = ()
    undrilled: int | None = None
    bareness: float = 0.0


def apply_defect(layout: Layout, defect: Defect) -> Layout:
    """Return the layout with the defect in it."""
    pads = layout.pads
    if defect.undrilled is not None:
        i = defect.undrilled
        pads = (*pads[:i], replace(pads[i], is_drilled=False), *pads[i + 1 :])
    return replace(
        layout,
        pads=pads,
        added=layout.added + defect.added,
        removed=layout.removed + defect.removed,
        bareness=max(layout.bareness, defect.bareness),
    )
