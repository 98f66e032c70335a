"""The meters that test_meter_contract.py holds to the contract, each over a device it can break.

To add one: write a context manager that yields a `Bench`, and add a line to `METERS`. Where what a
bench needs is not installed, it calls pytest.skip.
"""

import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Callable, ContextManager, Iterator, Optional, Tuple

import pytest
import simulated_jtop
import simulated_nvml
from simulated_cuda import simulated_cuda

from nas_edge.device.cuda_meter import CUDA_ALLOCATED, open_cuda_meter
from nas_edge.device.meter import MEMORY_TAKEN, PROCESS_MEMORY, Meter
from nas_edge.device.nvml_meter import open_nvml_meter
from nas_edge.device.process_meter import open_process_meter
from nas_edge.device.system_meter import open_system_meter


@dataclass(frozen=True)
class Bench:
    """An open meter and its device.

    Args:
        meter: Fresh from its opener; the bench closes it in the end.
        break_device: Makes the device fail for good, as it fails in the field.
        memory: For a meter of memory, its channel, and what makes the device hold so many bytes
            more than before.
    """

    meter: Meter
    break_device: Callable[[], None]
    memory: Optional[Tuple[str, Callable[[int], None]]] = None


@dataclass(frozen=True)
class MeterUnderTest:
    """A meter's bench, and what opens the meter where its device is missing."""

    name: str
    bench: Callable[[], ContextManager[Bench]]
    open_missing: Callable[[], Meter]


HOLDER = """
import sys
print(flush=True)
held = []
for line in sys.stdin:
    held.append(bytearray(b"x") * int(line))
    print(flush=True)
"""


@contextmanager
def process_bench() -> Iterator[Bench]:
    """A Python of its own, which allocates what it is told to, and is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        meter = open_process_meter(process.pid)

        def hold(num_bytes: int) -> None:
            process.stdin.write(f"{num_bytes}\n".encode())
            process.stdin.flush()
            process.stdout.readline()

        def kill() -> None:
            process.kill()
            process.wait()

        yield Bench(meter, kill, (PROCESS_MEMORY, hold))
        meter.close()
        kill()


@contextmanager
def system_bench() -> Iterator[Bench]:
    """A machine of 8 GiB that only this test uses: on the real one others come and go."""
    machine = {"taken": 3 * 2**30}
    meter = open_system_meter(lambda: machine["taken"])

    def hold(num_bytes: int) -> None:
        machine["taken"] += num_bytes

    yield Bench(meter, machine.clear, (MEMORY_TAKEN, hold))
    meter.close()


def no_process() -> Meter:
    return open_process_meter(2**22 + 1)  # above the highest id of Linux and macOS


def no_proc() -> Meter:
    def refuse() -> int:
        raise FileNotFoundError(2, "No such file or directory", "/proc/meminfo")

    return open_system_meter(refuse)


@contextmanager
def cuda_bench() -> Iterator[Bench]:
    """A simulated GPU whose driver fails; its allocator is the simulation's."""
    with simulated_cuda() as cuda:
        meter = open_cuda_meter()
        yield Bench(meter, cuda.break_down, (CUDA_ALLOCATED, cuda.gpu.allocate))
        meter.close()


def no_gpu() -> Meter:
    with simulated_cuda([]):
        return open_cuda_meter()


@contextmanager
def nvml_bench() -> Iterator[Bench]:
    """A simulated GPU that falls off the bus; the client is the real one."""
    with simulated_nvml.open_meter_and_breaker() as (meter, break_device):
        yield Bench(meter, break_device)


def no_nvml() -> Meter:
    with simulated_nvml.missing_library():
        return open_nvml_meter(simulated_nvml.as_torch_sees(simulated_nvml.busy_gpu()))


@contextmanager
def jetson_bench() -> Iterator[Bench]:
    """A simulated board whose service is killed; the client is the real one."""
    skip_without_jtop()
    with simulated_jtop.jetson_meter_under_test() as (meter, break_service):
        yield Bench(meter, break_service)


def no_service() -> Meter:
    from nas_edge.device.jetson_meter import open_jetson_meter

    skip_without_jtop()
    return open_jetson_meter()


def skip_without_jtop() -> None:
    if simulated_jtop.why_not():
        pytest.skip(simulated_jtop.why_not())


METERS = [
    MeterUnderTest("process", process_bench, no_process),
    MeterUnderTest("system", system_bench, no_proc),
    MeterUnderTest("cuda", cuda_bench, no_gpu),
    MeterUnderTest("nvml", nvml_bench, no_nvml),
    MeterUnderTest("jetson", jetson_bench, no_service),
]
