"""Calls into a driver, each waited for only so long: one that hangs costs a thread, not a study."""

from __future__ import annotations

import queue
import threading
import time
from typing import Any, Callable, Optional, Tuple, TypeVar

T = TypeVar("T")
_Job = Tuple[Callable[[], Any], "queue.SimpleQueue[Tuple[Any, Optional[BaseException]]]"]


class CallHung(Exception):
    """A call did not come back in time. The thread it sits in takes no further one."""


class BoundedCalls:
    """Runs calls one after another in a thread of its own.

    ``cost_s`` is the processor time of the last call: the caller's own thread only waits, so its
    clock does not show it.
    """

    def __init__(self, name: str) -> None:
        self.cost_s = 0.0
        self._name = name
        self._jobs: queue.SimpleQueue[Optional[_Job]] = queue.SimpleQueue()
        self._thread: Optional[threading.Thread] = None
        self._is_stuck = False

    def call(self, function: Callable[[], T], timeout_s: float) -> T:
        """Return what the function returns, or raise what it raises.

        Raises:
            CallHung: If it takes longer than ``timeout_s``, or an earlier call has never come back.
        """
        if self._is_stuck:
            raise CallHung
        if self._thread is None:
            # A daemon: one that is stuck in the driver must not keep the program from ending.
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        answer: queue.SimpleQueue[Tuple[Any, Optional[BaseException]]] = queue.SimpleQueue()
        self._jobs.put((function, answer))
        try:
            result, error = answer.get(timeout=timeout_s)
        except queue.Empty:
            self._is_stuck = True
            self.close()
            raise CallHung from None
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def close(self) -> None:
        """Let the thread end once it is free; may be called again."""
        self._jobs.put(None)

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            function, answer = job
            started = time.thread_time()
            try:
                result, error = function(), None
            except BaseException as err:  # it belongs to the caller, whatever it is
                result, error = None, err
            self.cost_s = time.thread_time() - started
            answer.put((result, error))
