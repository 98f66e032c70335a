"""The run's log: every event as one line with its time, written at once."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Callable, Dict

Event = Dict[str, Any]
_LEFT_OUT = ("step", "probe", "known")  # too often, or told by other lines


def logged(path: Path, on_event: Callable[[Event], None]) -> Callable[[Event], None]:
    """Return a listener that writes each event to a log file and passes it on.

    Args:
        path: The file; lines are added at its end.
        on_event: Who hears of the events too.
    """

    def listen(event: Event) -> None:
        if event["event"] not in _LEFT_OUT:
            with open(path, "a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {_line(event)}\n")
        on_event(event)

    return listen


def _line(event: Event) -> str:
    rest = {key: value for key, value in event.items() if key not in ("event", "point")}
    measured = rest.pop("measurement", None)
    if measured is not None:
        rest["outcome"] = measured.outcome
        rest["reason"] = measured.reason
        rest.update({name: metric.value for name, metric in measured.metrics.items()})
        rest["wall_s"] = round(measured.wall_s, 3)
    return f"{event['event']} {json.dumps(rest, default=str)}"
