"""The first code of a child process: log file, signals, parent's death, errors into messages."""

from __future__ import annotations

import contextlib
import gc
import importlib
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from typing import Any, Callable, Dict

from nas_edge.candidate.failures import environment_fault, first_line, is_out_of_memory
from nas_edge.candidate.measurement import CRASHED, DIVERGED, OUT_OF_MEMORY
from nas_edge.device.memory_bound import lift_bound


def enter(connection: Connection, task: str, job: Dict[str, Any], log: str) -> None:
    """Run a task, "package.module:function", and send its result or its failure."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    send = _sender(connection)
    send({"event": "started"})
    try:
        _redirect_output(log)
        module, _, function = task.partition(":")
        work = getattr(importlib.import_module(module), function)
        gc.freeze()  # half a million objects of torch's, which no collection needs to look through
        result = work(job, send)
        send({"event": "result", "result": result})
    except BaseException as err:
        lift_bound()
        with contextlib.suppress(OSError):  # a full disk must not hide what went wrong
            traceback.print_exc()
            sys.stderr.flush()
        send(_failure(err, log))
    finally:
        connection.close()


def _failure(error: BaseException, log: str) -> Dict[str, Any]:
    from nas_edge.training.loop import Diverged

    if isinstance(error, Diverged):
        return {"event": "failed", "kind": DIVERGED, "reason": str(error)}
    if is_out_of_memory(error):
        return {"event": "failed", "kind": OUT_OF_MEMORY, "reason": first_line(error)}
    fault = environment_fault(error, os.path.dirname(log))
    if fault is not None:
        return {"event": "environment", "reason": fault}
    reason = f"{type(error).__name__}: {first_line(error)}; see {log}"
    return {"event": "failed", "kind": CRASHED, "reason": reason}


def _sender(connection: Connection) -> Callable[[Dict[str, Any]], None]:
    def send(message: Dict[str, Any]) -> None:
        try:
            connection.send(message)
        except (BrokenPipeError, OSError):
            os._exit(1)  # the parent is gone: nobody wants the rest

    return send


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _redirect_output(log: str) -> None:
    """Send standard output and error to the log, native libraries' messages included."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
