"""A driver for the real NVML client: pynvml's own code runs, over functions that answer from here.

``pynvml.nvmlLib``, the loaded C library, is replaced by an object whose attributes are C callbacks:

    with simulated_nvml([Gpu()]) as driver:
        driver.gpus[0].power_mw = 151_250
        driver.refuse("nvmlDeviceGetTemperature")  # not supported from now on
"""

from __future__ import annotations

import contextlib
import os
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple
from unittest import mock

import pynvml
from simulated_nvml_library import FUNCTIONS, Driver, Gpu, Library, Row

from nas_edge.device import nvml_processes
from nas_edge.device.meter import (
    ENERGY,
    GPU_MEMORY,
    POWER,
    TEMPERATURE,
    THROTTLED,
    UTILISATION,
)
from nas_edge.device.nvml_meter import NvmlMeter, open_nvml_meter
from nas_edge.device.sampling import Sampler
from nas_edge.device.torch_gpu import TorchGpu

__all__ = ["FUNCTIONS", "Driver", "Gpu", "Row"]

MIB = 2**20
EVERY_CHANNEL = {GPU_MEMORY, POWER, ENERGY, UTILISATION, TEMPERATURE, THROTTLED}


@contextlib.contextmanager
def simulated_nvml(
    gpus: Optional[List[Gpu]] = None, *, in_container: bool = False
) -> Iterator[Driver]:
    """Let pynvml speak to a simulated driver; give the `Driver`.

    ``in_container``: whether process ids are counted anew here, wherever the tests themselves run.
    """
    driver = Driver([Gpu()] if gpus is None else gpus)
    numbering = mock.patch.object(
        nvml_processes, "pids_are_the_drivers", return_value=not in_container
    )
    with _client_state(Library(driver)), numbering:
        try:
            yield driver
        finally:
            driver.released.set()


def as_torch_sees(gpu: Gpu, **changes: Any) -> TorchGpu:
    """Return what a recent torch says of a GPU, with changes."""
    seen: Dict[str, Any] = {
        "index": 0,
        "name": gpu.name,
        "total_bytes": gpu.total_bytes,
        "is_integrated": False,
        "uuid": gpu.uuid.partition("-")[2],
        "pci_bus_id": gpu.pci_bus_id,
    }
    return TorchGpu(**{**seen, **changes})


def busy_gpu(**changes):
    """Return a GPU with a figure for every channel, on which this process is listed."""
    told = {
        "power_mw": 61_250,
        "energy_mj": 7_500_500,
        "utilisation_percent": 83,
        "temperature_c": 71,
        "compute": [Row(os.getpid(), 640 * MIB), Row(os.getpid() + 1, 900 * MIB)],
    }
    return Gpu(**{**told, **changes})


def read_once(gpu, **changes):
    """Return a meter's values and the closed meter."""
    meter = open_nvml_meter(as_torch_sees(gpu, **changes))
    values = meter.read()
    meter.close()
    return values, meter


def assert_growth_of_the_whole_gpu(meter, gpu, whole="whole GPU"):
    """Hold a meter to it: its figure is the device's, over a baseline, and its source says so."""
    channel = meter.channels[GPU_MEMORY]
    assert channel.over_baseline
    assert f"growth of the {whole}" in channel.source
    assert "other processes included" in channel.source
    sampler = Sampler([meter])
    sampler.start()
    gpu.used_bytes += 70 * MIB
    lap = sampler.stop()
    assert lap.levels[GPU_MEMORY].peak == 70 * MIB


@contextlib.contextmanager
def open_meter_and_breaker() -> Iterator[Tuple[NvmlMeter, Callable[[], None]]]:
    """Give an open meter with every channel, and what makes its GPU fall off the bus."""
    gpu = busy_gpu()
    with simulated_nvml([gpu]) as driver:
        meter = open_nvml_meter(as_torch_sees(gpu))
        try:
            yield meter, driver.lose_gpu
        finally:
            meter.close()


@contextlib.contextmanager
def missing_library() -> Iterator[None]:
    """Let pynvml look for a library that is not on this machine."""

    def load(name: str) -> Any:
        raise OSError(f"{name}: cannot open shared object file: No such file or directory")

    with _client_state(None), mock.patch.object(pynvml, "CDLL", load):
        yield


@contextlib.contextmanager
def _client_state(library: Any) -> Iterator[None]:
    """Give the client another library, and forget the functions that it found in the last one."""
    with mock.patch.object(pynvml, "nvmlLib", library), mock.patch.object(
        pynvml, "_nvmlGetFunctionPointer_cache", {}
    ):
        yield
