"""The run's log: every event as one line with its time, written at once."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional

Event = Dict[str, Any]
_LEFT_OUT = ("step", "probe", "known")  # too often, or told by other lines


class _ListenerError(Exception):
    """Carries a listener's error past those who turn an error of a file into one of the study."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


@contextlib.contextmanager
def logged(path: Path, on_event: Callable[[Event], None]) -> Iterator[Callable[[Event], None]]:
    """Yield a listener that writes each event to a log file and passes it on.

    What ``on_event`` raises leaves the block as it is: its full disk is not the study's.

    Args:
        path: The file; lines are added at its end.
        on_event: Who hears of the events too.
    """

    def listen(event: Event) -> None:
        if event["event"] not in _LEFT_OUT:
            with open(path, "a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {_line(event)}\n")
        try:
            on_event(event)
        except Exception as err:
            raise _ListenerError(err) from err

    raised: Optional[Exception] = None
    try:
        yield listen
    except _ListenerError as err:
        raised = err.error
    if raised is not None:
        raise raised


def _line(event: Event) -> str:
    rest = {key: value for key, value in event.items() if key not in ("event", "point")}
    measured = rest.pop("measurement", None)
    if measured is not None:
        rest["outcome"] = measured.outcome
        rest["reason"] = measured.reason
        rest.update({name: metric.value for name, metric in measured.metrics.items()})
        rest["wall_s"] = round(measured.wall_s, 3)
    return f"{event['event']} {json.dumps(rest, default=str)}"
