"""Batches: every image once, an order that seed and epoch decide, exact scaling, one layout."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nas_edge.config.study import AugmentationConfig
from nas_edge.data import batches as module
from nas_edge.data.batches import Batches

CPU = torch.device("cpu")


def numbered(count: int, size: int = 4):
    """Return images filled with their own number, which is their label too."""
    labels = np.arange(count)
    images = np.broadcast_to(labels[:, None, None, None], (count, size, size, 3))
    return images.astype(np.uint8), labels.astype(np.int64)


def epoch_of(batches: Batches, seed: int, epoch: int):
    return [int(label) for _, labels in batches.shuffled(seed, epoch) for label in labels]


@pytest.mark.parametrize(("count", "size"), [(10, 5), (10, 3), (11, 4), (6, 8), (2, 2)])
def test_an_epoch_shows_every_image_once_with_its_own_label(count, size):
    batches = Batches(*numbered(count), size, CPU)

    shown = epoch_of(batches, seed=1, epoch=1)
    if count % size == 1:
        assert len(set(shown)) == len(shown) == count - 1
    else:
        assert sorted(shown) == list(range(count))
    for images, labels in batches.shuffled(1, 1):
        pixels = (images[:, 0, 0, 0] + 1) * 127.5
        assert pixels.round().tolist() == labels.tolist()


@pytest.mark.parametrize(
    ("count", "size", "steps"),
    [(10, 5, 2), (10, 3, 3), (11, 3, 4), (9, 8, 1), (6, 8, 1), (1, 2, 0)],
)
def test_a_last_batch_of_one_is_dropped_in_training_and_kept_in_evaluation(count, size, steps):
    batches = Batches(*numbered(count), size, CPU)

    assert batches.steps_per_epoch == steps == len(list(batches.shuffled(0, 0)))
    assert all(len(labels) > 1 for _, labels in batches.shuffled(0, 0))
    seen = [int(label) for _, labels in batches.in_order() for label in labels]
    assert seen == list(range(count))


def test_the_order_depends_on_seed_and_epoch_alone():
    batches, other = (Batches(*numbered(50), 8, CPU) for _ in range(2))
    first = epoch_of(batches, 3, 1)
    torch.manual_seed(99)

    epoch_of(other, 3, 7)
    assert epoch_of(other, 3, 1) == first  # as after a resume
    orders = {tuple(epoch_of(batches, seed, epoch)) for seed in range(4) for epoch in range(1, 5)}
    assert len(orders) == 16
    assert first != sorted(first)


def test_the_image_left_out_of_a_last_batch_of_one_is_another_each_epoch():
    batches = Batches(*numbered(9), 4, CPU)

    left_out = {(set(range(9)) - set(epoch_of(batches, 0, epoch))).pop() for epoch in range(30)}

    assert len(left_out) > 4


def test_pixels_are_scaled_to_minus_one_to_one_exactly():
    images = np.array([0, 255, 51, 204], dtype=np.uint8).reshape(4, 1, 1, 1)
    batches = Batches(np.broadcast_to(images, (4, 2, 2, 3)), np.zeros(4, dtype=np.int64), 4, CPU)

    ((pixels, _),) = batches.in_order()

    assert pixels.dtype == torch.float32
    assert pixels[:, 0, 0, 0].tolist()[:2] == [-1.0, 1.0]
    assert torch.allclose(pixels[2:, 0, 0, 0], torch.tensor([-0.6, 0.6]))


def test_channels_rows_and_columns_are_not_mixed_up():
    images = np.random.default_rng(0).integers(0, 256, (5, 6, 7, 3), dtype=np.uint8)
    batches = Batches(images, np.zeros(5, dtype=np.int64), 5, CPU)

    ((pixels, _),) = batches.in_order()

    expected = images.astype(np.float32).transpose(0, 3, 1, 2) / 127.5 - 1
    np.testing.assert_allclose(pixels.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(
    "augmentation",
    [
        None,
        AugmentationConfig(flip_horizontal=True, flip_vertical=True),
        AugmentationConfig(rotation=0.2, translation=0.1),
        AugmentationConfig(contrast=0.3),
    ],
)
def test_batches_have_the_memory_format_that_was_asked_for(augmentation):
    for channels_last, strides in ((True, (48, 1, 12, 3)), (False, (48, 16, 4, 1))):
        batches = Batches(
            *numbered(8), 4, CPU, channels_last=channels_last, augmentation=augmentation
        )
        for images, _ in batches.shuffled(0, 0):
            assert images.stride() == strides


def test_a_memory_mapped_set_gives_the_same_batches(tmp_path, monkeypatch):
    images, labels = numbered(23)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    in_memory = Batches(mapped, labels, 5, CPU)
    monkeypatch.setattr(module, "IN_MEMORY_BYTES", 1)
    on_disk = Batches(mapped, labels, 5, CPU)

    assert isinstance(on_disk._images, np.memmap)
    assert not isinstance(in_memory._images, np.memmap)
    for make in (lambda b: b.in_order(), lambda b: b.shuffled(4, 2)):
        pairs = list(zip(make(in_memory), make(on_disk)))
        assert len(pairs) == 5
        for (a, labels_a), (b, labels_b) in pairs:
            assert torch.equal(a, b)
            assert torch.equal(labels_a, labels_b)


def test_a_batch_may_be_changed_without_changing_the_set():
    batches = Batches(*numbered(4), 4, CPU)

    next(batches.in_order())[0].zero_()

    assert next(batches.in_order())[0][:, 0, 0, 0].tolist() == pytest.approx(
        [i / 127.5 - 1 for i in range(4)]
    )


def test_augmentation_touches_training_only_and_is_repeatable():
    images = np.random.default_rng(0).integers(0, 256, (12, 4, 4, 3), dtype=np.uint8)
    labels = np.arange(12)
    plain = Batches(images, labels, 12, CPU)
    changed = Batches(
        images, labels, 12, CPU, augmentation=AugmentationConfig(flip_horizontal=True)
    )

    assert torch.equal(next(plain.in_order())[0], next(changed.in_order())[0])
    first, again = (next(changed.shuffled(1, 1)) for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], next(plain.shuffled(1, 1))[1])  # the order does not depend on it
    assert not torch.equal(first[0], next(plain.shuffled(1, 1))[0])
