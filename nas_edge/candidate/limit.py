"""A study's memory limit in a candidate's process: held there, and never in an accepted one's way.

The probe decides what is accepted. It counts what three steps need, with an allocator that gives
every freed block back; with one that keeps freed blocks, a training reaches 1.1 to 1.7 times the
probe (benchmarks/limit_headroom.py). Where the limit leaves less than that, the training uses the
probe's allocator too: up to 1.9 times as slow, and within the limit.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Optional

from nas_edge.candidate.measurement import OVER_LIMIT
from nas_edge.device.memory_bound import Bound, Unbounded, bound_memory
from nas_edge.device.process_memory import keep_freed_blocks, return_freed_blocks

if TYPE_CHECKING:
    import torch

    from nas_edge.candidate.process import ChildEnd

Send = Callable[[Dict[str, Any]], None]
KEEPS_BLOCKS = "keeps freed blocks"
RETURNS_BLOCKS = "returns blocks at once"
# What a training with an allocator that keeps blocks may need, as a multiple of the probe; the
# bound's allowance comes on top, and makes up for more where networks are small. One that needs
# more all the same is begun anew with the other.
KEPT_BLOCKS_FACTOR = 1.5


def allocator_for(limit_bytes: Optional[int], probe_bytes: int, device_kind: str) -> str:
    """Return which allocator a training uses, `KEEPS_BLOCKS` or `RETURNS_BLOCKS`.

    Args:
        limit_bytes: The study's limit, or None.
        probe_bytes: What the probe measured.
        device_kind: "cpu" or "cuda"; CUDA's allocator gives back by itself at its bound.
    """
    if limit_bytes is None or device_kind != "cpu":
        return KEEPS_BLOCKS
    return KEEPS_BLOCKS if KEPT_BLOCKS_FACTOR * probe_bytes <= limit_bytes else RETURNS_BLOCKS


def use_allocator(job: Mapping[str, Any], device: torch.device) -> Optional[str]:
    """Have this process's blocks kept or returned, as its job says; return which.

    None where the device's own allocator decides.
    """
    if device.type != "cpu":
        return None
    if job["allocator"] == RETURNS_BLOCKS and return_freed_blocks():
        return RETURNS_BLOCKS
    keep_freed_blocks()
    return KEEPS_BLOCKS


def ran_out_for_kept_blocks(training: ChildEnd) -> bool:
    """Return whether a training ran into the bound, or may have, that may fit the other way."""
    return training.facts.get("allocator") == KEEPS_BLOCKS and (
        training.kind == OVER_LIMIT or training.is_unexplained
    )


def enforce(
    job: Mapping[str, Any],
    device: torch.device,
    send: Send,
    checkpoint: Optional[Path] = None,
    allocator: Optional[str] = None,
) -> Bound:
    """Bound this process by the job's limit and tell the parent how.

    To be called when all is there that does not count as the candidate's: warmed up, images loaded.

    Args:
        job: ``memory_limit`` in bytes or None.
        device: Whose memory is bounded.
        send: Takes what is recorded of it.
        checkpoint: What the training may go on from. While it is read, it stands beside the new
            network; the bound has room for that.
        allocator: What `use_allocator` returned, in a training.
    Returns:
        The bound (`nas_edge.device.memory_bound`), whose `follow` is to be called between steps.
    """
    limit = job.get("memory_limit")
    if limit is None:
        return Unbounded("no limit")
    bound = bound_memory(limit + _size(checkpoint), device)
    facts: Dict[str, Any] = {"limit_enforced": bound.how or f"no: {bound.why}"}
    if bound.how:
        facts["limit_bound_bytes"] = bound.bound_bytes
    if allocator:
        facts["allocator"] = allocator
    send({"event": "facts", "is_bounded": bool(bound.how), "facts": facts})
    return bound


def keeper(job: Mapping[str, Any], bound: Bound) -> Callable[[Any], Any]:
    """Return what copies the best epoch's weights: outside the process's memory if it is bound."""
    if not bound.how:
        return copy.deepcopy
    from nas_edge.training.file_copy import FileCopy

    return FileCopy(Path(job["checkpoint"]).parent)


def _size(file: Optional[Path]) -> int:
    return file.stat().st_size if file is not None and file.is_file() else 0
