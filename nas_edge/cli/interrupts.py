"""Ctrl-C, SIGTERM and SIGHUP: each ends a command as Ctrl-C does."""

from __future__ import annotations

import contextlib
import signal
from typing import Any, Callable, Iterator, List


def interrupt(*_: Any) -> None:
    """End as Ctrl-C does."""
    raise KeyboardInterrupt


@contextlib.contextmanager
def heard_interrupts() -> Iterator[Callable[[], bool]]:
    """Have each signal raise KeyboardInterrupt, and yield what tells whether one came.

    A library that was at work may turn the interrupt into an error of its own, as pydantic does in
    a serializer. Ctrl-C stays ignored where it is, e.g. in a script's background job, and so does
    the end of the terminal (SIGHUP) under nohup.
    """
    came: List[int] = []

    def hear(number: int, _: Any) -> None:
        came.append(number)
        raise KeyboardInterrupt

    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        numbers.append(signal.SIGINT)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, hear) for number in numbers}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
