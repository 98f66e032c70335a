"""A board image and its crops in, the crops as JPEG files out."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Sequence

from nas_edge.data.hripcb.plan import Crop
from nas_edge.data.whole_folder import write_whole_file
from nas_edge.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

JPEG_QUALITY = 95


def cut_crops(path: Path, crops: Sequence[Crop], size: int, folder: Path) -> None:
    """Write the crops of one board image.

    Args:
        path: The board image.
        crops: What to cut out of it.
        size: Side of the crops in pixels.
        folder: Where their places are.
    Raises:
        DataError: If the image is damaged.
        OSError: If a file cannot be written.
    """
    board = _load(path)
    for crop in crops:
        write_whole_file(folder / crop.place, _encoded(_cut(board, crop, size)))


def is_whole(path: Path) -> bool:
    """Return whether a crop is there from its beginning to its end.

    After a power cut a file may have its name and not its contents.
    """
    try:
        with open(path, "rb") as file:
            file.seek(-2, io.SEEK_END)
            return file.read() == b"\xff\xd9"
    except OSError:
        return False


def _load(path: Path) -> Image.Image:
    from PIL import Image

    try:
        with Image.open(path) as opened:
            board: Image.Image = opened.convert("RGB")
            return board
    except MemoryError:
        raise
    except Exception as err:  # Pillow raises many kinds for a damaged file
        raise DataError(
            f"{path}: cannot be decoded ({type(err).__name__}: {err}); repair it, or remove it "
            "with its annotation"
        ) from err


def _cut(board: Image.Image, crop: Crop, size: int) -> Image.Image:
    from PIL import Image

    cut = board.resize((size, size), Image.Resampling.BICUBIC, box=crop.box)
    if crop.turn >= 4:
        cut = cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if crop.turn % 4:
        quarter_turns = (
            Image.Transpose.ROTATE_90,
            Image.Transpose.ROTATE_180,
            Image.Transpose.ROTATE_270,
        )
        cut = cut.transpose(quarter_turns[crop.turn % 4 - 1])
    levels = [_level(value, crop.contrast, crop.brightness) for value in range(256)]
    return cut.point(levels * 3)


def _level(value: int, contrast: float, brightness: float) -> int:
    return min(255, max(0, round((value - 128) * contrast + 128 + brightness)))


def _encoded(cut: Image.Image) -> bytes:
    buffer = io.BytesIO()
    cut.save(buffer, format="JPEG", quality=JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()
