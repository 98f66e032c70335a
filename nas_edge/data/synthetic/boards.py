"""Whole synthetic boards: templates, and photographs of each with defects of one kind.

As in HRIPCB, all images of a template show the same board: only defects, light and noise differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

import numpy as np

from nas_edge.data.synthetic.camera import photograph
from nas_edge.data.synthetic.dataset import require_int
from nas_edge.data.synthetic.defects import DEFECT_KINDS
from nas_edge.data.synthetic.panel import (
    LEAST_DEFECTS,
    MOST_DEFECTS,
    Panel,
    PixelBox,
    PlacedDefect,
    draw_panel,
    place_defects,
)
from nas_edge.data.synthetic.parameters import parameters_at
from nas_edge.errors import DataError

_SMALLEST_PX = 64
# Random streams beside those of the crops, which begin with a split's number, 0 to 2.
_TEMPLATE_STREAM, _IMAGE_STREAM, _CAMERA_STREAM = 10, 11, 12
_ATTEMPTS = 20


@dataclass(frozen=True)
class BoardDrawing:
    """One photograph of a board.

    Attributes:
        image: uint8, shape (height, width, 3).
        kind: The kind of its defects; None on a board without.
        boxes: Each defect's (left, top, right, bottom), right and bottom exclusive.
    """

    image: np.ndarray
    kind: str | None
    boxes: Tuple[PixelBox, ...]


@dataclass(frozen=True)
class SyntheticBoards:
    """Boards, each photographed several times with three to five defects of each kind.

    Attributes:
        num_boards: Templates, at least 1.
        images_per_defect: Photographs of each kind and template, at least 1.
        size: (width, height) in pixels, at least 64 each.
        seed: Other seeds give other boards; at least 0.
        difficulty: 0 (easy) to 1 (hard); see `parameters_at`.
        field_px: The side of what the set of crops shows; lengths on the board are relative to it.
    """

    num_boards: int = 5
    images_per_defect: int = 4
    size: Tuple[int, int] = (600, 480)
    seed: int = 0
    difficulty: float = 0.5
    field_px: float = 128.0

    def __post_init__(self) -> None:
        """Refuse settings that no board can be drawn with."""
        require_int("num_boards", self.num_boards, 1)
        require_int("images_per_defect", self.images_per_defect, 1)
        require_int("seed", self.seed, 0)
        for side in self.size:
            require_int("size", side, _SMALLEST_PX)
        if not 16.0 <= self.field_px <= 4096.0:
            raise DataError(f"field_px must be between 16 and 4096, but got {self.field_px!r}")
        parameters_at(self.difficulty)

    def draw_template(self, board: int) -> Panel:
        """Return template `board`, counted from 1."""
        require_int("board", board, 1)
        rng = np.random.default_rng((self.seed, _TEMPLATE_STREAM, board))
        return draw_panel(rng, parameters_at(self.difficulty), self.size, self.field_px)

    def draw(self, panel: Panel, board: int, kind: str, index: int) -> BoardDrawing:
        """Return photograph `index`, from 1, of a template with defects of a kind.

        Args:
            panel: What `draw_template` returned for this board.
            board: Its number.
            kind: One of `DEFECT_KINDS`.
            index: At least 1.
        """
        require_int("index", index, 1)
        key = (board, 1 + DEFECT_KINDS.index(kind), index)
        rng = np.random.default_rng((self.seed, _IMAGE_STREAM, *key))
        placed = _place_enough(panel, kind, rng)
        camera = np.random.default_rng((self.seed, _CAMERA_STREAM, *key))
        image = photograph(panel.paint(placed), camera, panel.knobs, panel.field_px)
        return BoardDrawing(image, kind, tuple(one.box for one in placed))

    def draw_clean(
        self, panel: Panel, board: int, kind: str | None = None, index: int = 1
    ) -> BoardDrawing:
        """Return the template without a defect, as the camera took it for this kind and index."""
        number = 0 if kind is None else 1 + DEFECT_KINDS.index(kind)
        camera = np.random.default_rng((self.seed, _CAMERA_STREAM, board, number, index))
        image = photograph(panel.paint(), camera, panel.knobs, panel.field_px)
        return BoardDrawing(image, None, ())


def _place_enough(panel: Panel, kind: str, rng: np.random.Generator) -> Tuple[PlacedDefect, ...]:
    """Return three to five defects; a template was chosen for having room for three."""
    for _ in range(_ATTEMPTS):
        count = int(rng.integers(LEAST_DEFECTS, MOST_DEFECTS + 1))
        placed = place_defects(panel, kind, count, rng)
        if len(placed) >= LEAST_DEFECTS:
            return placed
    raise DataError(
        f"a board must have room for {LEAST_DEFECTS} defects ({kind}), but one of "
        f"{panel.size[0]}x{panel.size[1]} pixels had not; make it larger"
    )
