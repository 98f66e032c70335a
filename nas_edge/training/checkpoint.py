"""A training's state on disk: written whole or not at all, read without running anything."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any, Dict, Optional

import torch


def save_checkpoint(path: Path, state: Dict[str, Any]) -> None:
    """Write a state; a crash or a power cut leaves the former one.

    Raises:
        OSError: If the disk is full or the folder cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with open(partial, "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException as err:
        partial.unlink(missing_ok=True)
        if isinstance(err.__context__, OSError):
            raise err.__context__ from err  # torch hides a full disk behind "unexpected pos"
        raise


def load_checkpoint(path: Path) -> Optional[Dict[str, Any]]:
    """Return the state, or None if there is none that can be read."""
    if not path.is_file():
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch 2.1 warns of a class of its own
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:
        return None
    return state if isinstance(state, dict) else None
