"""Which file is in which split, as a table that a person or a spreadsheet reads."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Iterable, Iterator, Optional, Sequence, Tuple

from nas_edge.data.folder import ImageFiles

SplitRow = Tuple[str, str, str]


def split_rows(
    split: str, files: ImageFiles, indices: Iterable[int], root: Optional[Path]
) -> Iterator[SplitRow]:
    """Yield (file, class, split) of some files of a split.

    Args:
        split: Its name.
        files: All of its files.
        indices: Which of them.
        root: What the files' names are relative to; None: the whole path.
    """
    for i in indices:
        path = os.path.relpath(files.paths[i], root) if root else str(files.paths[i])
        yield path, files.class_names[files.labels[i]], split


def write_split_list(path: Path, rows: Sequence[SplitRow]) -> None:
    """Write the rows as CSV, in the order of the files' names.

    Raises:
        OSError: If it cannot be written.
    """
    # Names need not be UTF-8: they are written as the bytes that they are.
    with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "class", "split"))
        writer.writerows(sorted(rows))
