"""Batches of images on the device, in an order that only seed and epoch decide."""

from __future__ import annotations

from typing import Iterator, Optional, Tuple

import numpy as np
import torch
from torch import Tensor

from nas_edge.config.study import AugmentationConfig
from nas_edge.data.augment import augment

IN_MEMORY_BYTES = 512 * 2**20


class Batches:
    """One split of an image set, batch by batch.

    A set of up to 512 MiB is copied into memory, a larger one stays memory-mapped.

    Args:
        images: Shape (n, h, w, 3), uint8.
        labels: Shape (n,), int64.
        batch_size: Images a batch; a last batch of one image is dropped while training, because
            batch normalisation has no variance over it.
        device: Where the batches go.
        channels_last: Memory format of the batches.
        augmentation: Random changes, or None.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        batch_size: int,
        device: torch.device,
        *,
        channels_last: bool = True,
        augmentation: Optional[AugmentationConfig] = None,
    ) -> None:
        self._images = np.array(images) if images.nbytes <= IN_MEMORY_BYTES else images
        self._labels = torch.from_numpy(np.array(labels))
        self.batch_size = batch_size
        self._device = device
        self._channels_last = channels_last
        self._augmentation = augmentation

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._labels)

    @property
    def steps_per_epoch(self) -> int:
        """Training batches an epoch."""
        full, rest = divmod(len(self), self.batch_size)
        return full + (rest > 1)

    def shuffled(self, seed: int, epoch: int) -> Iterator[Tuple[Tensor, Tensor]]:
        """Yield training batches: images (b, 3, h, w) in [-1, 1] and labels (b,)."""
        generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
        order = torch.randperm(len(self), generator=generator)
        for step in range(self.steps_per_epoch):
            index = order[step * self.batch_size : (step + 1) * self.batch_size]
            images, labels = self._batch(index)
            if self._augmentation is not None:
                images = augment(images, self._augmentation, generator)
            yield images, labels

    def in_order(self) -> Iterator[Tuple[Tensor, Tensor]]:
        """Yield every image once, as it is."""
        for start in range(0, len(self), self.batch_size):
            yield self._batch(torch.arange(start, min(start + self.batch_size, len(self))))

    def _batch(self, index: Tensor) -> Tuple[Tensor, Tensor]:
        pixels = torch.from_numpy(self._images[index.numpy()])
        images = pixels.to(self._device, non_blocking=True).permute(0, 3, 1, 2)
        images = images.to(torch.float32).div_(127.5).sub_(1.0)
        if not self._channels_last:
            images = images.contiguous()
        return images, self._labels[index].to(self._device, non_blocking=True)
