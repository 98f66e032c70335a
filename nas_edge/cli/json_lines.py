"""A study's events for machines: one JSON object a line, numbers finite or null.

`docs/terminal.md` lists every event with its keys and units.
"""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from nas_edge.errors import StudyError
from nas_edge.study.records import TrialRecord

Event = Dict[str, Any]
# Of a child's and the study's own events, those that go out as they are.
PLAIN = ("note", "study", "probe", "probed", "step", "epoch")
# What a row of the front holds while the study runs; the last event has the whole rows.
SHORT = ("number", "name", "reference", "on_front", "against_paper", "values")


class JsonLines:
    """Writes events as lines; what a study knows becomes an event where the front has changed.

    Args:
        write: Takes one line.
        now: The time of day.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._write = write
        self._now = now
        self._objectives: Sequence[str] = ()
        self._front: Optional[List[Any]] = []

    def __call__(self, event: Event) -> None:
        """Write an event, if it is one for machines."""
        kind = event["event"]
        if kind == "study":
            self._objectives = event["objectives"]
        if kind in PLAIN:
            self.send(event)
        elif kind == "candidate":
            self.send({key: value for key, value in event.items() if key != "point"})
        elif kind == "measured":
            self.send(measured_event(event))
        elif kind == "known":
            self._send_front(event["records"])

    def send(self, event: Mapping[str, Any]) -> None:
        """Write one object with its time."""
        time = self._now().isoformat(timespec="milliseconds")
        line = {"event": event["event"], "time": time, **event}
        self._write(json.dumps(finite(line), allow_nan=False, default=str))

    def _send_front(self, records: Sequence[TrialRecord]) -> None:
        rows = front_dicts(records, self._objectives)
        short = None if rows is None else [{key: row[key] for key in SHORT} for row in rows]
        if short != self._front:
            self._front = short
            self.send({"event": "front", "rows": short})


def measured_event(event: Event) -> Event:
    """Return what came of a candidate, flat."""
    measured = event["measurement"]
    return {
        "event": "measured",
        "number": event["number"],
        "outcome": measured.outcome,
        "reason": measured.reason,
        "metrics": {
            name: {"value": metric.value, "unit": metric.unit, "source": metric.source}
            for name, metric in measured.metrics.items()
        },
        "wall_s": measured.wall_s,
        "seed": measured.seed,
        "memory_saver": measured.details.get("memory_saver"),
    }


def front_dicts(
    records: Sequence[TrialRecord], objectives: Sequence[str]
) -> Optional[List[Dict[str, Any]]]:
    """Return the front's rows as plain data; None where the figures do not compare."""
    from nas_edge.report.rows import front_rows

    try:
        rows = front_rows(records, objectives) if objectives else []
    except StudyError:
        return None
    return [
        {**row.to_dict(), "values": {name: row.record.value(name) for name in objectives}}
        for row in rows
    ]


def finite(value: Any) -> Any:
    """Return plain data with None for every number that is NaN or infinite: JSON has neither."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(one) for one in value]
    return value
