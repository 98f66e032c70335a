"""Augmentation: exact where it can be exact, against SciPy where it interpolates."""

from __future__ import annotations

import math

import pytest
import torch

from nas_edge.config.study import AugmentationConfig
from nas_edge.data import augment as module
from nas_edge.data.augment import augment


def images(count: int = 64, side: int = 8) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=generator(5)) * 2 - 1


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def always(monkeypatch, *values: float) -> None:
    """Let the draws be known ones in -1 .. 1: angle, shift in x, shift in y."""
    draws = iter(values)
    monkeypatch.setattr(module, "_uniform", lambda batch, _: torch.full((len(batch),), next(draws)))


@pytest.mark.parametrize(("key", "axis"), [("flip_horizontal", 3), ("flip_vertical", 2)])
def test_about_half_of_the_images_are_mirrored_exactly(key, axis):
    before = images(400)

    after = augment(before, AugmentationConfig(**{key: True}), generator())

    mirrored = [torch.equal(a, b.flip(axis - 1)) for a, b in zip(after, before)]
    kept = [torch.equal(a, b) for a, b in zip(after, before)]
    assert all(m != k for m, k in zip(mirrored, kept))
    assert abs(sum(mirrored) - 200) < 4 * 10  # standard deviation 10


def test_the_two_flips_are_drawn_apart_from_each_other():
    before = images(400)
    config = AugmentationConfig(flip_horizontal=True, flip_vertical=True)

    after = augment(before, config, generator())

    kinds = [
        [torch.equal(a, b.flip(axes) if axes else b) for axes in ([], [2], [1], [1, 2])].index(True)
        for a, b in zip(after, before)
    ]
    assert all(60 < kinds.count(kind) < 140 for kind in range(4))


def test_nothing_asked_for_changes_nothing():
    before = images()

    assert torch.equal(augment(before, AugmentationConfig(), generator()), before)


@pytest.mark.parametrize(
    "config",
    [
        AugmentationConfig(flip_horizontal=True, flip_vertical=True),
        AugmentationConfig(rotation=0.1, translation=0.1),
        AugmentationConfig(contrast=0.5),
    ],
)
def test_the_generator_alone_decides_and_the_images_given_stay_as_they_were(config):
    before = images()
    kept = before.clone()

    first = augment(before, config, generator(1))
    torch.manual_seed(7)

    assert torch.equal(augment(before, config, generator(1)), first)
    assert not torch.equal(augment(before, config, generator(2)), first)
    assert torch.equal(before, kept)
    assert first.shape == before.shape
    assert float(first.min()) >= -1.0
    assert float(first.max()) <= 1.0


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_quarter_turn_is_exact(monkeypatch, turns):
    before = images()
    quarter = {1: 0.5, 2: 1.0, 3: -0.5}[turns]
    always(monkeypatch, quarter, 0.0, 0.0)

    after = augment(before, AugmentationConfig(rotation=0.5), generator())

    assert torch.allclose(after, torch.rot90(before, turns, (2, 3)), atol=1e-5)


@pytest.mark.parametrize("share", [0.04, -0.1])
def test_a_rotation_agrees_with_scipys(monkeypatch, share):
    ndimage = pytest.importorskip("scipy.ndimage")
    before = images(2, 21)
    always(monkeypatch, share / 0.25, 0.0, 0.0)

    after = augment(before, AugmentationConfig(rotation=0.25), generator())

    for old, new in zip(before.flatten(0, 1), after.flatten(0, 1)):
        turned = ndimage.rotate(old, share * 360, reshape=False, order=1, mode="reflect")
        assert abs(new.numpy() - turned).max() < 1e-4


@pytest.mark.parametrize(("x", "y"), [(2, 0), (0, -3), (1, 2)])
def test_a_shift_by_whole_pixels_shows_the_reflection_outside(monkeypatch, x, y):
    ndimage = pytest.importorskip("scipy.ndimage")
    before = images(4, 10)
    always(monkeypatch, 0.0, x / 5, y / 5)

    after = augment(before, AugmentationConfig(translation=0.5), generator())

    for old, new in zip(before.flatten(0, 1), after.flatten(0, 1)):
        moved = ndimage.shift(old, (-y, -x), order=1, mode="reflect")
        assert abs(new.numpy() - moved).max() < 1e-5


def test_each_image_has_its_own_angle_and_shift():
    before = images(1, 16).expand(8, -1, -1, -1)

    for config in (AugmentationConfig(rotation=0.2), AugmentationConfig(translation=0.2)):
        after = augment(before, config, generator())
        assert len({tuple(image.flatten().tolist()) for image in after}) == 8


def test_angles_stay_within_the_share_of_a_turn():
    """A dot right of the centre stays within 36 degrees of where it was."""
    before = torch.full((200, 3, 41, 41), -1.0)
    before[:, :, 19:22, 34:37] = 1.0

    after = augment(before, AugmentationConfig(rotation=0.1), generator())

    weight = (after[:, 0] + 1).double()
    rows, columns = torch.meshgrid(torch.arange(41.0) - 20, torch.arange(41.0) - 20, indexing="ij")
    angles = torch.atan2((weight * rows).sum((1, 2)), (weight * columns).sum((1, 2)))
    assert float(angles.abs().max()) < 0.1 * 2 * math.pi + 0.02
    assert float(angles.max()) > 0.08 * 2 * math.pi
    assert float(angles.min()) < -0.08 * 2 * math.pi


def test_contrast_stretches_about_the_mean_within_its_bounds():
    before = images(200) * 0.4  # nothing is clipped
    mean = before.mean(dim=(2, 3), keepdim=True)

    after = augment(before, AugmentationConfig(contrast=0.3), generator())

    factors = ((after - mean) / (before - mean)).flatten(1)
    middle = factors.median(dim=1).values
    assert torch.allclose(after.mean(dim=(2, 3)), mean[:, :, 0, 0], atol=1e-6)
    assert torch.allclose((before - mean) * middle.view(-1, 1, 1, 1) + mean, after, atol=1e-5)
    assert float(middle.min()) >= 0.7 - 1e-4
    assert float(middle.max()) <= 1.3 + 1e-4
    assert float(middle.max() - middle.min()) > 0.5


def test_contrast_is_clipped_to_the_range_of_images(monkeypatch):
    before = images()
    always(monkeypatch, 1.0)

    after = augment(before, AugmentationConfig(contrast=0.9), generator())

    assert float(after.max()) == 1.0
    assert float(after.min()) == -1.0
