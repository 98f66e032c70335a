"""`nas-edge data ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Tuple

import click


def synthetic_command(
    out: str,
    classes: int,
    image_size: int,
    counts: Tuple[int, int, int],
    seed: int,
    difficulty: float,
) -> None:
    """Write the synthetic PCB set to disk."""
    from nas_edge.data.synthetic import SyntheticPcb, write_class_folders

    boards = SyntheticPcb(
        num_classes=classes, image_size=image_size, seed=seed, difficulty=difficulty
    )
    write_class_folders(boards, Path(out), dict(zip(("train", "val", "test"), counts)))
    click.echo(f"{out}: {sum(counts)} images; try: nas-edge run pcb --data {out}")
