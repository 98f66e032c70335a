"""Memory of a process and all that descend from it; each page counts once, file pages do not.

Two readings of ``/proc`` are put together. ``statm`` costs microseconds and gives a process's
anonymous memory, but a page that a forked child shares with its parent is in both. ``smaps_rollup``
tells them apart and costs milliseconds. So every process's statm is read each time, and how much of
it is shared is looked up now and then; until then a new child counts as what it grows by.

A look takes the larger of two figures, each of which is no more than the truth:

* the sum of the proportional sizes (PSS): too low where a process outside the tree shares pages
  with it, as the server does that a candidate was forked from;
* all of the first process, and of its children what each has alone: too low where two children
  share what the first process has given up.

Shared memory (``/dev/shm``, where loaders pass on their batches) counts once there are children.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Callable, Dict, Iterable, Mapping, Optional

LOOK_SHARE = 0.001  # of one core
SETTLE_S = 1.0  # after a child came it is looked at again: by then it has memory of its own

ALONE = "process anonymous RSS"
SHARED_ONCE = "process tree PSS without file pages"
SHARED_OFTEN = (
    "process tree anonymous RSS; pages shared by forks may count more than once "
    "(smaps_rollup cannot be read)"
)

Rollup = Mapping[str, int]


def read_rollup(pid: int) -> Optional[Rollup]:
    """Return a process's smaps_rollup in bytes; {} once it has ended, None where it is refused."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except ProcessLookupError:
        return {}
    except FileNotFoundError:  # the process is gone, or the kernel is older than 4.14
        return {} if Path("/proc/self/smaps_rollup").exists() else None
    except OSError:
        return None
    rows = (line.split() for line in lines)
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows}


class ProcTree:
    """Reads the memory of a process and its descendants on Linux.

    ``source`` says what has been read so far.

    Args:
        pid: The process.
        children: Returns the descendants' ids; some may have ended.
        rollup: As `read_rollup`.
        clock: Seconds.
    Raises:
        OSError: If there is no such process.
    """

    def __init__(
        self,
        pid: int,
        children: Callable[[], Iterable[int]],
        rollup: Callable[[int], Optional[Rollup]] = read_rollup,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.source = ALONE
        self._children = children
        self._rollup = rollup
        self._clock = clock
        self._pid = pid
        self._root = _Statm(pid)
        self._others: Dict[int, _Statm] = {}
        self._shared: Dict[int, int] = {}  # by child: what others of the tree have as well
        self._rest = 0  # neither the first process's nor one child's alone
        self._look_due = clock()

    def read_bytes(self) -> int:
        """Return what the tree holds now.

        Raises:
            ProcessLookupError: Once the process has ended; its children do not count without it.
        """
        root = self._root.anonymous_bytes()
        if root == 0:
            raise ProcessLookupError("the process has ended")
        sizes = self._sizes_of_children()
        now = self._clock()
        if set(sizes) - set(self._shared):
            self._look_due = min(self._look_due, now + SETTLE_S)
        self._shared = {pid: self._shared.get(pid, min(sizes[pid], root)) for pid in sizes}
        if not sizes:
            self._rest, self._look_due = 0, now
        elif now >= self._look_due:
            self._look(root, sizes)
        return root + self._alone(sizes) + self._rest

    def close(self) -> None:
        """Let go of the files."""
        for statm in (self._root, *self._others.values()):
            statm.close()

    def _sizes_of_children(self) -> Dict[int, int]:
        listed = set(self._children())
        for pid in set(self._others) - listed:
            self._others.pop(pid).close()
        for pid in listed - set(self._others):
            with contextlib.suppress(OSError):  # it has ended, or is hidden from us
                self._others[pid] = _Statm(pid)
        sizes = {pid: statm.anonymous_bytes() for pid, statm in self._others.items()}
        return {pid: size for pid, size in sizes.items() if size > 0}

    def _alone(self, sizes: Mapping[int, int]) -> int:
        return sum(max(size - self._shared[pid], 0) for pid, size in sizes.items())

    def _look(self, root: int, sizes: Mapping[int, int]) -> None:
        """Find out how much of the children's memory is shared."""
        began = time.thread_time()
        rollups = {pid: self._rollup(pid) for pid in (self._pid, *sizes)}
        for pid, size in sizes.items():
            self._shared[pid] = max(size - _alone_bytes(rollups[pid], size), 0)
        shared_memory = sum((found or {}).get("Pss_Shmem", 0) for found in rollups.values())
        proportional = _proportional_bytes(rollups.values())
        self._rest = max(proportional - root - self._alone(sizes), shared_memory)
        self._note_source(rollups.values())
        self._look_due = self._clock() + (time.thread_time() - began) / LOOK_SHARE

    def _note_source(self, rollups: Iterable[Optional[Rollup]]) -> None:
        if any(found is None for found in rollups):
            self.source = SHARED_OFTEN
        elif self.source == ALONE:
            self.source = SHARED_ONCE


class PsutilTree:
    """Reads the resident memory of a process and its descendants where there is no ``/proc``.

    Args:
        pid: The process.
        children: Returns the descendants' ids; some may have ended.
    Raises:
        psutil.Error: If there is no such process.
    """

    def __init__(self, pid: int, children: Callable[[], Iterable[int]]) -> None:
        import psutil

        self.source = "process RSS (psutil)"
        self._children = children
        self._root = psutil.Process(pid)

    def read_bytes(self) -> int:
        """Return what the tree holds now; psutil.Error once the process has ended."""
        import psutil

        total = int(self._root.memory_info().rss)
        for pid in self._children():
            with contextlib.suppress(psutil.Error):
                total += int(psutil.Process(pid).memory_info().rss)
                self.source = "process tree RSS (psutil); pages shared by forks count in each"
        return total

    def close(self) -> None:
        """There is nothing to let go of."""


class _Statm:
    """A process's statm, kept open: ten times as quick, and never of another one with its id."""

    def __init__(self, pid: int) -> None:
        self._file = os.open(f"/proc/{pid}/statm", os.O_RDONLY | os.O_CLOEXEC)
        self._page = os.sysconf("SC_PAGE_SIZE")

    def anonymous_bytes(self) -> int:
        """Return resident memory without file and shared pages; 0 once the process has ended."""
        try:
            fields = os.pread(self._file, 128, 0).split()
        except ProcessLookupError:
            return 0
        return (int(fields[1]) - int(fields[2])) * self._page

    def close(self) -> None:
        os.close(self._file)


def _alone_bytes(rollup: Optional[Rollup], size: int) -> int:
    """Return what only this process has; all of it where the kernel does not tell."""
    if rollup is None:
        return size
    return max(rollup.get("Private_Dirty", 0) - rollup.get("Pss_Shmem", 0), 0)


def _proportional_bytes(rollups: Iterable[Optional[Rollup]]) -> int:
    """Return the sum of the proportional sizes without file pages; 0 where not all are known.

    Kernels before 5.4 do not tell file pages apart.
    """
    total = 0
    for rollup in rollups:
        if rollup is None or (rollup and "Pss_Anon" not in rollup):
            return 0
        total += rollup.get("Pss_Anon", 0) + rollup.get("Pss_Shmem", 0)
    return total
