"""The synthetic PCB set: image i of a split is a function of (seed, split, i) and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nas_edge.data.synthetic.camera import photograph
from nas_edge.data.synthetic.defects import DEFECT_KINDS
from nas_edge.data.synthetic.parameters import DrawingParameters, parameters_at
from nas_edge.data.synthetic.scene import Scene, draw_scene
from nas_edge.errors import DataError

SPLITS = ("train", "val", "test")
_SMALLEST_PX = 16
# The board and the camera have streams of their own.
_BOARD_STREAM, _CAMERA_STREAM = 0, 1


@dataclass(frozen=True)
class Drawing:
    """One image and what is known about it.

    Attributes:
        image: uint8, shape (height, width, 3).
        label: Index into the set's `class_names`.
        defect: One of `DEFECT_KINDS`, or None for a normal image.
        box: The defect's (left, top, right, bottom) in pixels, right and bottom exclusive.
    """

    image: np.ndarray
    label: int
    defect: str | None
    box: tuple[int, int, int, int] | None


@dataclass(frozen=True)
class SyntheticPcb:
    """Images of circuit boards, without or with one of HRIPCB's six defects.

    Classes take turns with the index, so that every stretch of indices is balanced; in the binary
    set every second image has a defect and the six kinds take turns.

    Attributes:
        num_classes: 2 (normal, defect) or 7 (normal and each defect).
        image_size: Side in pixels, at least 16.
        seed: Other seeds give other images; at least 0.
        difficulty: 0 (easy) to 1 (hard); see `parameters_at`.
        knobs: Drawing parameters to use in place of those of `difficulty`.
    """

    num_classes: int = 2
    image_size: int = 64
    seed: int = 0
    difficulty: float = 0.5
    knobs: DrawingParameters | None = None

    def __post_init__(self) -> None:
        """Refuse settings that no image can be drawn with."""
        if self.num_classes not in (2, 1 + len(DEFECT_KINDS)):
            raise DataError(f"num_classes must be 2 or 7, but got {self.num_classes!r}")
        require_int("image_size", self.image_size, _SMALLEST_PX)
        require_int("seed", self.seed, 0)
        parameters_at(self.difficulty)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes' names; a label is an index into them."""
        return ("normal", "defect") if self.num_classes == 2 else ("normal", *DEFECT_KINDS)

    def draw(self, split: str, index: int) -> tuple[np.ndarray, int]:
        """Return image `index` of a split, uint8 (height, width, 3), and its label.

        Args:
            split: One of `SPLITS`.
            index: At least 0; there is no last one.
        """
        drawing = self.draw_annotated(split, index)
        return drawing.image, drawing.label

    def draw_many(self, split: str, count: int, start: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return images `start` to `start + count - 1` of a split, and their labels.

        Args:
            split: One of `SPLITS`.
            count: How many images.
            start: Index of the first.
        Returns:
            uint8 images of shape (count, height, width, 3) and int64 labels of shape (count,).
        """
        require_int("count", count, 0)
        require_int("start", start, 0)
        images = np.empty((count, self.image_size, self.image_size, 3), dtype=np.uint8)
        labels = np.empty(count, dtype=np.int64)
        for i in range(count):
            images[i], labels[i] = self.draw(split, start + i)
        return images, labels

    def draw_annotated(self, split: str, index: int) -> Drawing:
        """Return image `index` of a split with its defect's kind and place.

        Args:
            split: One of `SPLITS`.
            index: At least 0.
        """
        kind = self.defect_of(index)
        scene = self.draw_scene(split, index)
        camera = self._stream(split, index, _CAMERA_STREAM)
        image = photograph(scene.paint(kind is not None), camera, self._drawing_parameters())
        label = 0 if kind is None else 1
        if kind is not None and self.num_classes > 2:
            label = self.class_names.index(kind)
        return Drawing(image, label, kind, None if kind is None else scene.box)

    def draw_scene(self, split: str, index: int) -> Scene:
        """Return the board behind image `index` of a split, before defect and camera."""
        rng = self._stream(split, index, _BOARD_STREAM)
        kind = self.defect_of(index)
        if kind is None:
            # Normal boards have room for each kind in turn, as the defective ones do.
            kind = DEFECT_KINDS[index // self.num_classes % len(DEFECT_KINDS)]
        return draw_scene(rng, self._drawing_parameters(), self.image_size, kind)

    def defect_of(self, index: int) -> str | None:
        """Return the kind of defect that image `index` has in every split; None if normal."""
        if index % self.num_classes == 0:
            return None
        turn = index // 2 if self.num_classes == 2 else index % self.num_classes - 1
        return DEFECT_KINDS[turn % len(DEFECT_KINDS)]

    def _drawing_parameters(self) -> DrawingParameters:
        return parameters_at(self.difficulty) if self.knobs is None else self.knobs

    def _stream(self, split: str, index: int, stream: int) -> np.random.Generator:
        if split not in SPLITS:
            raise DataError(f"split must be one of {', '.join(SPLITS)}, but got {split!r}")
        require_int("index", index, 0)
        return np.random.default_rng((self.seed, SPLITS.index(split), index, stream))


def require_int(name: str, value: object, least: int) -> None:
    """Refuse what is not a whole number of at least `least`; NumPy's integers are welcome."""
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_whole or value < least:  # type: ignore[operator]
        raise DataError(f"{name} must be an integer of at least {least}, but got {value!r}")
