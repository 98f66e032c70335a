"""One child process, from its start to its end, watched by the parent.

Enters: the name of a task, its job as plain data. Leaves: the result,
or the kind and reason of a failure. The child starts from a server that has torch imported already
(Linux), so that a start costs hundredths of a second; elsewhere it is spawned.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import time
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Mapping, Optional

from nas_edge.candidate.failures import classify_death, count_oom_kills
from nas_edge.candidate.measurement import HUNG
from nas_edge.errors import EnvironmentProblem

Message = Dict[str, Any]
PRELOADED = ["nas_edge.candidate.child", "nas_edge.candidate.probe"]
EXIT_S = 5.0  # what a child that has closed its pipe gets for its own clearing up


@dataclass(frozen=True)
class ChildLimits:
    """``total_s`` bounds a child's life (None: no bound), ``silence_s`` the time without a sign."""

    total_s: Optional[float] = None
    silence_s: float = 600.0


@dataclass(frozen=True)
class ChildEnd:
    """A result, or the kind and reason why there is none."""

    result: Optional[Mapping[str, Any]]
    kind: str = ""
    reason: str = ""
    start_s: float = 0.0


@dataclass(frozen=True)
class _Before:
    """What was so when a child was started."""

    started: float
    oom_kills: int
    log_size: int


def process_context() -> Any:
    """Return the multiprocessing context that children start from, named explicitly.

    Libraries change the global default (jetson-stats sets "fork"), and a forked CUDA process fails.
    """
    if not sys.platform.startswith("linux"):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with _environment(GOMP_SPINCOUNT="10000"):
        forkserver.ensure_running()
    return context


@contextlib.contextmanager
def _environment(**defaults: str) -> Iterator[None]:
    """Set variables that are not set, for a process that starts meanwhile.

    OpenMP's threads spin for milliseconds while they wait by default: beside any other busy process
    that makes a step of many small operations ten times slower. Sleeping at once (OMP_WAIT_POLICY)
    makes it twice as slow on an idle machine; a short spin costs nothing there. The variable is
    read at the start only.
    """
    added = {name: value for name, value in defaults.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def run_in_child(
    task: str,
    job: Mapping[str, Any],
    log: Path,
    limits: ChildLimits,
    on_message: Callable[[Message], None],
) -> ChildEnd:
    """Run a task in a fresh process and wait for its end.

    Args:
        task: "package.module:function", which gets the job and a function to send messages with.
        job: Plain data for it.
        log: File that takes what the child prints.
        limits: When it counts as hung.
        on_message: Receives each sign of progress.
    Raises:
        EnvironmentProblem: If the child found the machine at fault (disk full, read-only).
    """
    context = process_context()
    receiver, sender = context.Pipe(duplex=False)
    before = _Before(time.monotonic(), count_oom_kills(), log.stat().st_size if log.exists() else 0)
    with _without_main_module():
        from nas_edge.candidate.child_entry import enter

        child = context.Process(target=enter, args=(sender, task, dict(job), str(log)), daemon=True)
        child.start()
    sender.close()
    try:
        return _watch(child, receiver, log, limits, on_message, before)
    finally:
        # Also on Ctrl-C: nothing of a candidate outlives its study.
        child.kill()
        child.join()
        receiver.close()


def _watch(
    child: Any,
    receiver: Connection,
    log: Path,
    limits: ChildLimits,
    on_message: Callable[[Message], None],
    before: _Before,
) -> ChildEnd:
    started = last_sign = before.started
    start_s = 0.0
    while True:
        now = time.monotonic()
        if limits.total_s is not None and now - started > limits.total_s:
            return ChildEnd(
                None, HUNG, f"was not done after {limits.total_s:.0f} s (limits.candidate_time)"
            )
        if now - last_sign > limits.silence_s:
            return ChildEnd(
                None, HUNG, f"gave no sign for {limits.silence_s:.0f} s (limits.silence)"
            )
        if not receiver.poll(0.2):
            continue
        try:
            message = receiver.recv()
        except (EOFError, OSError):
            child.join(timeout=EXIT_S)
            oom_kills = count_oom_kills() - before.oom_kills
            kind, reason = classify_death(child.exitcode, log, oom_kills, before.log_size)
            return ChildEnd(None, kind, reason, start_s)
        last_sign = time.monotonic()
        event = message["event"]
        if event == "started":
            start_s = last_sign - started
        elif event == "result":
            return ChildEnd(message["result"], start_s=start_s)
        elif event == "alive":
            continue
        elif event == "failed":
            return ChildEnd(None, message["kind"], message["reason"], start_s)
        elif event == "environment":
            raise EnvironmentProblem(message["reason"])
        else:
            on_message(message)


@contextlib.contextmanager
def _without_main_module() -> Iterator[None]:
    """Keep multiprocessing from importing the user's script in the child.

    The child needs nas_edge alone; without this a script would need an ``if __name__ ==
    "__main__"`` guard, and a notebook's imports would be paid for by every candidate.
    """
    main = sys.modules["__main__"]
    hidden = {name: getattr(main, name) for name in ("__file__", "__spec__") if hasattr(main, name)}
    try:
        for name in hidden:
            setattr(main, name, None)
        if "__file__" in hidden:
            del main.__file__
        yield
    finally:
        for name, value in hidden.items():
            setattr(main, name, value)
