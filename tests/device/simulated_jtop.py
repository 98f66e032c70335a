"""jetson-stats' service, simulated: the real client in a test cannot tell.

`SimulatedJtop` starts tests/device/jtop_service.py in a process of its own, points the client at
its socket, changes its values and breaks it in every way that a service can break.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import patch

import pytest

MODES = (
    "normal",
    "mute",  # takes the connection and never says a word
    "no_handshake",  # a manager that never answers the client's first message
    "wrong_version",
    "no_data",  # answers, and then no tick comes
)
SERVICE = Path(__file__).parent / "jtop_service.py"
# A folder with the package of jetson-stats 4.3.2; the floor run has one.
OLD_JTOP = os.environ.get("NAS_EDGE_OLD_JTOP", "")


def why_not():
    """Return why the simulation cannot run here, "" if it can."""
    if sys.platform == "darwin":
        return "jetson-stats is for Linux, this is macOS"
    return "" if find_spec("jtop") else "jetson-stats is not installed (the extra `test` has it)"


def forget_jtop():
    """Let the next import of jtop find it anew."""
    for name in [name for name in sys.modules if name.split(".")[0] == "jtop"]:
        del sys.modules[name]


@pytest.fixture(params=["installed", "4.3.2"] if OLD_JTOP else ["installed"])
def jtop_version(request, monkeypatch):
    """Run a test with the installed client, and where it is at hand with 4.3.2, too."""
    if why_not():
        pytest.skip(why_not())
    if request.param != "installed":
        monkeypatch.syspath_prepend(OLD_JTOP)
        path = filter(None, [OLD_JTOP, os.environ.get("PYTHONPATH")])
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    forget_jtop()
    from nas_edge.device.jtop_client import import_jtop

    version = import_jtop().__version__
    assert request.param in ("installed", version)
    yield version
    forget_jtop()


def process_row(pid, gpu_kb, name="python3"):
    """Return a row of the table of processes: the last three are RSS, GPU memory in kB, name."""
    return [pid, "user", "I", "Graphic", 20, "R", 99.5, 400000, gpu_kb, name]


class SimulatedJtop:
    """A running service; use it in ``with``, which points jtop's client at its socket, too."""

    def __init__(self, mode="normal"):
        assert mode in MODES
        self.mode = mode

    def __enter__(self):
        from nas_edge.device.jtop_client import import_jtop

        jtop = import_jtop()
        # Not pytest's own folder, which other users may not enter.
        self._folder = tempfile.TemporaryDirectory()
        os.chmod(self._folder.name, 0o755)
        self.socket = Path(self._folder.name, "jtop.sock")
        # The service has to know the secret of the very client that this process uses.
        package = str(Path(jtop.__file__).parent.parent)
        path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
        self.process = subprocess.Popen(
            [sys.executable, str(SERVICE), str(self.socket), self.mode],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            universal_newlines=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        assert self.process.stdout.readline() == "ready\n"
        self._patch = use_socket(self.socket)
        self._patch.__enter__()
        return self

    def __exit__(self, *_):
        self._patch.__exit__(None, None, None)
        self.kill()
        self.process.stdin.close()
        self.process.stdout.close()
        self._folder.cleanup()

    def send(self, **values):
        """Change values of the coming ticks, by name; jtop_service.py has the first ones."""
        self._command({"values": values})

    def hold_ticks(self):
        """Go on answering, with data that no longer changes."""
        self._command({"hold": True})

    def resume_ticks(self):
        self._command({"hold": False})

    def freeze(self):
        """Stop the whole process, as a board out of memory would: nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def forbid(self):
        """Take every permission off the socket (root keeps its own)."""
        self.socket.chmod(0)

    def _command(self, command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()


@contextmanager
def use_socket(path):
    """Point jtop's client at a socket."""
    from nas_edge.device.jtop_client import import_jtop

    with patch.object(import_jtop().service, "JTOP_PIPE", str(path)):
        yield


@contextmanager
def jetson_meter_under_test():
    """Yield an open Jetson meter and a function that breaks its service for good."""
    from nas_edge.device import jetson_meter

    with SimulatedJtop() as service, patch.object(jetson_meter, "shares_host_pids", lambda: True):
        service.send(processes=[process_row(os.getpid(), 250000)])
        meter = jetson_meter.open_jetson_meter()
        client = meter._client

        def break_service():
            service.kill()
            client.join(10)  # its thread has noticed

        yield meter, break_service
        meter.close()
