"""The process of a simulated jetson-stats service.

    python jtop_service.py SOCKET MODE     (commands as JSON lines on stdin)

The service of a Jetson is a multiprocessing manager that shares a queue, a dictionary and an event.
A client puts {"interval": seconds} into the queue and waits there for {"init": ...}; from then on
the dictionary is filled anew each tick and the event is set.
"""

import json
import os
import queue
import socket
import sys
import threading
import time
from multiprocessing.managers import SyncManager

OTHER_VERSION = "3.1.4"
TICK_S = 0.05


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
