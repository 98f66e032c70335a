"""One finding about this machine, and how to look for it without being hung or brought down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, List

from nas_edge.device.bounded_calls import BoundedCalls, CallHung

OK, NOTE, PROBLEM = "ok", "note", "problem"
STATES = (OK, NOTE, PROBLEM)

_REPORT = "report it, with what `nas-edge doctor --json` prints"


@dataclass(frozen=True)
class Check:
    """What was found, and the command that mends it.

    Args:
        name: What was looked at.
        state: "ok"; "note": a study runs, but something is worse than it could be; "problem": a
            study would not run.
        found: One line.
        mend: The command, or in a few words what to do; empty only where all is well.
    Raises:
        ValueError: If the state is unknown, or what has to be mended names no mend.
    """

    name: str
    state: str
    found: str
    mend: str = ""

    def __post_init__(self) -> None:
        if self.state not in STATES:
            raise ValueError(f"state must be one of {', '.join(STATES)}, but got {self.state!r}")
        if self.state != OK and not self.mend:
            raise ValueError(f"{self.name}: a {self.state} must name its mend")


def guarded(name: str, look: Callable[[], List[Check]], timeout_s: float) -> List[Check]:
    """Return what a look finds; one that fails or hangs is itself a finding.

    Args:
        name: What is looked at.
        look: Is called in a thread, which is left behind where it hangs.
        timeout_s: How long it may take. A study would hang in the same place: a problem.
    """
    calls = BoundedCalls(f"doctor: {name}")
    try:
        return calls.call(look, timeout_s)
    except CallHung:
        found = f"no answer within {timeout_s:g} s"
        mend = "see what `dmesg | tail` says of a disk or driver that hangs, then `sudo reboot`"
        return [Check(name, PROBLEM, found, mend)]
    except Exception as err:  # a look must never end the others
        found = f"could not be looked at ({first_line(err)})"
        return [Check(name, NOTE, found, _REPORT)]
    finally:
        calls.close()


def of_line(name: str, state: str, line: str) -> Check:
    """Return the check of a line that says what is wrong and then, set off, what mends it."""
    for mark in ("; ", ": "):
        found, separator, mend = line.rpartition(mark)
        if separator and " " in found:  # not "NVML: ...", which only says who speaks
            return Check(name, state, found, mend)
    return Check(name, state, line, _REPORT)


def first_line(error: BaseException) -> str:
    """Return an error's type and first line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].strip()}" if lines else type(error).__name__
