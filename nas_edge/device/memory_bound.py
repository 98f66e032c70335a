"""A bound on what this process may still take, held by the operating system or the allocator.

Enters: the bytes that the work ahead may need, over what the process holds now. Beyond them, and an
allowance, an allocation fails in this process, so that the machine does not run out of memory.

* Linux: ``RLIMIT_DATA``, which counts private writable memory whether it was touched or not.
  (``RLIMIT_AS`` also counts torch's libraries and reservations, tens of GiB with CUDA.)
* CUDA: the caching allocator's share of the GPU; what the process holds beside it is not bounded.
* Elsewhere no system call bounds one process's memory: `Unbounded` says so.
"""

from __future__ import annotations

import mmap
import sys
from pathlib import Path
from typing import Any, Tuple, Union

from nas_edge.device.cuda_meter import set_gpu_share
from nas_edge.device.process_memory import trim_heap

MIB = 2**20
# What a process takes beside the resident memory that its work was measured to need: 7 to 10 MiB of
# small blocks, and in one step up to 20 MiB of address space that nothing touches: thread stacks,
# tops of heaps, areas that oneDNN reserves for the code that it compiles. The last grow with every
# new batch size, to 60 MiB and more; `follow` keeps them out. Over 16 random networks of 10 to 570
# MiB, 32 to 96 px, at least 41 MiB of the allowance were left (benchmarks/limit_headroom.py, 2-core
# AVX2 CPU, torch 2.13, 2 and 8 threads).
ALLOWANCE_BYTES = 64 * MIB
# What CUDA's allocator rounds and splits off: its blocks are of 2 and 20 MiB.
CUDA_ALLOWANCE_BYTES = 64 * MIB


class Unbounded:
    """No bound, and why there is none."""

    how = ""
    bound_bytes = 0

    def __init__(self, why: str) -> None:
        self.why = why

    def follow(self) -> None:
        """Do nothing."""


class DataBound:
    """The operating system's limit on private memory, kept as far above what is resident.

    Address space that was reserved and not touched is no memory; the limit counts it all the same.
    `follow`, called between steps, lets the limit grow and shrink with it: 30 microseconds.
    """

    how = "RLIMIT_DATA"
    why = ""

    def __init__(self, limit_bytes: int) -> None:
        import resource

        trim_heap()
        self.bound_bytes = limit_bytes + ALLOWANCE_BYTES
        self._resource = resource
        self._least, self._hard = resource.getrlimit(resource.RLIMIT_DATA)
        self._most_resident = _memory()[1] + self.bound_bytes
        self.follow()

    def follow(self) -> None:
        """Set the limit to what may come on top of what is there now."""
        data, resident = _memory()
        limit = data + max(self._most_resident - resident, 0)
        for other in (self._least, self._hard):  # a user's own limit stays where it is lower
            if other != self._resource.RLIM_INFINITY:
                limit = min(limit, other)
        self._resource.setrlimit(self._resource.RLIMIT_DATA, (limit, self._hard))

    @property
    def holds(self) -> bool:
        """Whether the system refuses what is beyond the bound: some sandboxes do not."""
        beyond = self._most_resident + MIB
        try:
            mmap.mmap(-1, beyond, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
        except OSError:
            return True
        return False


class CudaBound:
    """The caching allocator's share of the GPU."""

    how = "torch.cuda memory fraction"
    why = ""

    def __init__(self, limit_bytes: int) -> None:
        self.bound_bytes = limit_bytes + CUDA_ALLOWANCE_BYTES
        set_gpu_share(self.bound_bytes)

    def follow(self) -> None:
        """Do nothing: the allocator counts exactly what it holds."""


Bound = Union[Unbounded, DataBound, CudaBound]


def bound_memory(limit_bytes: int, device: Any) -> Bound:
    """Bound what this process takes from here on, and return the bound.

    Args:
        limit_bytes: What the work ahead may need; the allowance comes on top.
        device: A torch.device: its memory is what is bounded.
    Returns:
        `DataBound`, `CudaBound`, or `Unbounded` with the reason.
    """
    if device.type == "cuda":
        return CudaBound(limit_bytes)
    if not sys.platform.startswith("linux"):
        return Unbounded(f"{sys.platform} bounds no process's memory; the probe alone decides")
    try:
        bound = DataBound(limit_bytes)
    except (OSError, ValueError) as err:
        return Unbounded(f"RLIMIT_DATA cannot be set here ({err}); the probe alone decides")
    if not bound.holds:
        lift_bound()
        return Unbounded("this system does not keep RLIMIT_DATA; the probe alone decides")
    return bound


def lift_bound() -> None:
    """Let the process take what it wants again, so that a failure can be told."""
    if not sys.platform.startswith("linux"):
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def _memory() -> Tuple[int, int]:
    """Return private writable memory, and the part of it that is resident, in bytes."""
    pages = [int(field) for field in Path("/proc/self/statm").read_text().split()]
    return pages[5] * mmap.PAGESIZE, (pages[1] - pages[2]) * mmap.PAGESIZE
