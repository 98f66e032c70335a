"""The best epoch's weights, kept in a file's pages and not in the process's own memory.

A training that may take only so much memory keeps a second set of weights there: the system writes
such pages out when memory is short, and no limit on private memory counts them.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from pathlib import Path
from typing import Any, Dict, Mapping, Optional

import torch

ALIGNED = 64  # bytes


class FileCopy:
    """Copies a network's state, on whatever device, into one file, each time over the last copy.

    The file has no name, so that nothing is left of it, however the process ends. Linux only.

    Args:
        folder: Where the file lies.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pages: Optional[mmap.mmap] = None

    def __call__(self, state: Mapping[str, torch.Tensor]) -> Dict[str, torch.Tensor]:
        """Return a copy on the CPU; the copy returned before is overwritten.

        Raises:
            OSError: If the disk is full.
        """
        size = sum(_room_of(tensor) for tensor in state.values())
        if self._pages is None or len(self._pages) != size:
            self._pages = self._new_pages(size)
        copied: Dict[str, torch.Tensor] = {}
        offset = 0
        for name, tensor in state.items():
            flat: Any = torch.frombuffer(
                self._pages, dtype=tensor.dtype, count=tensor.numel(), offset=offset
            )
            copied[name] = flat.view(tensor.shape).copy_(tensor.detach())
            offset += _room_of(tensor)
        return copied

    def _new_pages(self, size: int) -> mmap.mmap:
        with tempfile.TemporaryFile(dir=self._folder) as file:
            # Without this a full disk would kill the process while it writes into a page.
            os.posix_fallocate(file.fileno(), 0, size)
            return mmap.mmap(file.fileno(), size)


def _room_of(tensor: torch.Tensor) -> int:
    return -(-tensor.numel() * tensor.element_size() // ALIGNED) * ALIGNED
