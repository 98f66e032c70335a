"""Files in, what each holds out: its hash, its size, and a perceptual hash of its image.

Every file is read once, in threads; of files with the same content one is decoded.
"""

from __future__ import annotations

import hashlib
import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Set, Tuple, Union

import numpy as np

from nas_edge.data.decode import Damaged, open_picture

HASH_SIZE = 16  # 256 bits; why: nas_edge.data.audit.near
LEAST_SIDE = 256  # a hash is taken of 64 x 64 pixels; four times that keeps it as it is
CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class Content:
    """What files with the same bytes hold; ``hash_bits`` is the perceptual hash, 8 bits a byte."""

    width: int
    height: int
    mode: str
    format: str
    num_bytes: int
    hash_bits: bytes


@dataclass(frozen=True)
class Readings:
    """What was read.

    ``digests[i]`` is the SHA-256 of the i-th file, or None if it is damaged; ``contents`` are by
    digest, in the order of their first files.
    """

    digests: Tuple[Optional[str], ...]
    contents: Dict[str, Content]
    damaged: Tuple[Damaged, ...]


def read_files(
    paths: Sequence[Path], on_progress: Optional[Callable[[int, int], None]] = None
) -> Readings:
    """Read every file.

    Args:
        paths: The files.
        on_progress: Called with files done and files in all.
    """
    reader = _Reader()
    found: List[Union[str, Damaged]] = []
    # As in nas_edge.data.decode: filters of warnings cannot be set thread by thread.
    with warnings.catch_warnings(), ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        warnings.simplefilter("ignore")
        for start in range(0, len(paths), 256):
            found += pool.map(reader.read, paths[start : start + 256])
            if on_progress:
                on_progress(len(found), len(paths))
    return _sorted_out(paths, found, reader.contents)


class _Reader:
    """Knows which contents were seen, so that copies of one image are not decoded again."""

    def __init__(self) -> None:
        self.contents: Dict[str, Union[Content, str]] = {}
        self._seen: Set[str] = set()
        self._lock = threading.Lock()

    def read(self, path: Path) -> Union[str, Damaged]:
        """Return the digest of a file, or why it cannot be read."""
        try:
            num_bytes = os.path.getsize(path)
            if num_bytes == 0:  # before it is opened: a pipe would not return
                return Damaged(path, "the file is empty")
            digest = _digest(path)
        except OSError as err:
            return Damaged(path, f"cannot be read ({err.strerror or err})")
        with self._lock:
            if digest in self._seen:
                return digest
            self._seen.add(digest)
        self.contents[digest] = _content(path, num_bytes)
        return digest


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(CHUNK_BYTES), b""):
            digest.update(chunk)
    return digest.hexdigest()


def _content(path: Path, num_bytes: int) -> Union[Content, str]:
    from imagehash import phash

    picture = open_picture(path, LEAST_SIDE)
    if isinstance(picture, str):
        return picture
    bits = np.packbits(phash(picture.image, hash_size=HASH_SIZE).hash.ravel())
    return Content(
        picture.width, picture.height, picture.mode, picture.format, num_bytes, bits.tobytes()
    )


def _sorted_out(
    paths: Sequence[Path],
    found: Sequence[Union[str, Damaged]],
    read: Dict[str, Union[Content, str]],
) -> Readings:
    """Give damaged files their reasons, and everything the order of the files."""
    digests: List[Optional[str]] = []
    contents: Dict[str, Content] = {}
    damaged: List[Damaged] = []
    for path, one in zip(paths, found):
        content = one if isinstance(one, Damaged) else read[one]
        if isinstance(content, Content):
            assert isinstance(one, str)
            contents[one] = content
            digests.append(one)
        else:
            digests.append(None)
            damaged.append(content if isinstance(content, Damaged) else Damaged(path, content))
    return Readings(tuple(digests), contents, tuple(damaged))
