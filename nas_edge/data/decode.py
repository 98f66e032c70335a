"""Image files into one array: decoded, upright, RGB, resized; damaged files by name, at once."""

from __future__ import annotations

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Callable, List, Optional, Sequence, Tuple, Union

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

MIN_SIDE = 8
MAX_PIXELS = 100_000_000  # 300 MB decoded; more is taken for a decompression bomb
Decoded = Union[np.ndarray, str]  # the image, or why there is none


@dataclass(frozen=True)
class Damaged:
    """A file that cannot be used, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Picture:
    """A file's image, upright and RGB, and what the file itself says of it."""

    image: Image.Image
    width: int
    height: int
    mode: str
    format: str


def decode_image(path: Path, image_size: int) -> Decoded:
    """Return one image as (image_size, image_size, 3) uint8, or the reason why it is damaged.

    The image is stretched to the square, as the paper's code does.
    """
    picture = open_picture(path, image_size)
    return picture if isinstance(picture, str) else _stretched(picture.image, image_size)


def decode_opened(image: Image.Image, image_size: int) -> Decoded:
    """Return an image that Pillow opened as `decode_image` returns its file."""
    problem = size_problem(*image.size)
    if problem:
        return problem
    try:
        return _stretched(upright_rgb(image), image_size)
    except MemoryError:
        raise
    except Exception as err:  # its file is read only now
        return _undecodable(err)


def size_problem(width: int, height: int) -> str:
    """Return why an image of this size cannot be used, or ""."""
    if min(width, height) < MIN_SIDE:
        return f"must be at least {MIN_SIDE} pixels a side, but is {width}x{height}"
    if width * height > MAX_PIXELS:
        return f"must have at most {MAX_PIXELS:,} pixels, but is {width}x{height}"
    return ""


def open_picture(path: Path, least_side: int) -> Union[Picture, str]:
    """Return a file's image, decoded to its end, or the reason why it is damaged.

    Args:
        path: The file.
        least_side: A large JPEG may be decoded at a fraction of its size, no smaller than this.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        if os.path.getsize(path) == 0:
            return "the file is empty"
        with Image.open(path) as opened:
            (width, height), mode, kind = opened.size, opened.mode, str(opened.format)
            problem = size_problem(width, height)
            if problem:
                return problem
            opened.draft("RGB", (least_side, least_side))
            image = upright_rgb(opened)
        return Picture(image, width, height, mode, kind)
    except MemoryError:
        raise
    except UnidentifiedImageError:
        return "is not an image"
    except FileNotFoundError:
        return "no such file"
    except IsADirectoryError:
        return "must be an image, but is a folder; give its files"
    except Exception as err:  # Pillow raises many kinds for a damaged file
        return _undecodable(err)


def upright_rgb(image: Image.Image) -> Image.Image:
    """Return an image of any mode as RGB, turned as its EXIF data says.

    Pillow would clip 16-bit greys to white.
    """
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if not image.mode.startswith("I"):
        return image.convert("RGB")
    grey = np.clip(np.asarray(image, dtype=np.int64), 0, 65535) >> 8
    return Image.fromarray(grey.astype(np.uint8)).convert("RGB")


def _stretched(image: Image.Image, side: int) -> np.ndarray:
    from PIL import Image

    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))


def _undecodable(err: Exception) -> str:
    return f"cannot be decoded ({type(err).__name__}: {err})"


def decode_into(
    out: np.ndarray,
    paths: Sequence[Path],
    image_size: int,
    on_progress: Optional[Callable[[int, int], None]] = None,
) -> Tuple[List[int], List[Damaged]]:
    """Fill ``out[:k]`` with the images that can be decoded.

    Args:
        out: Shape (n, image_size, image_size, 3), uint8, n = number of paths.
        paths: The files.
        image_size: Side in pixels.
        on_progress: Called with files done and files in all.
    Returns:
        The indices of the k good files, in order, and the damaged ones.
    """
    good: List[int] = []
    damaged: List[Damaged] = []
    # Pillow warns of oddities in files that it reads; filters cannot be set thread by thread.
    with warnings.catch_warnings(), ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        warnings.simplefilter("ignore")
        for start in range(0, len(paths), 256):
            chunk = paths[start : start + 256]
            for i, decoded in enumerate(
                pool.map(lambda path: decode_image(path, image_size), chunk)
            ):
                if isinstance(decoded, str):
                    damaged.append(Damaged(paths[start + i], decoded))
                else:
                    out[len(good)] = decoded
                    good.append(start + i)
            if on_progress:
                on_progress(min(start + 256, len(paths)), len(paths))
    return good, damaged
