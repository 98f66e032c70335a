"""Random changes to a batch, drawn for each image, computed for all at once on their device."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from nas_edge.config.study import AugmentationConfig


def augment(images: Tensor, config: AugmentationConfig, generator: torch.Generator) -> Tensor:
    """Return changed copies.

    Args:
        images: Shape (b, 3, h, w), in [-1, 1].
        config: Which changes, and how large they may be.
        generator: On the CPU, so that the draws are the same on every device.
    Returns:
        Same shape, device and memory format. Outside the image its reflection is shown, as Keras's
        layers do.
    """
    if config.flip_horizontal:
        images = torch.where(_coins(images, generator), images.flip(3), images)
    if config.flip_vertical:
        images = torch.where(_coins(images, generator), images.flip(2), images)
    if config.rotation or config.translation:
        images = _rotate_and_shift(images, config, generator)
    if config.contrast:
        factor = 1.0 + config.contrast * _uniform(images, generator).view(-1, 1, 1, 1)
        mean = images.mean(dim=(2, 3), keepdim=True)
        images = ((images - mean) * factor + mean).clamp_(-1.0, 1.0)
    return images


def _rotate_and_shift(
    images: Tensor, config: AugmentationConfig, generator: torch.Generator
) -> Tensor:
    angle = _uniform(images, generator) * (2.0 * math.pi * config.rotation)
    # affine_grid's coordinates run from -1 to 1, so a share of the side is twice as much.
    shift_x = _uniform(images, generator) * (2.0 * config.translation)
    shift_y = _uniform(images, generator) * (2.0 * config.translation)
    cos, sin = angle.cos(), angle.sin()
    theta = torch.stack(
        [torch.stack([cos, -sin, shift_x], dim=1), torch.stack([sin, cos, shift_y], dim=1)], dim=1
    )
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    turned = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    if images.is_contiguous(memory_format=torch.channels_last):
        return turned.contiguous(memory_format=torch.channels_last)
    return turned


def _coins(images: Tensor, generator: torch.Generator) -> Tensor:
    return (torch.rand(len(images), generator=generator) < 0.5).to(images.device).view(-1, 1, 1, 1)


def _uniform(images: Tensor, generator: torch.Generator) -> Tensor:
    return (torch.rand(len(images), generator=generator) * 2.0 - 1.0).to(images.device)
