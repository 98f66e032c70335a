"""What an optimizer keeps beside the weights, in bytes, by arithmetic.

Source:
    torch.optim: two moments of 4 bytes a parameter for Adam, one for SGD with momentum.
    bitsandbytes 0.45 to 0.50, optim/optimizer.py: two moments of 1 byte with a 4-byte scale for
    each 256 of them, tensors of less than 4096 elements in 4 bytes as torch has it; two tables of
    256 numbers once.
"""

from __future__ import annotations

from typing import Iterable

from nas_edge.config.study import RecipeConfig

BLOCK_SIZE = 256
MIN_8BIT_SIZE = 4096
TABLE_BYTES = 2 * 256 * 4


def optimizer_bytes(recipe: RecipeConfig, tensor_sizes: Iterable[int]) -> int:
    """Return the bytes of an optimizer's states for trainable tensors of these many elements."""
    sizes = list(tensor_sizes)
    if recipe.optimizer == "sgd":
        return 4 * sum(sizes) if recipe.momentum else 0
    if recipe.optimizer != "adam8bit":
        return 8 * sum(sizes)
    large = [size for size in sizes if size >= MIN_8BIT_SIZE]
    scales = sum(-(-size // BLOCK_SIZE) for size in large)
    small = sum(size for size in sizes if size < MIN_8BIT_SIZE)
    return 8 * small + 2 * sum(large) + 8 * scales + (TABLE_BYTES if large else 0)
