"""The meter of a Jetson board: what jetson-stats (jtop) tells about memory, power and heat.

Enters: jtop's client (jtop_client.py). Leaves: the channels of meter.py. The board's figures are of
everything that runs on it. GPU memory is this process's, and is not in its resident memory.

``used`` of jtop's RAM is MemTotal - MemFree - Buffers - Cached in 4.3 and 7.2: memory of the GPU
and reclaimable slabs count as used, the page cache and shared memory (tmpfs) do not.

Throttling is no channel: no version of jtop sends it.
"""

from __future__ import annotations

import math
import os
import time
from functools import partial
from typing import Any, Callable, Dict, Mapping, Optional

from nas_edge.device import jtop_client
from nas_edge.device.meter import (
    BOARD_MEMORY,
    BOARD_RAM_FRACTION,
    GPU_MEMORY,
    OPEN_TIMEOUT_S,
    POWER,
    TEMPERATURE,
    UTILISATION,
    Channel,
)

# jtop's own client gives up after three ticks without data, too.
STALE_TICKS = 3
OFFLINE_CELSIUS = -256  # what jtop writes for a sensor that does not answer
HOST_PIDS = "pid:[4026531836]"  # the first PID namespace: PROC_PID_INIT_INO of the kernel

Reader = Callable[[Any], Optional[float]]


def open_jetson_meter(
    pid: Optional[int] = None, *, timeout_s: float = OPEN_TIMEOUT_S
) -> JetsonMeter:
    """Return the meter of this board, with its first data.

    Args:
        pid: The process whose GPU memory is read; this one by default.
        timeout_s: How long the service may take to answer.
    Raises:
        MeterProblem: One line with what is wrong and the command that mends it.
    """
    version = str(jtop_client.import_jtop().__version__)
    client = jtop_client.connect(jtop_client.TICK_S, timeout_s)
    return JetsonMeter(client, version, os.getpid() if pid is None else pid)


class JetsonMeter:
    """An open meter over jtop's client; see `nas_edge.device.meter.Meter`.

    Once the service is lost or sends nothing new, ``problem`` says so and `read` returns nothing;
    a service that was only held up is read again.
    """

    name = "jetson"

    def __init__(
        self,
        client: Any,
        version: str,
        pid: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.problem = ""
        self.interval_s: float = client.interval if client.interval > 0 else jtop_client.TICK_S
        self._stale_after_s = STALE_TICKS * max(self.interval_s, client.interval_user)
        self._client = client
        self._clock = clock
        self._tick: Any = None
        self._ticked_at = clock()
        client.attach(self._on_data)
        self._readers = _readers(client, pid if shares_host_pids() else None)
        self.channels: Mapping[str, Channel] = _channels(self._readers, version, rail_name(client))
        self.facts: Mapping[str, str] = _facts(client, version, GPU_MEMORY in self.channels)

    def read(self) -> Mapping[str, float]:
        """Return what the last tick of the service brought."""
        if self._client is None:
            return {}
        self.problem = self._fault()
        return {} if self.problem else _read_all(self._readers, self._client)

    def exact_peaks(self) -> Mapping[str, float]:
        """Return nothing: jtop keeps no peaks."""
        return {}

    def close(self) -> None:
        """Leave the service; never waits for it."""
        client, self._client = self._client, None
        if client is not None:
            client.detach(self._on_data)
            jtop_client.close(client)

    def _on_data(self, client: Any) -> None:
        """Note when something new came; the client calls this for repeated data, too."""
        tick = client.uptime
        if tick != self._tick:
            self._tick, self._ticked_at = tick, self._clock()

    def _fault(self) -> str:
        """Return why the figures are not to be trusted, "" if they are."""
        try:
            is_running = self._client.ok(spin=True)
        except Exception as err:  # the client's thread keeps what ended it, and raises it here
            return f"jtop's service was lost ({type(err).__name__}): {jtop_client.RESTART}"
        if not is_running:
            return f"jtop's client has stopped: {jtop_client.RESTART}"
        silent_s = self._clock() - self._ticked_at
        if silent_s > self._stale_after_s:
            return (
                f"jtop's service has sent nothing new for {silent_s:.1f} s: {jtop_client.RESTART}"
            )
        return ""


def shares_host_pids() -> bool:
    """Return whether this process's number is the one that a service on the host sees."""
    try:
        return os.readlink("/proc/self/ns/pid") == HOST_PIDS
    except OSError:
        return False


def gpu_memory_bytes(pid: int, client: Any) -> Optional[float]:
    """Return a process's GPU memory, None while the service lists none for it.

    Rows end in RSS, GPU memory in kB, and name. A process may have several, one for each
    allocator it opened. (RSS is not used: in pages up to 4.3.2, in kB later.)
    """
    rows = [row[-2] for row in client.processes if int(row[0]) == pid]
    return float(sum(rows) * 1024) if rows else None


def board_memory_bytes(client: Any) -> float:
    """Return the memory in use on the whole board."""
    return float(client.memory["RAM"]["used"] * 1024)


def board_ram_fraction(client: Any) -> float:
    """Return the share of the board's RAM in use: what ``stats['RAM']`` is from jtop 4.2 on."""
    ram = client.memory["RAM"]
    return float(ram["used"] / ram["tot"])


def rail_name(client: Any) -> str:
    """Return which rail the total power is of, "" if the service has no power sensor."""
    total = client.power.get("tot") if client.power else None
    return str(total.get("name", "sum of all rails")) if total else ""


def power_w(rail: str, client: Any) -> Optional[float]:
    """Return the board's power, None in a tick without the rail.

    A main rail that could not be read is silently replaced by the sum of the others in jtop: the
    name tells.
    """
    if rail_name(client) != rail:
        return None
    return float(client.power["tot"]["power"] / 1000)


def hottest_celsius(client: Any) -> Optional[float]:
    """Return the temperature of the hottest sensor that is online, None if none is."""
    online = [
        sensor["temp"]
        for sensor in client.temperature.values()
        if sensor.get("online", True) and sensor["temp"] > OFFLINE_CELSIUS
    ]
    return float(max(online)) if online else None


def gpu_load(client: Any) -> Optional[float]:
    """Return the load of the first GPU that tells it, as a share."""
    loads = [gpu["status"]["load"] for gpu in client.gpu.values() if "load" in gpu["status"]]
    return float(loads[0] / 100) if loads else None


def _readers(client: Any, pid: Optional[int]) -> Dict[str, Reader]:
    """Return how to read each channel that this board has."""
    wanted: Dict[str, Reader] = {
        BOARD_MEMORY: board_memory_bytes,
        BOARD_RAM_FRACTION: board_ram_fraction,
        TEMPERATURE: hottest_celsius,
        UTILISATION: gpu_load,
    }
    if rail_name(client):
        wanted[POWER] = partial(power_w, rail_name(client))
    found = _read_all(wanted, client)
    readers = {name: reader for name, reader in wanted.items() if name in found}
    if pid is not None:  # listed only once it uses the GPU
        readers[GPU_MEMORY] = partial(gpu_memory_bytes, pid)
    return readers


def _read_all(readers: Mapping[str, Reader], client: Any) -> Dict[str, float]:
    values = {}
    for name, reader in readers.items():
        try:
            value = reader(client)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
            continue  # a field that this board or this version of jtop does not send
        if value is not None and math.isfinite(value):
            values[name] = value
    return values


def _channels(readers: Mapping[str, Reader], version: str, rail: str) -> Dict[str, Channel]:
    """Return what each channel is; the sources name jtop's version."""
    jtop = f"jtop {version}"
    known = {
        GPU_MEMORY: Channel("bytes", f"{jtop} GPU memory of the process"),
        BOARD_MEMORY: Channel(
            "bytes", f"{jtop} RAM used on the whole board (without buffers and cache)"
        ),
        BOARD_RAM_FRACTION: Channel("share", f"{jtop} RAM fraction of the whole board"),
        POWER: Channel("W", f"{jtop} power, {rail}"),
        TEMPERATURE: Channel("celsius", f"{jtop} hottest sensor"),
        UTILISATION: Channel("share", f"{jtop} GPU load"),
    }
    return {name: known[name] for name in known if name in readers}


def _facts(client: Any, version: str, has_gpu_memory: bool) -> Dict[str, str]:
    """Return the board's constants that jtop knows."""
    hardware = client.board.get("hardware", {})
    model = client.nvpmodel
    facts = {
        "jtop": version,
        "board": str(hardware.get("Model", "")),
        "module": str(hardware.get("Module", "")),
        "jetpack": str(hardware.get("Jetpack", "")),
        "l4t": str(hardware.get("L4T", "")),
        "nvpmodel": "" if model is None else str(model.name),
        "power_rail": rail_name(client),
    }
    if not has_gpu_memory:
        facts["gpu_memory"] = (
            "not measured by jtop: this process is in a PID namespace of its own, and the service "
            "knows the host's numbers (start the container with --pid=host)"
        )
    return {name: text for name, text in facts.items() if text}
