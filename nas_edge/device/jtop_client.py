"""A connection to jetson-stats' service that never hangs and leaves nothing behind.

Enters: the installed jetson-stats (AGPL: an extra that the user asks for) and its service's socket.
Leaves: jtop's own client, started; or `JtopProblem`, one line with the command that mends it. Not
done here: what the client's figures mean (jetson_meter.py).

The client talks through multiprocessing's manager, which knows no timeouts: a service that accepts
a connection and then keeps silent would hold the caller for ever. So everything that speaks to the
service runs in daemon threads, and the socket is looked at but never connected to by hand, because
a connection without a handshake ends the service's accept loop.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import threading
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, List, Optional

from nas_edge.device.meter import OPEN_TIMEOUT_S, MeterProblem

TICK_S = 1.0  # asked of the service; another client that was first decides
OLDEST = (4, 2)  # before, the figures for RAM had another unit and another place
RESTART = "sudo systemctl restart jtop.service"
INSTALL = "pip install 'nas-edge[jetson]'"
JOIN_GROUP = "sudo usermod -aG jtop $USER, then log out and in"

STEPS = ("jetson-stats", "socket", "permission", "service")


class JtopProblem(MeterProblem):
    """jetson-stats cannot be used: ``step`` of `STEPS` failed, ``mend`` is what to do."""

    def __init__(self, step: str, found: str, mend: str) -> None:
        super().__init__(f"{found}: {mend}")
        self.step, self.found, self.mend = step, found, mend


@dataclass(frozen=True)
class JtopCheck:
    """One step towards a working jtop; ``mend`` is the command, empty where all is well."""

    step: str
    found: str
    mend: str = ""


def jtop_status(timeout_s: float = OPEN_TIMEOUT_S) -> List[JtopCheck]:
    """Return the checks of `STEPS` in order, up to the first that fails."""
    failed: Optional[JtopProblem] = None
    try:
        client = connect(timeout_s=timeout_s)
    except JtopProblem as problem:
        failed = problem
    else:
        close(client)
    checks: List[JtopCheck] = []
    for step in STEPS:
        if failed is not None and failed.step == step:
            return [*checks, JtopCheck(step, failed.found, failed.mend)]
        checks.append(JtopCheck(step, _when_well(step)))
    return checks


def _when_well(step: str) -> str:
    jtop = import_jtop()
    return {
        "jetson-stats": f"jetson-stats {jtop.__version__}",
        "socket": f"{jtop.service.JTOP_PIPE} is there",
        "permission": "the socket may be read and written",
        "service": "the service answers and sends data",
    }[step]


def connect(tick_s: float = TICK_S, timeout_s: float = OPEN_TIMEOUT_S) -> Any:
    """Return jtop's client with its first data.

    Raises:
        JtopProblem: If that is not possible within ``timeout_s`` seconds.
    """
    jtop = import_jtop()
    path = str(jtop.service.JTOP_PIPE)
    check_socket(path)
    attempt = _Attempt(jtop.jtop, tick_s)
    client = attempt.result(timeout_s)
    if client is not None:
        return client
    if attempt.error is None:
        found = f"jtop's service accepted a connection to {path} but did not answer"
        raise JtopProblem("service", f"{found} within {timeout_s:g} s", RESTART)
    raise _explained(attempt.error, path) from attempt.error


def close(client: Any, timeout_s: float = 1.0) -> None:
    """Let the client's thread end; do not wait for a service that does not answer."""
    # jtop's close joins a thread that asks other programs for their versions.
    thread = threading.Thread(target=client.close, name="jtop-close", daemon=True)
    thread.start()
    thread.join(timeout_s)


def import_jtop() -> Any:
    """Import jetson-stats and leave multiprocessing's start method as it was.

    Raises:
        JtopProblem: If it is not installed, too old, or broken.
    """
    if find_spec("jtop") is None:
        raise JtopProblem("jetson-stats", "jetson-stats is not installed", INSTALL)
    before = multiprocessing.get_start_method(allow_none=True)
    try:
        import jtop
        import jtop.service
    except Exception as err:  # whatever a half-installed package raises
        found = f"jetson-stats cannot be imported ({_one_line(err)})"
        raise JtopProblem(
            "jetson-stats", found, "pip install --force-reinstall jetson-stats"
        ) from err
    finally:
        # jetson-stats 7 sets "fork" for the whole process, which CUDA and threads do not survive.
        if multiprocessing.get_start_method(allow_none=True) != before:
            multiprocessing.set_start_method(before, force=True)
    numbers = re.findall(r"\d+", str(jtop.__version__))
    if tuple(map(int, numbers[:2])) < OLDEST:
        found = f"jetson-stats must be at least 4.2, but is {jtop.__version__}"
        raise JtopProblem("jetson-stats", found, "sudo pip3 install -U jetson-stats")
    return jtop


def check_socket(path: str) -> None:
    """Raise JtopProblem if there is no socket, or none for this user. Does not connect."""
    try:
        os.stat(path)
        may = os.access(path, os.R_OK | os.W_OK, effective_ids=True)
    except FileNotFoundError:
        found = f"jtop's service is not running, there is no socket {path}"
        mend = f"{RESTART}, or start the container with -v {path}:{path}"
        raise JtopProblem("socket", found, mend) from None
    except PermissionError:
        may = False
    if not may:
        raise JtopProblem("permission", f"no permission for jtop's socket {path}", JOIN_GROUP)


class _Attempt:
    """One try to connect, in a daemon thread, because it may never come back."""

    def __init__(self, jtop: Any, tick_s: float) -> None:
        self.error: Optional[Exception] = None
        self._client: Any = None
        self._is_started = self._is_given_up = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(
            target=self._run, args=(jtop, tick_s), name="jtop-open", daemon=True
        )
        self._thread.start()

    def result(self, timeout_s: float) -> Any:
        """Return the client, or None if there is none by then."""
        self._thread.join(timeout_s)
        with self._lock:
            self._is_given_up = not self._is_started
        if self._client is not None:
            cut_ties(self._client)
        return self._client if self._is_started else None

    def _run(self, jtop: Any, tick_s: float) -> None:
        try:
            self._client = _without_libraries(jtop)(interval=tick_s)
            self._client.start()
        except Exception as err:
            self.error = err
            return
        with self._lock:
            self._is_started = not self._is_given_up
        if not self._is_started:  # too late: nobody waits any more
            cut_ties(self._client)
            self._client.close()


def _without_libraries(jtop: Any) -> Any:
    """Return jtop's class without its search for the versions of libraries.

    It loads cuDNN and TensorRT into this process, whose memory is to be measured, and runs other
    programs for seconds.
    """

    def load_none(_: Any) -> None:
        pass

    return type("Client", (jtop,), {"_load_jetson_libraries": load_none})


def cut_ties(client: Any) -> None:
    """Keep multiprocessing from calling the service when this process forks or ends.

    Its proxies count their references in the service: at exit, and in each forked child, they
    connect anew and wait. With a frozen service the interpreter would never end, and every forked
    loader of data would hang at its start. The service holds these objects anyway.
    """
    from multiprocessing.managers import BaseProxy, State  # type: ignore[attr-defined]

    state = getattr(getattr(client, "_broadcaster", None), "_state", None)
    if state is not None:
        state.value = State.SHUTDOWN
    for proxy in list(vars(client).values()):
        if isinstance(proxy, BaseProxy):
            proxy._owned_by_manager = True  # type: ignore[attr-defined]


def _explained(err: Exception, path: str) -> JtopProblem:
    """Return what an error of the client's start means; its texts are those of 4.3 and 7.2."""
    text = _one_line(err)
    versions = re.search(r"service: \[(.*?)\] and client: \[(.*?)\]", text)
    if versions:
        service, own = versions.groups()
        found = f"jetson-stats is {own} here but its service is {service}"
        mend = f"pip install 'jetson-stats=={service}'" if service[:1].isdigit() else RESTART
        return JtopProblem("service", found, mend)
    if isinstance(err, PermissionError) or "can't access" in text:
        return JtopProblem("permission", f"no permission for jtop's socket {path}", JOIN_GROUP)
    if isinstance(err, ConnectionRefusedError) or "is not active" in text:
        found = f"jtop's service is not running, though its socket {path} is there"
    elif "Error connection" in text:
        found = "jtop's service is running but sends no data"
    else:
        found = f"jtop's service cannot be used ({text})"
    return JtopProblem("service", found, RESTART)


def _one_line(err: BaseException) -> str:
    return " ".join(f"{type(err).__name__}: {err}".split())
