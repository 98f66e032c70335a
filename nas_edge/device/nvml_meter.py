"""The NVML meter: GPU memory of a process, power, energy, utilisation, temperature, throttling.

Each channel is tried once when the meter is opened and left out where this GPU, driver or container
refuses it.
"""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence

from nas_edge.device.bounded_calls import BoundedCalls, CallHung
from nas_edge.device.meter import (
    ENERGY,
    GPU_MEMORY,
    OPEN_TIMEOUT_S,
    POWER,
    TEMPERATURE,
    THROTTLED,
    UTILISATION,
    Channel,
    MeterProblem,
)
from nas_edge.device.nvml import Nvml, NvmlLost, open_nvml
from nas_edge.device.nvml_gpu import NvmlGpu, find_gpu
from nas_edge.device.nvml_processes import process_bytes
from nas_edge.device.torch_gpu import TorchGpu, current_gpu

INTERVAL_S = 0.1  # the driver itself refreshes power and utilisation no faster
READ_TIMEOUT_S = 2.0
COST_SHARE = 0.003  # of one core: where the driver answers slowly, the interval grows

_TEMPERATURE = ("nvmlDeviceGetTemperatureV", "nvmlDeviceGetTemperature")
_SLOWED = (
    "nvmlDeviceGetCurrentClocksEventReasons",
    "nvmlDeviceGetCurrentClocksThrottleReasons",
)
_SLOWED_FOR = (
    "nvmlClocksThrottleReasonHwSlowdown",
    "nvmlClocksThrottleReasonSwThermalSlowdown",
    "nvmlClocksThrottleReasonHwThermalSlowdown",
    "nvmlClocksThrottleReasonHwPowerBrakeSlowdown",
)
_NOT_AVAILABLE = (2**32 - 1, 2**64 - 1)  # NVML_VALUE_NOT_AVAILABLE of 32 and 64 bits


class Reading(NamedTuple):
    """A channel and what reads it; None where it cannot be read now."""

    name: str
    channel: Channel
    read: Callable[[], Optional[float]]


class NvmlMeter:
    """One GPU or MIG instance, as the driver sees it; opened by `open_nvml_meter`.

    A reading waits at most `READ_TIMEOUT_S`; a driver that hangs longer counts as lost.
    ``interval_s`` grows where readings are dear.
    """

    name = "nvml"

    def __init__(
        self, nvml: Nvml, readings: List[Reading], facts: Mapping[str, str], calls: BoundedCalls
    ) -> None:
        self.interval_s = INTERVAL_S
        self.channels: Mapping[str, Channel] = {r.name: r.channel for r in readings}
        self.facts = facts
        self.problem = ""
        self._nvml = nvml
        self._readings = readings
        self._calls = calls
        self._is_closed = False

    def read(self) -> Mapping[str, float]:
        """Return the channels that can be read now."""
        if self.problem or self._is_closed:
            return {}
        try:
            values = self._calls.call(self._read_all, READ_TIMEOUT_S)
        except CallHung:
            self.problem = _hung(READ_TIMEOUT_S)
            return {}
        except NvmlLost as err:
            self.problem = str(err)
            return {}
        # Who reads a meter sees the cost of his own thread only, and this was another's.
        self.interval_s = max(INTERVAL_S, self._calls.cost_s / COST_SHARE)
        if not values:
            self.problem = f"NVML: no channel can be read any more ({self._nvml.last_refusal})"
        return values

    def exact_peaks(self) -> Mapping[str, float]:
        """Return nothing: the driver keeps no peaks."""
        return {}

    def close(self) -> None:
        """Shut NVML down; may be called again."""
        if self._is_closed:
            return
        self._is_closed = True
        _shut_down(self._nvml, self._calls)

    def _read_all(self) -> Dict[str, float]:
        values = {reading.name: reading.read() for reading in self._readings}
        return {name: float(value) for name, value in values.items() if value is not None}


def open_nvml_meter(gpu: Optional[TorchGpu] = None, pid: Optional[int] = None) -> NvmlMeter:
    """Return a meter of the GPU that torch uses.

    Args:
        gpu: The GPU; torch's current one where it is not given.
        pid: The process whose GPU memory is read; this one where it is not given. Where its CUDA
            context is set up before, a container's process can be told from others.
    Raises:
        MeterProblem: If NVML or the GPU cannot be had: one line, with what mends it.
    """
    gpu = current_gpu() if gpu is None else gpu
    pid = os.getpid() if pid is None else pid
    calls = BoundedCalls("nvml")
    opened: List[Nvml] = []
    try:
        return calls.call(lambda: _open(gpu, pid, calls, opened), OPEN_TIMEOUT_S)
    except CallHung:
        raise MeterProblem(_hung(OPEN_TIMEOUT_S)) from None
    except (MeterProblem, NvmlLost) as err:
        for nvml in opened:
            _shut_down(nvml, calls)
        calls.close()
        raise MeterProblem(str(err)) from err


def _open(gpu: TorchGpu, pid: int, calls: BoundedCalls, opened: List[Nvml]) -> NvmlMeter:
    nvml = open_nvml()
    opened.append(nvml)
    found = find_gpu(nvml, gpu, pid)
    driver = nvml.ask("nvmlSystemGetDriverVersion")
    version = f"NVML, driver {driver}" if driver else "NVML"
    readings = [
        *_memory(nvml, found, gpu, pid, version),
        *_of_the_chip(nvml, found.handle, version),
    ]
    if found.is_mig:  # its heat is the whole GPU's; its share of the power nobody tells
        have = {reading.name for reading in readings}
        of_all = _of_the_chip(nvml, found.whole, f"{version}: of the whole GPU")
        readings += [r for r in of_all if r.name in (TEMPERATURE, THROTTLED) and r.name not in have]
    if not readings:
        raise MeterProblem(f"NVML: {gpu.name} answers no call ({nvml.last_refusal})")
    return NvmlMeter(nvml, readings, _facts(nvml, found, driver), calls)


def _memory(nvml: Nvml, found: NvmlGpu, gpu: TorchGpu, pid: int, version: str) -> List[Reading]:
    """Return the process's memory, else the growth of the whole GPU's, else nothing."""

    def own() -> Optional[float]:
        return process_bytes(nvml, found.handle, pid, gpu.index)

    def of_all() -> Optional[float]:
        memory = nvml.ask("nvmlDeviceGetMemoryInfo", found.handle)
        return None if memory is None else float(memory.used)

    if own() is not None:
        source = f"{version}: memory of the process, its CUDA context included"
        return [Reading(GPU_MEMORY, Channel("bytes", source), own)]
    # An integrated GPU has no memory of its own that could grow.
    if gpu.is_integrated or of_all() is None:
        return []
    whole = "MIG instance" if found.is_mig else "GPU"
    source = (
        f"{version}: growth of the whole {whole}'s used memory, other processes included, because "
        "this process's own cannot be told here"
    )
    return [Reading(GPU_MEMORY, Channel("bytes", source, over_baseline=True), of_all)]


def _of_the_chip(nvml: Nvml, handle: Any, version: str) -> List[Reading]:
    """Return the channels of a GPU or MIG instance that answer now."""
    client = nvml.client
    slowed_for = sum(getattr(client, name) for name in _SLOWED_FOR)

    def number(names: Sequence[str], *arguments: Any) -> Optional[int]:
        answer = nvml.ask_first(names, handle, *arguments)
        return None if answer is None or answer in _NOT_AVAILABLE else int(answer)

    def power() -> Optional[float]:
        return _scaled(number(["nvmlDeviceGetPowerUsage"]), 1e-3)

    def energy() -> Optional[float]:
        return _scaled(number(["nvmlDeviceGetTotalEnergyConsumption"]), 1e-3)

    def utilisation() -> Optional[float]:
        rates = nvml.ask("nvmlDeviceGetUtilizationRates", handle)
        return None if rates is None else rates.gpu / 100

    def temperature() -> Optional[float]:
        return number(_TEMPERATURE, client.NVML_TEMPERATURE_GPU)

    def throttled() -> Optional[float]:
        reasons = number(_SLOWED)
        return None if reasons is None else float(bool(reasons & slowed_for))

    def channel(unit: str, what: str, *, is_counter: bool = False) -> Channel:
        return Channel(unit, f"{version}: {what}", is_counter=is_counter)

    readings = [
        Reading(POWER, channel("W", "power draw of the board"), power),
        Reading(ENERGY, channel("J", "energy counter of the board", is_counter=True), energy),
        Reading(UTILISATION, channel("share", "time in which a kernel ran"), utilisation),
        Reading(TEMPERATURE, channel("celsius", "GPU sensor"), temperature),
        Reading(THROTTLED, channel("share", "slowed for heat or by the power brake"), throttled),
    ]
    return [reading for reading in readings if reading.read() is not None]


def _scaled(number: Optional[int], factor: float) -> Optional[float]:
    return None if number is None else number * factor


def _facts(nvml: Nvml, found: NvmlGpu, driver: Optional[str]) -> Dict[str, str]:
    name = nvml.ask("nvmlDeviceGetName", found.handle)
    limit_mw = nvml.ask("nvmlDeviceGetEnforcedPowerLimit", found.whole)
    facts = {
        "nvml_driver": driver,
        "nvml_gpu": name,
        "gpu_power_limit": None if limit_mw is None else f"{limit_mw / 1000:g} W",
    }
    return {key: str(value) for key, value in facts.items() if value}


def _shut_down(nvml: Nvml, calls: BoundedCalls) -> None:
    try:
        calls.call(nvml.shut_down, READ_TIMEOUT_S)
    except CallHung:
        return  # its thread sits in the driver and cannot be ended
    finally:
        calls.close()


def _hung(waited_s: float) -> str:
    return (
        f"NVML: the driver did not answer within {waited_s:g} s; see whether `nvidia-smi` does, "
        "and reboot if not"
    )
