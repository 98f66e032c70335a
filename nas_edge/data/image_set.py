"""The images of a study: decoded once, kept as arrays in the run folder, shared by all candidates.

A cache folder holds ``<split>-images.npy`` (uint8, n x size x size x 3), ``<split>-labels.npy``
(int64) and ``meta.json``, which is written last: without it the folder is not taken for whole.
One that was decoded from files lists them in ``split.csv``.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from nas_edge.data.decode import Damaged, decode_into
from nas_edge.data.folder import ImageFiles
from nas_edge.data.split_list import SplitRow, split_rows, write_split_list
from nas_edge.data.whole_folder import reserve, sync, whole_folder
from nas_edge.errors import DataError

Progress = Callable[[str], None]
FORMAT = 1


@dataclass(frozen=True)
class ImageSet:
    """Images on disk, opened lazily and memory-mapped.

    ``identity`` is a hash of every pixel and label: two folders with the same images share it.
    """

    folder: Path
    class_names: Tuple[str, ...]
    counts: Dict[str, int]
    image_size: int
    identity: str
    description: str
    left_out: int

    @property
    def num_outputs(self) -> int:
        """The number of logits, one for two classes, as the paper has it, else one a class."""
        return 1 if len(self.class_names) == 2 else len(self.class_names)

    @property
    def splits(self) -> Tuple[str, ...]:
        """The splits there are, in order."""
        return tuple(self.counts)

    def arrays(self, split: str) -> Tuple[np.ndarray, np.ndarray]:
        """Return images (n, size, size, 3) uint8, memory-mapped, and labels (n,) int64."""
        images = np.load(self.folder / f"{split}-images.npy", mmap_mode="r")
        return images, np.load(self.folder / f"{split}-labels.npy")


def open_image_set(folder: Path) -> Optional[ImageSet]:
    """Return the image set that a cache folder holds, or None if there is no whole one."""
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if meta.get("format") != FORMAT:
        return None
    return ImageSet(
        folder=folder,
        class_names=tuple(meta["class_names"]),
        counts=dict(meta["counts"]),
        image_size=meta["image_size"],
        identity=meta["identity"],
        description=meta["description"],
        left_out=meta["left_out"],
    )


def build_from_files(
    folder: Path,
    files: Mapping[str, ImageFiles],
    image_size: int,
    *,
    description: str,
    root: Optional[Path] = None,
    skip_damaged: bool = False,
    on_progress: Optional[Progress] = None,
) -> ImageSet:
    """Decode and resize the files of every split into a cache folder.

    Which file went where is written down beside them, in ``split.csv``.

    Args:
        folder: The cache folder.
        files: Each split's.
        image_size: Side in pixels.
        description: Names the set, in errors too.
        root: What the files' names are relative to in ``split.csv``; the whole path without it.
        skip_damaged: Whether damaged files are left out.
        on_progress: Receives a line for a person now and then.
    Raises:
        DataError: If files are damaged and are not to be left out, or a class has no image left.
        EnvironmentProblem: If the disk is full or the folder cannot be written.
    """
    rows: List[SplitRow] = []

    def fill(split: str, out: np.ndarray) -> Tuple[np.ndarray, int]:
        listed = files[split]

        def report(done: int, total: int) -> None:
            if on_progress:
                on_progress(f"images: {split} {done}/{total} decoded")

        good, damaged = decode_into(out, listed.paths, image_size, report)
        _judge_damaged(damaged, len(listed.paths), skip_damaged, on_progress)
        labels = np.asarray(listed.labels, dtype=np.int64)[good]
        for label, name in enumerate(listed.class_names):
            if not np.any(labels == label):
                raise DataError(f"{description}: class {name!r} has no image left in {split!r}")
        rows.extend(split_rows(split, listed, good, root))
        return labels, len(damaged)

    names = next(iter(files.values())).class_names
    sizes = {split: len(listed.paths) for split, listed in files.items()}

    def finish(partial: Path) -> None:
        write_split_list(partial / "split.csv", rows)

    return _build(folder, names, sizes, image_size, description, fill, finish)


def build_from_arrays(
    folder: Path,
    class_names: Sequence[str],
    draw: Callable[[str, int], Tuple[np.ndarray, np.ndarray]],
    sizes: Mapping[str, int],
    image_size: int,
    *,
    description: str,
    on_progress: Optional[Progress] = None,
) -> ImageSet:
    """Write generated images into a cache folder; ``draw(split, count)`` makes them."""

    def fill(split: str, out: np.ndarray) -> Tuple[np.ndarray, int]:
        if on_progress:
            on_progress(f"images: drawing {len(out)} for {split}")
        images, labels = draw(split, len(out))
        out[:] = images
        return np.asarray(labels, dtype=np.int64), 0

    return _build(folder, tuple(class_names), sizes, image_size, description, fill)


def _build(
    folder: Path,
    class_names: Tuple[str, ...],
    sizes: Mapping[str, int],
    image_size: int,
    description: str,
    fill: Callable[[str, np.ndarray], Tuple[np.ndarray, int]],
    finish: Callable[[Path], None] = lambda _: None,
) -> ImageSet:
    with whole_folder(folder, sum(sizes.values()) * image_size**2 * 3) as partial:
        digest = hashlib.sha256(repr((class_names, image_size)).encode())
        counts: Dict[str, int] = {}
        left_out = 0
        for split, size in sizes.items():
            path = partial / f"{split}-images.npy"
            out = _new_array(path, (size, image_size, image_size, 3))
            labels, lost = fill(split, out)
            if lost:
                out = _shortened(path, out, len(labels))
            out.flush()
            np.save(partial / f"{split}-labels.npy", labels)
            digest.update(split.encode() + labels.tobytes())
            for start in range(0, len(labels), 1024):
                digest.update(out[start : start + 1024].tobytes())
            counts[split] = len(labels)
            left_out += lost
        finish(partial)
        meta: Dict[str, Any] = {
            "format": FORMAT,
            "class_names": list(class_names),
            "counts": counts,
            "image_size": image_size,
            "identity": digest.hexdigest()[:16],
            "description": description,
            "left_out": left_out,
        }
        (partial / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
        for path in partial.iterdir():
            sync(path)
    opened = open_image_set(folder)
    assert opened is not None
    return opened


def _new_array(path: Path, shape: Tuple[int, ...]) -> np.memmap:
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    reserve(path)
    return out


def _shortened(path: Path, out: np.memmap, count: int) -> np.memmap:
    """Write the first ``count`` images anew, because damaged files left a gap at the end."""
    short = path.with_suffix(".short")
    kept = _new_array(short, (count, *out.shape[1:]))
    for start in range(0, count, 1024):
        kept[start : start + 1024] = out[start : min(start + 1024, count)]
    os.replace(short, path)
    return kept


def _judge_damaged(
    damaged: Sequence[Damaged], total: int, skip: bool, on_progress: Optional[Progress]
) -> None:
    if not damaged:
        return
    first = damaged[0]
    if not skip:
        more = f" ({len(damaged) - 1} more like it)" if len(damaged) > 1 else ""
        raise DataError(
            f"{first.path}: {first.reason}{more}; repair or remove it, or leave damaged images out "
            "(in a study file data.damaged: skip; nas-edge run --skip-damaged)"
        )
    if on_progress:
        for one in damaged[:20]:
            on_progress(f"left out: {one.path}: {one.reason}")
        on_progress(f"left out {len(damaged)} of {total} images")
