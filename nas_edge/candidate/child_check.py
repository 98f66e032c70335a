"""Starts a process as a candidate's is started, and lets it take a few steps of training."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, Mapping

from nas_edge.candidate.measurement import HUNG, KILLED, OUT_OF_MEMORY
from nas_edge.candidate.process import ChildEnd, ChildLimits, run_in_child
from nas_edge.device.check import OK, PROBLEM, Check, first_line, of_line
from nas_edge.errors import EnvironmentProblem

NAME = "child process"
TASK = "nas_edge.candidate.child_check:take_steps"
TIMEOUT_S = 90.0

_MENDS = {
    OUT_OF_MEMORY: "close programs (`ps aux --sort=-rss | head`), and see `ulimit -v`",
    KILLED: "see what `sudo dmesg | tail` says",
    HUNG: "see what is busy (`top`), or hangs (`dmesg | tail`)",
}
_OTHER_MEND = "see what `python -c 'import nas_edge.candidate.child'` says"


def check_child(kind: str, task: str = TASK, timeout_s: float = TIMEOUT_S) -> Check:
    """Return whether a candidate's process starts, trains on a device and answers.

    Args:
        kind: "cpu" or "cuda".
        task: What it runs, as `run_in_child` takes it.
        timeout_s: How long it may take.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="nas-edge-doctor-") as folder:
            log = Path(folder) / "log.txt"
            limits = ChildLimits(timeout_s, timeout_s)
            end = run_in_child(task, {"device": kind}, log, limits, lambda _: None)
    except EnvironmentProblem as err:
        return of_line(NAME, PROBLEM, str(err))
    except Exception as err:  # the server that children start from did not come up
        return Check(NAME, PROBLEM, f"cannot be started ({first_line(err)})", _OTHER_MEND)
    if end.result is not None:
        found = f"started in {end.start_s:.1f} s and trained on {kind}"
        return Check(NAME, OK, found)
    return Check(NAME, PROBLEM, _reason(end, log, timeout_s), _MENDS.get(end.kind, _OTHER_MEND))


def _reason(end: ChildEnd, log: Path, timeout_s: float) -> str:
    if end.kind == HUNG:
        return f"was started, but did not answer within {timeout_s:g} s"
    return end.reason.replace(f"; see {log}", "")  # which is gone


def take_steps(job: Mapping[str, Any], send: Callable[[Dict[str, Any]], None]) -> Dict[str, Any]:
    """Train a layer on the job's device, in the child."""
    send({"event": "alive"})
    import torch

    from nas_edge.candidate.start import warm_up

    warm_up(torch.device(job["device"]))
    return {"pid": os.getpid()}
