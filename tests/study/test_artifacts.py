"""The picture of a candidate's learning curve."""

import numpy as np
from PIL import Image

from nas_edge.study.artifacts import draw_curve


def test_a_curve_of_one_epoch_is_a_dot(tmp_path):
    file = tmp_path / "curve.png"
    draw_curve([{"epoch": 1, "val_accuracy": 0.9}], file)

    with Image.open(file) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    above = pixels[: len(pixels) // 2]  # the legend lies below
    is_green = (np.abs(above - (0x0B, 0x6E, 0x4F)) < 20).all(axis=2)
    assert 10 < is_green.sum() < 200
