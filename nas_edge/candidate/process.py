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
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Mapping, Optional

from nas_edge.candidate import verdict
from nas_edge.device.memory_watch import THIS_MACHINE, MemoryReader, MemoryWatch
from nas_edge.errors import EnvironmentProblem

Message = Dict[str, Any]
PRELOADED = ["nas_edge.candidate.child", "nas_edge.candidate.probe"]
UNHEARD = ("started", "alive", "facts")  # messages that are not progress
EXIT_S = 5.0  # what a child that has closed its pipe gets for its own clearing up
LISTENS_S = 30.0  # the parent listens several times a second, on a busy machine every few seconds


@dataclass(frozen=True)
class ChildLimits:
    """``total_s`` bounds a child's life (None: no bound), ``silence_s`` the time without a sign."""

    total_s: Optional[float] = None
    silence_s: float = 600.0


@dataclass(frozen=True)
class ChildEnd:
    """A result, or the kind and reason why there is none.

    ``facts`` is what the child told of itself, ``available_bytes`` the machine's free memory before
    it; ``is_unexplained`` as `verdict.Verdict` has it.
    """

    result: Optional[Mapping[str, Any]]
    kind: str = ""
    reason: str = ""
    start_s: float = 0.0
    facts: Mapping[str, Any] = field(default_factory=dict)
    available_bytes: int = 0
    is_unexplained: bool = False


class _Observed:
    """What the parent knows of a child while it waits for its end."""

    def __init__(self, log: Path, reader: MemoryReader) -> None:
        self.started = self.last_sign = self.listened = time.monotonic()
        self.start_s = 0.0
        self.log = log
        self.log_start = log.stat().st_size if log.exists() else 0
        self.facts: Dict[str, Any] = {}
        self.is_bounded = False
        self.watch = MemoryWatch(reader)

    def note(self, message: Message) -> None:
        """Take in what a child says of itself."""
        self.last_sign = time.monotonic()
        if message["event"] == "started":
            self.start_s = self.last_sign - self.started
        elif message["event"] == "facts":
            self.facts.update(message["facts"])
            self.is_bounded = message["is_bounded"]

    def listen(self) -> None:
        """Count no time that the parent slept through: a paused study pauses its child, too."""
        now = time.monotonic()
        missed_s = max(0.0, now - self.listened - LISTENS_S)
        self.listened = now
        self.started += missed_s
        self.last_sign += missed_s

    def finished(self, result: Mapping[str, Any]) -> ChildEnd:
        """Return the end of a child with a result."""
        return ChildEnd(result, "", "", self.start_s, self.facts, self.watch.available_bytes)

    def failed(self, found: verdict.Verdict) -> ChildEnd:
        """Return the end of a child without one."""
        return ChildEnd(
            None,
            found.kind,
            found.reason,
            self.start_s,
            self.facts,
            self.watch.available_bytes,
            found.is_unexplained,
        )


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
    reader: MemoryReader = THIS_MACHINE,
) -> ChildEnd:
    """Run a task in a fresh process and wait for its end.

    Args:
        task: "package.module:function", which gets the job and a function to send messages with.
        job: Plain data for it.
        log: File that takes what the child prints.
        limits: When it counts as hung.
        on_message: Receives each sign of progress.
        reader: Where the machine's memory is read.
    Raises:
        EnvironmentProblem: If the child found the machine at fault (disk full, read-only).
    """
    context = process_context()
    receiver, sender = context.Pipe(duplex=False)
    observed = _Observed(log, reader)
    with _without_main_module():
        from nas_edge.candidate.child_entry import enter

        child = context.Process(target=enter, args=(sender, task, dict(job), str(log)), daemon=True)
        child.start()
    sender.close()
    try:
        return _watch(child, receiver, limits, on_message, observed)
    finally:
        # Also on Ctrl-C: nothing of a candidate outlives its study.
        child.kill()
        child.join()
        receiver.close()


def _watch(
    child: Any,
    receiver: Connection,
    limits: ChildLimits,
    on_message: Callable[[Message], None],
    observed: _Observed,
) -> ChildEnd:
    watch = observed.watch
    while True:
        observed.listen()
        overdue = _overdue(limits, observed)
        if overdue is not None:
            return observed.failed(overdue)
        watch.sample()
        if not receiver.poll(0.2):
            continue
        try:
            message = receiver.recv()
        except (EOFError, OSError):
            child.join(timeout=EXIT_S)
            return observed.failed(
                verdict.of_death(
                    child.exitcode, observed.log, observed.log_start, observed.is_bounded, watch
                )
            )
        observed.note(message)
        event = message["event"]
        if event == "result":
            return observed.finished(message["result"])
        if event == "failed":
            kind, reason = message["kind"], message["reason"]
            return observed.failed(verdict.of_error(kind, reason, observed.is_bounded, watch))
        if event == "environment":
            raise EnvironmentProblem(message["reason"])
        if event not in UNHEARD:
            on_message(message)


def _overdue(limits: ChildLimits, observed: _Observed) -> Optional[verdict.Verdict]:
    """Return why a child is not waited for any longer, or None."""
    now = time.monotonic()
    if limits.total_s is not None and now - observed.started > limits.total_s:
        reason = f"was not done after {limits.total_s:.0f} s (limits.candidate_time)"
        return verdict.of_silence(reason, observed.started, observed.watch)
    if now - observed.last_sign > limits.silence_s:
        reason = f"gave no sign for {limits.silence_s:.0f} s (limits.silence)"
        return verdict.of_silence(reason, observed.last_sign, observed.watch)
    return None


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
