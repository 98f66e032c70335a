"""Writes a synthetic set as folders of PNG files, one folder a class."""

from __future__ import annotations

from pathlib import Path
from typing import Mapping

from PIL import Image

from nas_edge.data.synthetic.dataset import SPLITS, SyntheticPcb, require_int
from nas_edge.data.whole_folder import new_folder
from nas_edge.errors import DataError


def write_class_folders(
    dataset: SyntheticPcb, out_dir: str | Path, counts: Mapping[str, int]
) -> Path:
    """Write `out_dir/<split>/<class>/NNNNN.png`, whole or not at all.

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
    with new_folder(target) as folder:
        for split, count in counts.items():
            _write_split(dataset, folder / split, split, count)
    return target


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
