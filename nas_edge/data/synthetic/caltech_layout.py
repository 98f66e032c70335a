"""Writes synthetic pictures in the layout of Caltech-101, its background class included."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from nas_edge.data.caltech import BACKGROUND, CATEGORIES_FOLDER
from nas_edge.data.synthetic.camera import photograph
from nas_edge.data.synthetic.dataset import SyntheticPcb, require_int
from nas_edge.data.synthetic.ink import draw_ink, draw_specks
from nas_edge.data.synthetic.layout import Layout
from nas_edge.data.synthetic.nets import NetGrid
from nas_edge.data.synthetic.parameters import parameters_at
from nas_edge.data.synthetic.raster import draw_palette, paint
from nas_edge.data.synthetic.shapes import View
from nas_edge.data.whole_folder import new_folder

# A few of Caltech's photographs are grey, and so is every so many here.
_GREY_EVERY = 8
_JPEG_QUALITY = 95
_BACKGROUND_STREAM = 20


def write_caltech101(dataset: SyntheticPcb, out_dir: str | Path, images_per_category: int) -> Path:
    """Write `out_dir/101_ObjectCategories/<class>/image_0001.jpg`, whole or not at all.

    The categories are the set's classes; BACKGROUND_Google shows boards without copper. Pictures
    are half as wide again as high, as most of Caltech's.

    Args:
        dataset: What to draw; its image size becomes the height.
        out_dir: A folder that does not exist yet, or is empty.
        images_per_category: At least 1.
    Returns:
        `out_dir` as a path.
    Raises:
        DataError: If out_dir holds something.
        EnvironmentProblem: If it cannot be written.
    """
    require_int("images_per_category", images_per_category, 1)
    target = Path(out_dir)
    with new_folder(target) as folder:
        root = folder / CATEGORIES_FOLDER
        for name in (*dataset.class_names, BACKGROUND):
            (root / name).mkdir(parents=True)
        # Classes take turns with the index.
        for index in range(images_per_category * dataset.num_classes):
            image, label = dataset.draw("train", index)
            number = index // dataset.num_classes + 1
            _save(image, root / dataset.class_names[label], number)
        for number in range(1, images_per_category + 1):
            _save(_draw_background(dataset, number), root / BACKGROUND, number)
    return target


def _save(image: np.ndarray, folder: Path, number: int) -> None:
    picture = Image.fromarray(image)
    picture = picture.resize((picture.height * 3 // 2, picture.height))
    if number % _GREY_EVERY == 0:
        picture = picture.convert("L")
    picture.save(folder / f"image_{number:04d}.jpg", quality=_JPEG_QUALITY)


def _draw_background(dataset: SyntheticPcb, number: int) -> np.ndarray:
    """A board without copper: mask, ink and dirt alone."""
    rng = np.random.default_rng((dataset.seed, _BACKGROUND_STREAM, number))
    knobs, size = parameters_at(dataset.difficulty), dataset.image_size
    side = knobs.field_mil
    bare = Layout(side, side, clearance=0.0)
    ink = draw_ink(rng, knobs, bare, NetGrid(side, side), 1)
    layout = replace(bare, ink=ink, marks=draw_specks(rng, knobs, bare, 1))
    view = View((side / 2.0, side / 2.0), size / side, 0.0, (size / 2.0, size / 2.0))
    return photograph(paint(layout, view, draw_palette(rng, knobs), (size, size)), rng, knobs)
