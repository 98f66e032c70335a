"""GPU memory by process, as NVML lists it.

A process stands there once for computing and once for graphics with the same figure, and once for
each MIG instance with a figure of its own.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Dict, List, Optional, Tuple

from nas_edge.device.nvml import Nvml
from nas_edge.device.torch_gpu import holds_context, reserved_bytes

_LISTS = (
    ("nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2"),
    ("nvmlDeviceGetGraphicsRunningProcesses_v3", "nvmlDeviceGetGraphicsRunningProcesses_v2"),
)
# The kernel's fixed number of the machine's own process namespace (PROC_PID_INIT_INO).
_FIRST_NAMESPACE = "pid:[4026531836]"


def processes_on(nvml: Nvml, handle: Any) -> Optional[Dict[int, Optional[int]]]:
    """Return the bytes of each process on a GPU, None where a process's are not told.

    Returns None where no list can be read.
    """
    found: Dict[int, Dict[Tuple[Any, Any], Optional[int]]] = {}
    lists = [nvml.ask_first(names, handle) for names in _LISTS]
    if all(rows is None for rows in lists):
        return None
    for row in (row for rows in lists for row in rows or ()):
        if row.pid == 0:  # some drivers list the processes of other containers so
            continue
        place = (row.gpuInstanceId, row.computeInstanceId)
        places = found.setdefault(row.pid, {})
        # Some drivers list a process of a container with 0 bytes; a CUDA context has never 0.
        told = [size for size in (places.get(place), row.usedGpuMemory) if size]
        places[place] = max(told) if told else None
    return {pid: _total(list(places.values())) for pid, places in found.items()}


def process_bytes(nvml: Nvml, handle: Any, pid: int, torch_index: int) -> Optional[int]:
    """Return the GPU memory of one process, its CUDA context included.

    None where no row can be trusted to be its own: in a container NVML may give the ids of the
    machine, under which this process is missing and its own id is another's.

    Args:
        nvml: The opened library.
        handle: The GPU or MIG instance.
        pid: The process, as it is numbered here.
        torch_index: torch's number of the GPU.
    """
    is_own = pid == os.getpid() and holds_context()
    reserved = reserved_bytes(torch_index) if is_own else None
    is_same_numbering = pids_are_the_drivers()
    rows = processes_on(nvml, handle)
    if rows is None or (reserved is None and not is_same_numbering):
        return None
    if pid not in rows:
        return 0 if reserved is None else None  # with a context it would be listed
    used = rows[pid]
    # What torch alone reserved is more than an other process's row happens to say.
    is_anothers = not is_same_numbering and used is not None and used < (reserved or 0)
    return None if is_anothers else used


def pids_are_the_drivers() -> bool:
    """Return whether this process's ids are those that the driver knows.

    False in a container: there a listed id may belong to any process of the machine.
    """
    if not sys.platform.startswith("linux"):
        return True
    try:
        return os.readlink("/proc/self/ns/pid") == _FIRST_NAMESPACE
    except OSError:
        return False


def _total(sizes: List[Optional[int]]) -> Optional[int]:
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None
