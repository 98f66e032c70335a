"""Writes a synthetic set as folders of PNG files, one folder a class."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Mapping

from PIL import Image

from nas_edge.data.synthetic.dataset import SPLITS, SyntheticPcb, require_int
from nas_edge.errors import DataError, EnvironmentProblem


def write_class_folders(
    dataset: SyntheticPcb, out_dir: str | Path, counts: Mapping[str, int]
) -> Path:
    """Write `out_dir/<split>/<class>/NNNNN.png`, whole or not at all.

    The files are written into a folder beside `out_dir` that takes its name at the end, so an
    interrupted run leaves nothing that could be taken for a set.

    Args:
        dataset: What to draw.
        out_dir: A folder that does not exist yet, or is empty.
        counts: Images of each split, e.g. `{"train": 800, "val": 200, "test": 200}`.
    Returns:
        `out_dir` as a path.
    Raises:
        DataError: If out_dir holds something, or counts name no split or no image.
        EnvironmentProblem: If it cannot be written.
    """
    target = Path(out_dir)
    _check_counts(counts)
    try:
        _check_vacant(target)
        _write_whole(dataset, target, counts)
    except OSError as err:
        why = err.strerror or str(err)
        raise EnvironmentProblem(
            f"{target}: cannot be written ({why}); mend that, or choose another path"
        ) from err
    return target


def _write_whole(dataset: SyntheticPcb, target: Path, counts: Mapping[str, int]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        # mkdtemp makes a private folder; the set gets the rights that any new folder gets.
        whole = unfinished / target.name
        for split, count in counts.items():
            _write_split(dataset, whole / split, split, count)
        if target.exists():
            target.rmdir()
        whole.rename(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write_split(dataset: SyntheticPcb, folder: Path, split: str, count: int) -> None:
    for name in dataset.class_names:
        (folder / name).mkdir(parents=True)
    for index in range(count):
        image, label = dataset.draw(split, index)
        path = folder / dataset.class_names[label] / f"{index:05d}.png"
        Image.fromarray(image).save(path)


def _check_counts(counts: Mapping[str, int]) -> None:
    if not counts:
        raise DataError(f"counts must name at least one of {', '.join(SPLITS)}, but is empty")
    for split, count in counts.items():
        if split not in SPLITS:
            raise DataError(f"counts must name only {', '.join(SPLITS)}, but names {split!r}")
        require_int(f"counts[{split!r}]", count, 1)


def _check_vacant(target: Path) -> None:
    if target.is_dir() and not any(target.iterdir()):
        return
    if target.exists() or target.is_symlink():
        raise DataError(
            f"out_dir must be new or an empty folder, but {target} is there already; "
            "choose another path or remove it"
        )
