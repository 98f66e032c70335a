"""The meter of a process's memory in RAM, its children's included, over what it had at the start.

Never read: ``ru_maxrss``, which a process inherits from the one that started it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, Mapping, Optional, Union

from nas_edge.device.child_processes import ChildFinder, descendants, descendants_by_psutil
from nas_edge.device.meter import PROCESS_MEMORY, Channel, MeterProblem
from nas_edge.device.process_tree import ProcTree, PsutilTree

Tree = Union[ProcTree, PsutilTree]


class ProcessMeter:
    """Reads `PROCESS_MEMORY` in bytes. The channel's source says what has been read so far."""

    name = "process"
    interval_s = 0.02

    def __init__(self, pid: int, tree: Tree) -> None:
        self.facts: Dict[str, str] = {}
        self.problem = ""
        self._pid = pid
        self._tree: Optional[Tree] = tree
        self._source = tree.source

    @property
    def channels(self) -> Mapping[str, Channel]:
        """The one channel."""
        return {PROCESS_MEMORY: Channel("bytes", self._source, over_baseline=True)}

    def read(self) -> Mapping[str, float]:
        """Return the memory held now; nothing once the process has ended."""
        tree = self._tree
        if tree is None or self.problem:
            return {}
        try:
            held = tree.read_bytes()
        except Exception as err:  # psutil's errors are no OSErrors
            self.problem = f"process {self._pid}: its memory can no longer be read ({err})"
            return {}
        self._source = tree.source
        return {PROCESS_MEMORY: float(held)}

    def exact_peaks(self) -> Mapping[str, float]:
        """There are none: the kernel's high-water mark knows neither children nor file pages."""
        return {}

    def close(self) -> None:
        """Let go of the open files."""
        tree, self._tree = self._tree, None
        if tree is not None:
            tree.close()


def open_process_meter(pid: Optional[int] = None, proc: Path = Path("/proc")) -> ProcessMeter:
    """Return the meter of a process, by default this one.

    Args:
        pid: Its id.
        proc: Where the kernel shows processes; psutil is asked where there is nothing.
    Raises:
        MeterProblem: If there is no such process, or its memory may not be read.
    """
    wanted = os.getpid() if pid is None else pid
    try:
        tree = _open_tree(wanted, (proc / "self" / "statm").exists())
    except Exception as err:
        raise MeterProblem(
            f"process {wanted}: its memory cannot be read ({err}); name a process that runs and "
            "belongs to this user"
        ) from err
    return ProcessMeter(wanted, tree)


def _open_tree(pid: int, has_proc: bool) -> Tree:
    tree: Tree
    if has_proc:
        tree = ProcTree(pid, ChildFinder(pid, descendants).pids)
    else:
        tree = PsutilTree(pid, ChildFinder(pid, descendants_by_psutil).pids)
    try:
        tree.read_bytes()  # what cannot be read is told now, and what it needs is imported
    except Exception:
        tree.close()
        raise
    return tree
