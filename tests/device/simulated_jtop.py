"""jetson-stats' service, simulated in a process of its own: the real client cannot tell.

    python simulated_jtop.py SOCKET MODE     (commands as JSON lines on stdin)

The service of a Jetson is a multiprocessing manager that shares a queue, a dictionary and an event.
A client puts {"interval": seconds} into the queue and waits there for {"init": ...}; from then on
the dictionary is filled anew each tick and the event is set. Tests use `SimulatedJtop`; values come
from `board_values`, which a test changes with `SimulatedJtop.send`.
"""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from importlib.util import find_spec
from multiprocessing.managers import SyncManager
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
OTHER_VERSION = "3.1.4"
TICK_S = 0.05


def why_not():
    """Return why the simulation cannot run here, "" if it can."""
    if sys.platform == "darwin":
        return "jetson-stats is for Linux, this is macOS"
    return "" if find_spec("jtop") else "jetson-stats is not installed (the extra `test` has it)"


OLD_JTOP = "NAS_EDGE_OLD_JTOP"  # a folder with the package of jetson-stats 4.3.2


def forget_jtop():
    """Let the next import of jtop find it anew."""
    for name in [name for name in sys.modules if name.split(".")[0] == "jtop"]:
        del sys.modules[name]


@pytest.fixture(params=["installed", "4.3.2"])
def jtop_version(request, monkeypatch):
    """Run a test with the installed client, and again with 4.3.2, the last of the old line."""
    if why_not():
        pytest.skip(why_not())
    if request.param != "installed":
        folder = os.environ.get(OLD_JTOP)
        if not folder:
            pytest.skip(f"no jetson-stats 4.3.2: `make test-floor` has it, or {OLD_JTOP}=FOLDER")
        monkeypatch.syspath_prepend(folder)
        path = filter(None, [folder, os.environ.get("PYTHONPATH")])
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    forget_jtop()
    from nas_edge.device.jtop_client import import_jtop

    version = import_jtop().__version__
    assert request.param in ("installed", version)
    yield version
    forget_jtop()


def board_values():
    """Return one tick of a Xavier NX that is busy, as jtop's service sends it."""
    return {
        "cpu": {"total": {}, "cpu": [{"online": True, "idle": 25.0}, {"online": False}]},
        "gpu": {
            "gv11b": {
                "type": "integrated",
                "status": {"railgate": False, "3d_scaling": True, "load": 62.5},
                "freq": {"governor": "nvhost_podgov", "cur": 800000, "max": 1109250, "min": 114750},
                "power_control": "auto",
            }
        },
        "processes": [],
        "mem": {
            "RAM": {
                "tot": 8000000,
                "used": 3000000,
                "free": 3500000,
                "buffers": 100000,
                "cached": 1500000,
                "shared": 250000,
                "lfb": 100,
            },
            "SWAP": {"tot": 4000000, "used": 0, "cached": 0, "table": {}},
        },
        "engines": {},
        "temperature": {
            "AO": {"temp": 45.0, "online": True},
            "CPU": {"temp": 47.25, "online": True},
            "CV": {"temp": -256, "online": False},
            "GPU": {"temp": 46.5, "online": True},
        },
        "power": {
            "rail": {"VDD_CPU_GPU_CV": {"online": True, "power": 2100, "avg": 2000}},
            "tot": {"online": True, "power": 5210, "avg": 5100, "name": "VDD_IN"},
        },
        "fan": {},
        "nvp": {"status": [], "thread": False, "model": {"name": "MODE_15W_6CORE", "id": 2}},
    }


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
            [sys.executable, __file__, str(self.socket), self.mode],
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
        """Change values of the coming ticks, by their name at the top of `board_values`."""
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


# --- the service's process -------------------------------------------------------------------


class Service:
    """What the process holds: the three shared objects and the values of the next tick."""

    def __init__(self, mode):
        self.mode = mode
        self.queue, self.data, self.event = queue.Queue(), {}, threading.Event()
        self.values = board_values()
        self.is_held = False

    def answer(self):
        """Answer each client's first message, as the real service does in its main loop."""
        while True:
            message = self.queue.get()
            if "init" in message:  # a client has not fetched it yet
                self.queue.put(message)
                time.sleep(0.001)
            elif "interval" in message and self.mode != "no_handshake":
                self.queue.put({"init": self.init()})

    def init(self):
        from jtop import __version__

        hardware = {
            "Model": "NVIDIA Jetson Xavier NX Developer Kit",
            "Module": "NVIDIA Jetson Xavier NX",
            "SoC": "tegra194",
            "L4T": "35.4.1",
            "Jetpack": "5.1.2",
        }
        return {
            "version": OTHER_VERSION if self.mode == "wrong_version" else __version__,
            "board": {"hardware": hardware},
            "interval": TICK_S,
            "memory": "/swfile",
            "fan": {},
            "jc": False,
            "nvpmodel": {"models": ["MODE_15W_6CORE"], "default": {"name": "MODE_15W_6CORE"}},
        }

    def tick(self):
        while self.mode != "no_data":
            if not self.is_held:
                self.data.update({**self.values, "uptime": time.monotonic()})
                self.event.set()
            time.sleep(TICK_S)

    def obey(self):
        for line in sys.stdin:
            command = json.loads(line)
            self.values = {**self.values, **command.get("values", {})}
            self.is_held = command.get("hold", self.is_held)
        os._exit(0)  # the test that started this is gone

    def serve(self, path):
        from jtop.core.common import get_key

        class Manager(SyncManager):
            pass

        Manager.register("get_queue", callable=lambda: self.queue)
        Manager.register("sync_data", callable=lambda: self.data)
        Manager.register("sync_event", callable=lambda: self.event)
        server = Manager(address=path, authkey=get_key().encode("utf-8")).get_server()
        for work in (self.answer, self.tick, self.obey):
            threading.Thread(target=work, daemon=True).start()
        print("ready", flush=True)
        server.serve_forever()


def serve_mute(path):
    """Take connections and keep silent."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(8)
    print("ready", flush=True)
    taken = []
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    while True:
        taken.append(listener.accept())


if __name__ == "__main__":
    if sys.argv[2] == "mute":
        serve_mute(sys.argv[1])
    else:
        Service(sys.argv[2]).serve(sys.argv[1])
