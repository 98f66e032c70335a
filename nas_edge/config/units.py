"""Amounts of memory and time as people write them: ``4GiB``, ``512 MB``, ``8h``, ``90min``."""

from __future__ import annotations

import math
import re
from typing import Mapping, Union

_BYTES = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_SECONDS = {"s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_AMOUNT = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)\s*$")


def parse_bytes(text: Union[str, int]) -> int:
    """Return a number of bytes, e.g. 4294967296 for ``4GiB``.

    Raises:
        ValueError: If the text is not a positive number with a unit.
    """
    rule = "an amount of memory such as 4GiB or 512MiB"
    num_bytes = int(_parse(text, _BYTES, rule))
    if num_bytes < 1:
        raise ValueError(f"must be {rule}, but got {text!r}")
    return num_bytes


def parse_seconds(text: Union[str, int, float]) -> float:
    """Return a number of seconds, e.g. 28800.0 for ``8h``.

    Raises:
        ValueError: If the text is not a positive number with a unit.
    """
    return _parse(text, _SECONDS, "a time such as 8h, 90min or 30s")


def _parse(text: Union[str, int, float], units: Mapping[str, float], rule: str) -> float:
    match = _AMOUNT.match(text) if isinstance(text, str) else None
    unit = units.get(match.group(2).lower()) if match else None
    amount = float(match.group(1)) * unit if match and unit else 0.0
    if not 0 < amount < math.inf:
        raise ValueError(f"must be {rule}, but got {text!r}")
    return amount


def format_bytes(num_bytes: float) -> str:
    """Return bytes in MiB, in GiB from 10 GiB on, in bytes below 0.1 MiB, for printing."""
    mib = num_bytes / 2**20
    if 0 < mib < 0.1:
        return f"{num_bytes:.0f} bytes"
    return f"{mib / 1024:.1f} GiB" if mib >= 10240 else f"{mib:.1f} MiB"


def format_seconds(seconds: float) -> str:
    """Return a duration for printing: ``42 s``, ``3 min 20 s``, ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
