"""`nas-edge data synthetic --layout ...`: the layouts of two public sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Tuple

import click
from click.core import ParameterSource

# Which options mean something in which layout; the others are for all.
_ONLY_IN: Dict[str, Tuple[str, ...]] = {
    "counts": ("crops",),
    "classes": ("crops", "caltech101"),
    "image_size": ("crops", "caltech101"),
    "boards": ("hripcb",),
    "board_size": ("hripcb",),
    "images": ("hripcb", "caltech101"),
}


def check_options(layout: str) -> None:
    """Refuse an option that another layout has, rather than pass it over.

    Raises:
        click.UsageError: Naming the option.
    """
    context = click.get_current_context()
    for name, layouts in _ONLY_IN.items():
        is_given = context.get_parameter_source(name) == ParameterSource.COMMANDLINE
        if is_given and layout not in layouts:
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{option} is for --layout {' or '.join(layouts)} only")


def hripcb_command(
    out: str, boards: int, images: int, board_size: Tuple[int, int], **options: Any
) -> None:
    """Write whole boards with their boxes."""
    from nas_edge.data.synthetic import DEFECT_KINDS, SyntheticBoards, write_hripcb

    drawn = SyntheticBoards(boards, images, board_size, **options)
    write_hripcb(drawn, Path(out))
    click.echo(
        f"{out}: {boards * images * len(DEFECT_KINDS)} images of {boards} boards; try: "
        f"nas-edge data prepare-pcb --source {out} --out {out}-crops --size 96"
    )


def caltech_command(out: str, classes: int, image_size: int, images: int, **options: Any) -> None:
    """Write categories and a background class."""
    from nas_edge.data.synthetic import SyntheticPcb, write_caltech101

    drawn = SyntheticPcb(num_classes=classes, image_size=image_size, **options)
    write_caltech101(drawn, Path(out), images)
    click.echo(
        f"{out}: {images * (classes + 1)} images of {classes} categories and a background; "
        f"in a study file: data: {{source: caltech101, path: {out}}}"
    )
