"""The functions of NVML's C library, answering from what a `Driver` was told.

They are C callbacks: they read arguments and fill structures as the driver's do, so that all of
pynvml's own code runs over them. simulated_nvml.py puts them into pynvml's hands.
"""

from __future__ import annotations

import ctypes
import threading
from ctypes import POINTER, c_char_p, c_int, c_uint, c_ulonglong, c_void_p
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Set

import pynvml

NOT_AVAILABLE = 2**64 - 1  # what the driver writes where it does not know a process's memory
NO_INSTANCE = 2**32 - 1


class Row(NamedTuple):
    """A process on a GPU; ``used_bytes`` None is "N/A"."""

    pid: int
    used_bytes: Optional[int]
    gpu_instance: int = NO_INSTANCE
    compute_instance: int = NO_INSTANCE


@dataclass
class Gpu:
    """What one GPU, or one MIG instance, answers."""

    name: str = "NVIDIA RTX A2000"
    uuid: str = "GPU-11111111-2222-3333-4444-555555555555"
    pci_bus_id: str = "00000000:65:00.0"
    total_bytes: int = 12 * 2**30
    used_bytes: int = 3 * 2**30
    power_mw: int = 0
    energy_mj: int = 0
    utilisation_percent: int = 0
    temperature_c: int = 0
    clock_reasons: int = 0
    power_limit_mw: int = 70_000
    compute: List[Row] = field(default_factory=list)
    graphics: List[Row] = field(default_factory=list)
    mig_mode: Optional[tuple] = None  # (now, after a reset); None: this chip has no MIG
    instances: List[Optional[Gpu]] = field(default_factory=list)  # None: an unused place
    unsupported: Set[str] = field(default_factory=set)  # calls that this one alone refuses
    is_lost: bool = False


@dataclass
class Driver:
    """The whole library. ``missing`` names functions that an older driver does not have."""

    gpus: List[Gpu] = field(default_factory=list)
    refused: Dict[str, int] = field(default_factory=dict)  # by function, the error
    missing: Set[str] = field(default_factory=set)
    version: str = "550.54.14"
    calls: List[str] = field(default_factory=list)
    num_open: int = 0  # nvmlInit less nvmlShutdown
    hangs: bool = False
    released: threading.Event = field(default_factory=threading.Event)

    def refuse(self, function: str, error: int = pynvml.NVML_ERROR_NOT_SUPPORTED) -> None:
        """Let a function answer with an error from now on."""
        self.refused[function] = error

    def lose_gpu(self) -> None:
        """Let every GPU fall off the bus."""
        for gpu in self.gpus:
            gpu.is_lost = True

    def every_gpu(self) -> Iterator[Gpu]:
        """Yield GPUs and MIG instances; the position is the handle."""
        for gpu in self.gpus:
            yield gpu
            yield from (instance for instance in gpu.instances if instance is not None)

    def handle_of(self, wanted: Gpu) -> int:
        """Return the handle, which is never 0."""
        return 1 + next(i for i, gpu in enumerate(self.every_gpu()) if gpu is wanted)

    def gpu_at(self, handle: int) -> Gpu:
        """Return what has this handle."""
        return list(self.every_gpu())[handle - 1]


class _Refusal(Exception):
    """A function ends with this error."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def _put(address: int, kind: Any, value: Any) -> None:
    ctypes.cast(address, POINTER(kind))[0] = value


def _put_text(address: int, length: int, text: str) -> None:
    encoded = text.encode() + b"\0"
    if len(encoded) > length:
        raise _Refusal(pynvml.NVML_ERROR_INSUFFICIENT_SIZE)
    ctypes.memmove(address, encoded, len(encoded))


# Each function's name, the types of its arguments, and what it does with them.
_FUNCTIONS: Dict[str, tuple] = {}


def _function(name: str, *types: Any) -> Callable[[Callable], Callable]:
    def add(body: Callable) -> Callable:
        _FUNCTIONS[name] = (types, body)
        return body

    return add


@_function("nvmlInitWithFlags", c_uint)
def _init(driver, flags):
    driver.num_open += 1


@_function("nvmlShutdown")
def _shutdown(driver):
    if not driver.num_open:
        raise _Refusal(pynvml.NVML_ERROR_UNINITIALIZED)
    driver.num_open -= 1


@_function("nvmlSystemGetDriverVersion", c_void_p, c_uint)
def _driver_version(driver, text, length):
    _put_text(text, length, driver.version)


@_function("nvmlSystemGetNVMLVersion", c_void_p, c_uint)
def _nvml_version(driver, text, length):
    _put_text(text, length, f"12.{driver.version}")


@_function("nvmlDeviceGetCount_v2", c_void_p)
def _count(driver, count):
    _put(count, c_uint, len(driver.gpus))


@_function("nvmlDeviceGetHandleByIndex_v2", c_uint, c_void_p)
def _by_index(driver, index, device):
    if index >= len(driver.gpus):
        raise _Refusal(pynvml.NVML_ERROR_INVALID_ARGUMENT)
    _give(driver, device, driver.gpus[index])


@_function("nvmlDeviceGetHandleByUUID", c_char_p, c_void_p)
def _by_uuid(driver, uuid, device):
    _give(driver, device, *(gpu for gpu in driver.every_gpu() if gpu.uuid == uuid.decode()))


@_function("nvmlDeviceGetHandleByPciBusId_v2", c_char_p, c_void_p)
def _by_pci(driver, bus_id, device):
    wanted = _bus_numbers(bus_id.decode())
    _give(driver, device, *(g for g in driver.gpus if _bus_numbers(g.pci_bus_id) == wanted))


def _bus_numbers(text):
    return [int(part, 16) for part in text.replace(".", ":").split(":")]


def _give(driver, device, *found):
    if not found:
        raise _Refusal(pynvml.NVML_ERROR_NOT_FOUND)
    if found[0].is_lost:
        raise _Refusal(pynvml.NVML_ERROR_GPU_IS_LOST)
    _put(device, c_void_p, driver.handle_of(found[0]))


def _of_gpu(name: str, *types: Any) -> Callable[[Callable], Callable]:
    """Declare a function whose first argument is a handle; its body gets the `Gpu`."""

    def add(body: Callable) -> Callable:
        def checked(driver, handle, *arguments):
            gpu = driver.gpu_at(handle)
            if gpu.is_lost:
                raise _Refusal(pynvml.NVML_ERROR_GPU_IS_LOST)
            if name in gpu.unsupported:
                raise _Refusal(pynvml.NVML_ERROR_NOT_SUPPORTED)
            body(driver, gpu, *arguments)

        return _function(name, c_void_p, *types)(checked)

    return add


@_of_gpu("nvmlDeviceGetName", c_void_p, c_uint)
def _name(driver, gpu, text, length):
    _put_text(text, length, gpu.name)


@_of_gpu("nvmlDeviceGetUUID", c_void_p, c_uint)
def _uuid(driver, gpu, text, length):
    _put_text(text, length, gpu.uuid)


@_of_gpu("nvmlDeviceGetPciInfo_v3", c_void_p)
def _pci(driver, gpu, info):
    struct = ctypes.cast(info, POINTER(pynvml.nvmlPciInfo_t)).contents
    struct.domain, struct.bus, struct.device, _ = _bus_numbers(gpu.pci_bus_id)
    struct.busId = gpu.pci_bus_id.encode()


@_of_gpu("nvmlDeviceGetMemoryInfo", c_void_p)
def _memory(driver, gpu, info):
    struct = ctypes.cast(info, POINTER(pynvml.c_nvmlMemory_t)).contents
    struct.total, struct.used = gpu.total_bytes, gpu.used_bytes
    struct.free = gpu.total_bytes - gpu.used_bytes


@_of_gpu("nvmlDeviceGetPowerUsage", c_void_p)
def _power(driver, gpu, milliwatts):
    _put(milliwatts, c_uint, gpu.power_mw)


@_of_gpu("nvmlDeviceGetEnforcedPowerLimit", c_void_p)
def _power_limit(driver, gpu, milliwatts):
    _put(milliwatts, c_uint, gpu.power_limit_mw)


@_of_gpu("nvmlDeviceGetTotalEnergyConsumption", c_void_p)
def _energy(driver, gpu, millijoules):
    _put(millijoules, c_ulonglong, gpu.energy_mj)


@_of_gpu("nvmlDeviceGetUtilizationRates", c_void_p)
def _utilisation(driver, gpu, rates):
    struct = ctypes.cast(rates, POINTER(pynvml.c_nvmlUtilization_t)).contents
    struct.gpu, struct.memory = gpu.utilisation_percent, 0


@_of_gpu("nvmlDeviceGetTemperature", c_uint, c_void_p)
def _temperature(driver, gpu, sensor, celsius):
    assert sensor == pynvml.NVML_TEMPERATURE_GPU
    _put(celsius, c_uint, gpu.temperature_c)


@_of_gpu("nvmlDeviceGetTemperatureV", c_void_p)
def _temperature_v(driver, gpu, info):
    struct = ctypes.cast(info, POINTER(pynvml.c_nvmlTemperature_v1_t)).contents
    assert struct.sensorType == pynvml.NVML_TEMPERATURE_GPU
    struct.temperature = gpu.temperature_c


@_of_gpu("nvmlDeviceGetCurrentClocksEventReasons", c_void_p)
def _event_reasons(driver, gpu, reasons):
    _put(reasons, c_ulonglong, gpu.clock_reasons)


@_of_gpu("nvmlDeviceGetCurrentClocksThrottleReasons", c_void_p)
def _throttle_reasons(driver, gpu, reasons):
    _put(reasons, c_ulonglong, gpu.clock_reasons)


@_of_gpu("nvmlDeviceGetMigMode", c_void_p, c_void_p)
def _mig_mode(driver, gpu, now, pending):
    if gpu.mig_mode is None:
        raise _Refusal(pynvml.NVML_ERROR_NOT_SUPPORTED)
    _put(now, c_uint, gpu.mig_mode[0])
    _put(pending, c_uint, gpu.mig_mode[1])


@_of_gpu("nvmlDeviceGetMaxMigDeviceCount", c_void_p)
def _max_instances(driver, gpu, count):
    _put(count, c_uint, len(gpu.instances))


@_of_gpu("nvmlDeviceGetMigDeviceHandleByIndex", c_uint, c_void_p)
def _instance(driver, gpu, index, device):
    _give(driver, device, *(one for one in gpu.instances[index : index + 1] if one is not None))


@_of_gpu("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", c_void_p)
def _whole(driver, gpu, device):
    _give(
        driver, device, *(whole for whole in driver.gpus if any(gpu is i for i in whole.instances))
    )


class _RowStruct(ctypes.Structure):
    """The driver's own layout of a process's row (nvmlProcessInfo_v2_t of nvml.h)."""

    _fields_ = [
        ("pid", c_uint),
        ("used", c_ulonglong),
        ("gpu_instance", c_uint),
        ("compute_instance", c_uint),
    ]


def _put_rows(rows, count, table):
    room = ctypes.cast(count, POINTER(c_uint))[0]
    _put(count, c_uint, len(rows))
    if room < len(rows):
        raise _Refusal(pynvml.NVML_ERROR_INSUFFICIENT_SIZE)
    for index, row in enumerate(rows):
        used = NOT_AVAILABLE if row.used_bytes is None else row.used_bytes
        ctypes.cast(table, POINTER(_RowStruct))[index] = _RowStruct(
            row.pid, used, row.gpu_instance, row.compute_instance
        )


for _version in ("_v2", "_v3"):

    @_of_gpu(f"nvmlDeviceGetComputeRunningProcesses{_version}", c_void_p, c_void_p)
    def _compute(driver, gpu, count, table):
        _put_rows(gpu.compute, count, table)

    @_of_gpu(f"nvmlDeviceGetGraphicsRunningProcesses{_version}", c_void_p, c_void_p)
    def _graphics(driver, gpu, count, table):
        _put_rows(gpu.graphics, count, table)


FUNCTIONS = tuple(_FUNCTIONS)


class Library:
    """Stands where ctypes' library object stood: each attribute is a C function."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        # Kept: a C callback dies with its Python object, and the client may still hold it.
        self._made = {name: self._make(name) for name in _FUNCTIONS}
        text = self._text = ctypes.create_string_buffer(b"an error that the client does not know")
        error_text = ctypes.CFUNCTYPE(c_void_p, c_int)  # as c_char_p, ctypes would leak each text
        self._made["nvmlErrorString"] = error_text(lambda code: ctypes.addressof(text))

    def __getattr__(self, name: str) -> Any:
        if name in self._driver.missing or name not in self._made:
            raise AttributeError(name)  # as ctypes does for a symbol that the library lacks
        return self._made[name]

    def _make(self, name: str) -> Any:
        types, body = _FUNCTIONS[name]
        driver = self._driver

        def answer(*arguments):
            driver.calls.append(name)
            if driver.hangs:
                driver.released.wait()
            if name in driver.refused:
                return driver.refused[name]
            if not driver.num_open and name != "nvmlInitWithFlags":
                return pynvml.NVML_ERROR_UNINITIALIZED
            try:
                body(driver, *arguments)
            except _Refusal as refusal:
                return refusal.code
            return pynvml.NVML_SUCCESS

        return ctypes.CFUNCTYPE(c_int, *types)(answer)
