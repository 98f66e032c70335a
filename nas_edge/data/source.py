"""The study's data section in, a whole image set in the run folder out."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Dict, Mapping, Optional

from nas_edge.config.study import DataConfig
from nas_edge.data.caltech import find_categories, scan_categories
from nas_edge.data.folder import (
    ImageFiles,
    is_split_layout,
    refuse_misnamed_splits,
    require_folder,
    scan_classes,
    scan_splits,
)
from nas_edge.data.image_set import (
    ImageSet,
    Progress,
    build_from_arrays,
    build_from_files,
    open_image_set,
)
from nas_edge.data.split import split_files
from nas_edge.errors import ConfigError, DataError


def load_image_set(
    config: DataConfig, image_size: int, cache: Path, on_progress: Optional[Progress] = None
) -> ImageSet:
    """Return the study's images, from the cache where the sources are unchanged.

    Args:
        config: The data section of the study.
        image_size: Side in pixels.
        cache: Folder for decoded images; one subfolder a version of the sources.
        on_progress: Receives a line for a person now and then.
    Raises:
        ConfigError: If a folder is needed and none is given.
        DataError: If the images cannot be used.
        EnvironmentProblem: If the cache cannot be written.
    """
    if config.source == "synthetic-pcb":
        return _synthetic(config, image_size, cache, on_progress)
    if config.path is None:
        raise ConfigError("data.path is missing: name the folder of images with --data DIR")
    root = Path(config.path)
    files = list_files(root, config)
    folder = cache / _listing_key(files, image_size, config)
    opened = open_image_set(folder)
    if opened is not None:
        return opened
    return build_from_files(
        folder,
        files,
        image_size,
        description=str(root),
        root=root,
        skip_damaged=config.damaged == "skip",
        on_progress=on_progress,
    )


def list_files(root: Path, config: DataConfig) -> Dict[str, ImageFiles]:
    """Return the files of every split of a folder, in its own layout or Caltech-101's."""
    require_folder(root)
    if config.source == "caltech101":
        root = find_categories(root)
        files = scan_categories(root, config.background)
    elif is_split_layout(root):
        return scan_splits(root)
    else:
        refuse_misnamed_splits(root)
        files = scan_classes(root)
    split = config.split
    return split_files(files, split.val, split.test, split.seed, str(root))


def _synthetic(
    config: DataConfig, image_size: int, cache: Path, on_progress: Optional[Progress]
) -> ImageSet:
    from nas_edge.data.synthetic import SyntheticPcb

    wanted = config.synthetic
    key = hashlib.sha256(f"{wanted.model_dump_json()} {image_size}".encode()).hexdigest()[:12]
    opened = open_image_set(cache / key)
    if opened is not None:
        return opened
    boards = SyntheticPcb(
        num_classes=wanted.classes,
        image_size=image_size,
        seed=wanted.seed,
        difficulty=wanted.difficulty,
    )
    return build_from_arrays(
        cache / key,
        boards.class_names,
        boards.draw_many,
        {"train": wanted.train, "val": wanted.val, "test": wanted.test},
        image_size,
        description=f"synthetic PCB set, seed {wanted.seed}, difficulty {wanted.difficulty:g}",
        on_progress=on_progress,
    )


def _listing_key(files: Mapping[str, ImageFiles], image_size: int, config: DataConfig) -> str:
    """Hash names, sizes and times, so that an unchanged folder is not decoded again."""
    digest = hashlib.sha256(json.dumps([image_size, config.damaged]).encode())
    for split, listed in files.items():
        for path, label in zip(listed.paths, listed.labels):
            try:
                stat = path.stat()
            except OSError as err:
                raise DataError(f"{path}: cannot be read ({err.strerror})") from err
            digest.update(os.fsencode(path))  # names need not be UTF-8
            digest.update(f"\0{split}\0{label}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:12]
