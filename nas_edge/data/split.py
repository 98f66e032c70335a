"""One folder of classes into train, val and test: stratified, and the same for the same seed."""

from __future__ import annotations

import random
from typing import Dict, List

from nas_edge.data.folder import ImageFiles
from nas_edge.errors import DataError


def split_files(
    files: ImageFiles, val: float, test: float, seed: int, where: str
) -> Dict[str, ImageFiles]:
    """Return train, val and test with each class shared out in the same proportions.

    A class is shuffled by the seed and its own name, so that adding a class leaves the split of the
    others as it was.

    Args:
        files: All images, sorted by class and name.
        val: Share for validation, above 0.
        test: Share for the test, above 0.
        seed: Decides which image goes where.
        where: The folder, for errors.
    Raises:
        DataError: If a class has too few images for one in every split.
    """
    chosen: Dict[str, List[int]] = {"train": [], "val": [], "test": []}
    for label, name in enumerate(files.class_names):
        members = [i for i, one in enumerate(files.labels) if one == label]
        if len(members) < 3:
            raise DataError(
                f"{where}/{name}: must hold at least 3 images to be split, but holds {len(members)}"
            )
        num_val = min(max(1, round(len(members) * val)), len(members) - 2)
        num_test = min(max(1, round(len(members) * test)), len(members) - num_val - 1)
        # Names of folders need not be UTF-8.
        random.Random(f"{seed}:{name}".encode("utf-8", "surrogateescape")).shuffle(members)
        chosen["val"] += members[:num_val]
        chosen["test"] += members[num_val : num_val + num_test]
        chosen["train"] += members[num_val + num_test :]
    return {split: _subset(files, sorted(indices)) for split, indices in chosen.items()}


def _subset(files: ImageFiles, indices: List[int]) -> ImageFiles:
    return ImageFiles(
        files.class_names,
        tuple(files.paths[i] for i in indices),
        tuple(files.labels[i] for i in indices),
    )
