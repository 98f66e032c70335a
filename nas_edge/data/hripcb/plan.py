"""Every crop of every split, decided before an image is opened.

A crop is a function of the options, the source and its own number alone, so that it comes out the
same whoever cuts it and whenever.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from nas_edge.data.hripcb.annotation import Box, MarkedDefect
from nas_edge.data.hripcb.options import DEFECT, NORMAL, SPLITS, PrepareOptions
from nas_edge.data.hripcb.scan import BoardImage
from nas_edge.data.synthetic.defects import DEFECT_KINDS
from nas_edge.errors import DataError

_ZOOM = 0.1  # a window's side is at most this share larger or smaller
_CONTRAST = 0.1
_BRIGHTNESS = 12.0  # grey levels
_BORDER = 0.08  # a defect keeps this share of the window away from its border
_CLEARANCE_PX = 2  # a crop without defect keeps this far away from any box
_ATTEMPTS = 60


@dataclass(frozen=True)
class Crop:
    """One crop.

    Attributes:
        place: Where it is written, below the set's folder.
        image: Index of its board image.
        box: Its (left, top, right, bottom) there, a square.
        turn: Which of the eight turns and mirrorings, 0 to 7.
        contrast: Factor around the middle grey.
        brightness: Grey levels to add.
    """

    place: str
    image: int
    box: Box
    turn: int
    contrast: float
    brightness: float


def plan_crops(
    images: Sequence[BoardImage],
    boards: Mapping[str, Sequence[str]],
    options: PrepareOptions,
    where: str,
) -> List[Crop]:
    """Return every crop: as many of each class in a split, none of a board of another split.

    Args:
        images: All board images.
        boards: From `split_boards`.
        options: What decides the crops.
        where: The source, for errors.
    Raises:
        DataError: If a class of a split has no crop, or there is no place without a defect.
    """
    for one in images:
        _check_image(one, options)
    shares = {"val": options.val, "test": options.test}
    shares["train"] = 1.0 - options.val - options.test
    crops: List[Crop] = []
    for split in SPLITS:
        planner = _SplitPlanner(images, split, boards[split], options, where)
        crops += planner.plan(round(options.count * shares[split]))
    return crops


class _SplitPlanner:
    """The boards of one split and what has to be cut out of them."""

    def __init__(
        self,
        images: Sequence[BoardImage],
        split: str,
        boards: Sequence[str],
        options: PrepareOptions,
        where: str,
    ) -> None:
        self._images, self._split, self._options, self._where = images, split, options, where
        self._boards = boards
        self._members = [i for i, one in enumerate(images) if one.board in boards]
        self._marks: Dict[str, List[Tuple[int, MarkedDefect]]] = {kind: [] for kind in DEFECT_KINDS}
        for i in self._members:
            for defect in images[i].defects:
                self._marks[defect.kind].append((i, defect))
        random.Random(f"{options.seed}:{split}:images").shuffle(self._members)
        for kind, marks in self._marks.items():
            random.Random(f"{options.seed}:{split}:{kind}").shuffle(marks)

    def plan(self, count: int) -> List[Crop]:
        names = self._options.class_names
        each = min(count // len(names), *(self._most(name) for name in names if name != NORMAL))
        if each < 1:
            raise DataError(
                f"{self._where}: count must be at least one crop a class in each split, but "
                f"{self._options.count} leaves {self._split} without; raise --count"
            )
        crops = []
        for name in names:
            for number in range(each):
                rng = random.Random(f"{self._options.seed}:{self._split}:{name}:{number}")
                cut = self._cut_normal if name == NORMAL else self._cut_defect
                image, box = cut(name, number, rng)
                crops.append(self._crop(name, number, image, box, rng))
        return crops

    def _most(self, name: str) -> int:
        """Return how many crops there are of a class, kinds of defects taking turns in it."""
        kinds = self._kinds(name)
        if not kinds or not all(self._marks[kind] for kind in kinds):
            raise DataError(
                f"{self._where}: boards {', '.join(self._boards)} of {self._split} must show "
                f"{name!r}, but none does; take another --seed, or --defects binary"
            )
        return len(kinds) * min(len(self._marks[kind]) for kind in kinds) * self._options.per_defect

    def _kinds(self, name: str) -> List[str]:
        if name != DEFECT:
            return [name]
        return [kind for kind in DEFECT_KINDS if self._marks[kind]]

    def _cut_defect(self, name: str, number: int, rng: random.Random) -> Tuple[int, Box]:
        kinds = self._kinds(name)
        marks = self._marks[kinds[number % len(kinds)]]
        image, defect = marks[number // len(kinds) % len(marks)]
        return image, self._around(defect.box, self._images[image].size, rng)

    def _cut_normal(self, _: str, number: int, rng: random.Random) -> Tuple[int, Box]:
        """Cut where another image of the same board has a defect, and this one has none.

        So the place does not give a class away.
        """
        for shift in range(len(self._members)):
            index = self._members[(number + shift) % len(self._members)]
            image = self._images[index]
            places = self._places(image.board)
            for _attempt in range(_ATTEMPTS):
                place = places[int(rng.random() * len(places))]
                box = self._around(place, image.size, rng)
                if not _shows_defect(box, image.defects):
                    return index, box
            anywhere = self._anywhere(image, rng)
            if anywhere is not None:
                return index, anywhere
        raise DataError(
            f"{self._where}: boards {', '.join(self._boards)} of {self._split} must have a place "
            f"without a defect, but a crop of {self._options.size} pixels found none; lower --size"
        )

    def _places(self, board: str) -> List[Box]:
        return [
            defect.box
            for i in self._members
            if self._images[i].board == board
            for defect in self._images[i].defects
        ]

    def _anywhere(self, image: BoardImage, rng: random.Random) -> Optional[Box]:
        side = min(self._side(rng), *image.size)
        for _ in range(_ATTEMPTS):
            left = int(rng.random() * (image.size[0] - side + 1))
            top = int(rng.random() * (image.size[1] - side + 1))
            box = (left, top, left + side, top + side)
            if not _shows_defect(box, image.defects):
                return box
        return None

    def _around(self, place: Box, size: Tuple[int, int], rng: random.Random) -> Box:
        """Return a random square of the image that shows a place whole."""
        longest = max(place[2] - place[0], place[3] - place[1])
        side = max(self._side(rng), round(longest / (1.0 - 2.0 * _BORDER)))
        side = min(side, *size)
        border = round(side * _BORDER)
        left = _start(place[0], place[2], side, size[0], border, rng)
        top = _start(place[1], place[3], side, size[1], border, rng)
        return left, top, left + side, top + side

    def _side(self, rng: random.Random) -> int:
        return round(self._options.size * (1.0 + _ZOOM * (2.0 * rng.random() - 1.0)))

    def _crop(self, name: str, number: int, image: int, box: Box, rng: random.Random) -> Crop:
        stem = self._images[image].path.stem
        return Crop(
            place=f"{self._split}/{name}/{number:05d}_{stem}.jpg",
            image=image,
            box=box,
            turn=int(rng.random() * 8),
            contrast=1.0 + _CONTRAST * (2.0 * rng.random() - 1.0),
            brightness=_BRIGHTNESS * (2.0 * rng.random() - 1.0),
        )


def _start(low: int, high: int, side: int, length: int, border: int, rng: random.Random) -> int:
    """Return a random start of a window that holds [low, high) and lies in [0, length)."""
    first = max(0, min(high + border, length) - side)
    last = min(length - side, max(low - border, 0))
    if first > last:  # larger than the window: its middle
        first = last = min(max((low + high - side) // 2, 0), length - side)
    return first + int(rng.random() * (last - first + 1))


def _shows_defect(box: Box, defects: Sequence[MarkedDefect]) -> bool:
    gap = _CLEARANCE_PX
    return any(
        box[0] < one.box[2] + gap
        and one.box[0] - gap < box[2]
        and box[1] < one.box[3] + gap
        and one.box[1] - gap < box[3]
        for one in defects
    )


def _check_image(image: BoardImage, options: PrepareOptions) -> None:
    width, height = image.size
    if min(width, height) < options.size:
        raise DataError(
            f"{image.path}: must be at least {options.size} pixels a side, but is "
            f"{width}x{height}; lower --size"
        )
    kinds = sorted({defect.kind for defect in image.defects})
    if options.defects == "six" and len(kinds) > 1:
        raise DataError(
            f"{image.path}: must show one kind of defect to be told apart, but shows "
            f"{' and '.join(kinds)}; use --defects binary"
        )
