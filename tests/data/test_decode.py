"""Decoding: every kind of image that users have, and every kind of damage, by its reason."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas_edge.data import decode
from nas_edge.data.decode import Damaged, decode_image, decode_into

SIZE = 16


def picture(side: int = SIZE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def save(path: Path, image, **options) -> Path:
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    image.save(path, **options)
    return path


def reason(path: Path) -> str:
    found = decode_image(path, SIZE)
    assert isinstance(found, str)
    return found


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "ppm"])
def test_pixels_of_a_lossless_file_are_kept(tmp_path, ending):
    found = decode_image(save(tmp_path / f"a.{ending}", picture()), SIZE)

    np.testing.assert_array_equal(found, picture())
    assert found.dtype == np.uint8


def test_an_image_is_stretched_to_the_square(tmp_path):
    tall = np.zeros((64, 32, 3), dtype=np.uint8)
    tall[:32, :, 0] = 255

    found = decode_image(save(tmp_path / "a.png", tall), SIZE)

    assert found.shape == (SIZE, SIZE, 3)
    assert (found[:6, :, 0] == 255).all()
    assert (found[10:] == 0).all()


def test_a_small_image_is_enlarged(tmp_path):
    path = save(tmp_path / "a.png", np.full((8, 8, 3), 77, dtype=np.uint8))

    assert (decode_image(path, SIZE) == 77).all()


def test_a_jpeg_that_is_read_at_a_fraction_of_its_size_keeps_its_colours(tmp_path):
    big = np.zeros((512, 512, 3), dtype=np.uint8)
    big[:256], big[256:] = (200, 40, 90), (10, 120, 240)
    path = save(tmp_path / "a.jpg", big, quality=95)

    found = decode_image(path, SIZE).astype(int)

    assert abs(found[:7] - [200, 40, 90]).max() <= 6
    assert abs(found[9:] - [10, 120, 240]).max() <= 6


def test_a_grey_image_has_three_equal_channels(tmp_path):
    grey = picture()[:, :, 0]

    found = decode_image(save(tmp_path / "a.png", grey), SIZE)

    np.testing.assert_array_equal(found, np.stack([grey] * 3, axis=2))


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bit_greys_are_scaled_and_not_clipped_to_white(tmp_path, ending):
    levels = np.tile(np.arange(SIZE, dtype=np.uint16) * 4096, (SIZE, 1))
    path = save(tmp_path / f"a.{ending}", Image.fromarray(levels))

    found = decode_image(path, SIZE)

    np.testing.assert_array_equal(found[0, :, 0], np.arange(SIZE) * 16)


def test_a_palette_image_has_the_colours_of_its_palette(tmp_path):
    image = Image.fromarray(picture()).quantize(8)

    found = decode_image(save(tmp_path / "a.png", image), SIZE)

    np.testing.assert_array_equal(found, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("transparency", [3, b"\x00\x80\xff"])
def test_a_palette_with_transparency_warns_nobody(tmp_path, transparency):
    image = Image.fromarray(picture()).quantize(8)
    path = save(tmp_path / "a.png", image, transparency=transparency)
    out = np.zeros((1, SIZE, SIZE, 3), dtype=np.uint8)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        good, damaged = decode_into(out, [path], SIZE)

    assert (good, damaged) == ([0], [])


def test_an_alpha_channel_is_dropped(tmp_path):
    alpha = np.random.default_rng(1).integers(0, 256, (SIZE, SIZE, 1), dtype=np.uint8)
    path = save(tmp_path / "a.png", np.concatenate([picture(), alpha], axis=2))

    np.testing.assert_array_equal(decode_image(path, SIZE), picture())


def test_a_cmyk_jpeg_is_read_in_its_colours(tmp_path):
    red = Image.new("RGB", (32, 32), (220, 30, 30)).convert("CMYK")

    found = decode_image(save(tmp_path / "a.jpg", red, quality=95), SIZE).astype(int)

    assert abs(found - [220, 30, 30]).max() <= 8


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_a_photo_is_turned_upright_by_its_exif(tmp_path, orientation, turns):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "a.png", picture(), exif=exif)

    # Orientation 6: the camera was turned so that the image must be turned clockwise once.
    np.testing.assert_array_equal(decode_image(path, SIZE), np.rot90(picture(), turns))


def test_an_empty_file_says_so(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")

    assert reason(tmp_path / "a.jpg") == "the file is empty"


def test_a_text_named_like_an_image_is_none(tmp_path):
    (tmp_path / "a.jpg").write_text("<html>404 not found</html>", encoding="utf-8")

    assert reason(tmp_path / "a.jpg") == "is not an image"


@pytest.mark.parametrize("ending", ["jpg", "png", "bmp", "webp", "tif"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_damaged(tmp_path, ending, share):
    path = save(tmp_path / f"a.{ending}", picture(64))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])

    assert reason(path)


def test_a_png_with_a_wrong_checksum_is_damaged(tmp_path):
    path = save(tmp_path / "a.png", picture(64))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))

    assert reason(path).startswith("cannot be decoded (")


@pytest.mark.parametrize("size", [(1, 1), (7, 100), (100, 7)])
def test_an_image_too_small_to_show_anything_is_refused_with_its_size(tmp_path, size):
    path = save(tmp_path / "a.png", Image.new("RGB", size))

    assert reason(path) == f"must be at least 8 pixels a side, but is {size[0]}x{size[1]}"


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path):
    # 400 megapixels in a few kB; Pillow itself raises for it.
    path = save(tmp_path / "a.png", Image.new("1", (20000, 20000)))

    assert path.stat().st_size < 100_000
    assert "DecompressionBombError" in reason(path)


def test_an_image_beyond_the_limit_is_refused_with_its_size(tmp_path, monkeypatch):
    monkeypatch.setattr(decode, "MAX_PIXELS", 50 * 50)

    assert isinstance(decode_image(save(tmp_path / "a.png", picture(50)), SIZE), np.ndarray)
    assert reason(save(tmp_path / "b.png", picture(51))) == (
        "must have at most 2,500 pixels, but is 51x51"
    )


def test_a_file_that_is_gone_is_damaged(tmp_path):
    assert reason(tmp_path / "gone.png") == "no such file"


def test_good_images_close_ranks_and_keep_their_order(tmp_path):
    paths = []
    for i in range(600):  # more than two rounds of 256
        path = tmp_path / f"{i:03d}.png"
        if i % 7 == 3:
            path.write_bytes(b"no image")
        else:
            save(path, np.full((8, 8, 3), i % 256, dtype=np.uint8))
        paths.append(path)
    out = np.zeros((600, 8, 8, 3), dtype=np.uint8)
    progress = []

    good, damaged = decode_into(out, paths, 8, lambda done, total: progress.append((done, total)))

    expected = [i for i in range(600) if i % 7 != 3]
    assert good == expected
    assert out[: len(good), 0, 0, 0].tolist() == [i % 256 for i in expected]
    assert damaged == [Damaged(paths[i], "is not an image") for i in range(600) if i % 7 == 3]
    assert progress == [(256, 600), (512, 600), (600, 600)]


def test_decoding_leaves_the_warning_filters_as_they_were(tmp_path):
    before = list(warnings.filters)
    paths = [save(tmp_path / f"{i}.png", picture(seed=i)) for i in range(20)]

    decode_into(np.zeros((20, SIZE, SIZE, 3), dtype=np.uint8), paths, SIZE)

    assert list(warnings.filters) == before
