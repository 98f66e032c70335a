"""Who descends from a process, looked for as often as it is cheap.

The kernel's own list (``/proc/<pid>/task/<tid>/children``) is missing from many kernels, and
psutil's way, a look at every process of the machine, takes milliseconds. So a process that has no
child is told by one system call, and looking is spaced out by what it costs, except just after
children came or went: they seldom come alone.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Callable, Iterator, List, Tuple

LOOK_SHARE = 0.0005  # of one core
LEAST_WAIT_S = 0.1


class ChildFinder:
    """The processes that descend from one, as of the last look.

    Args:
        pid: Their ancestor.
        look: Returns the descendants' process ids.
        clock: Seconds.
    """

    def __init__(
        self,
        pid: int,
        look: Callable[[int], List[int]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pid = pid
        self._look = look
        self._clock = clock
        self._found: Tuple[int, ...] = ()
        self._due = clock()
        self._wait_s = LEAST_WAIT_S

    def pids(self) -> Tuple[int, ...]:
        """Return the descendants, at most some seconds old; some may have ended since."""
        now = self._clock()
        if self._pid == os.getpid() and has_no_child():
            self._found, self._due = (), now  # the first child is looked for at once
        elif now >= self._due:
            self._look_now()
            self._due = now + self._wait_s
        return self._found

    def _look_now(self) -> None:
        began = time.thread_time()
        before, self._found = self._found, tuple(self._look(self._pid))
        cost_s = time.thread_time() - began
        longer_s = min(2 * self._wait_s, cost_s / LOOK_SHARE)
        is_the_same = set(before) == set(self._found)
        self._wait_s = max(longer_s, LEAST_WAIT_S) if is_the_same else LEAST_WAIT_S


def has_no_child() -> bool:
    """Return whether this process certainly has no child; False where the system cannot tell."""
    if not hasattr(os, "waitid"):
        return False
    try:  # WNOWAIT: whoever waits for a child that ended still gets it
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def descendants(pid: int, proc: Path = Path("/proc")) -> List[int]:
    """Return the ids of all processes that descend from one, in no order."""
    if not (proc / f"{pid}/task/{pid}/children").exists():
        return descendants_by_psutil(pid)
    found: List[int] = []
    waiting = [pid]
    while waiting:
        children = list(_listed_children(proc / str(waiting.pop())))
        found += children
        waiting += children
    return found


def descendants_by_psutil(pid: int) -> List[int]:
    """Return the same from the parents of all processes of the machine; [] once it has ended."""
    import psutil

    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []


def _listed_children(process: Path) -> Iterator[int]:
    try:  # each thread lists the children that it started
        threads = list((process / "task").iterdir())
    except OSError:
        return
    for thread in threads:
        try:
            yield from map(int, (thread / "children").read_text().split())
        except OSError:  # the thread has ended
            continue
