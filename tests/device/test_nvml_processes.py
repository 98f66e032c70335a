"""GPU memory of this process: which row of the driver's list is its own, and what if none is."""

import os
import sys
from pathlib import Path

import pytest

from nas_edge.device.meter import GPU_MEMORY
from nas_edge.device.nvml import open_nvml
from nas_edge.device.nvml_meter import open_nvml_meter
from nas_edge.device.nvml_processes import pids_are_the_drivers, processes_on

sys.path.insert(0, str(Path(__file__).parent))

from simulated_cuda import simulated_cuda
from simulated_nvml import (
    EVERY_CHANNEL,
    FUNCTIONS,
    MIB,
    Row,
    as_torch_sees,
    assert_growth_of_the_whole_gpu,
    busy_gpu,
    read_once,
    simulated_nvml,
)

PID = os.getpid()
OTHER = PID + 1


def test_computing_and_drawing_on_one_gpu_is_one_figure():
    gpu = busy_gpu(compute=[Row(PID, 640 * MIB)], graphics=[Row(PID, 640 * MIB), Row(OTHER, 5)])
    with simulated_nvml([gpu]):
        assert read_once(gpu)[0][GPU_MEMORY] == 640 * MIB


def test_rows_of_several_mig_instances_are_summed():
    rows = [Row(PID, 300 * MIB, 1, 0), Row(PID, 200 * MIB, 2, 0)]
    gpu = busy_gpu(compute=rows, graphics=rows)
    with simulated_nvml([gpu]):
        assert read_once(gpu)[0][GPU_MEMORY] == 500 * MIB


def test_another_process_can_be_asked_for():
    gpu = busy_gpu()
    with simulated_nvml([gpu]):
        meter = open_nvml_meter(as_torch_sees(gpu), pid=OTHER)
        assert meter.read()[GPU_MEMORY] == 900 * MIB
        meter.close()


def test_a_process_without_a_cuda_context_holds_nothing_until_it_is_listed():
    gpu = busy_gpu(compute=[Row(OTHER, 900 * MIB)])
    with simulated_nvml([gpu]):
        meter = open_nvml_meter(as_torch_sees(gpu))
        before = meter.read()[GPU_MEMORY]
        gpu.compute.append(Row(PID, 410 * MIB))
        after = meter.read()[GPU_MEMORY]
        meter.close()
    assert (before, after) == (0, 410 * MIB)
    assert not meter.channels[GPU_MEMORY].over_baseline


# Not available on Windows (WDDM); 0 although a context takes some.
@pytest.mark.parametrize("told", [None, 0])
def test_memory_that_the_driver_does_not_tell_is_the_growth_of_the_whole_gpu(told):
    gpu = busy_gpu(compute=[Row(PID, told)])
    with simulated_nvml([gpu]):
        meter = open_nvml_meter(as_torch_sees(gpu))
        assert_growth_of_the_whole_gpu(meter, gpu)
        meter.close()


def test_no_list_of_processes_is_the_growth_of_the_whole_gpu():
    gpu = busy_gpu()
    gpu.unsupported |= {name for name in FUNCTIONS if "RunningProcesses" in name}
    with simulated_nvml([gpu]):
        meter = open_nvml_meter(as_torch_sees(gpu))
        assert_growth_of_the_whole_gpu(meter, gpu)
        meter.close()


@pytest.mark.parametrize(
    "rows",
    [
        [Row(5_000_000, 640 * MIB)],  # the machine's id of this process
        [],  # other drivers list nothing
        [Row(0, 640 * MIB)],
        [Row(PID, 0)],
        [Row(PID, 100 * MIB)],  # this process's id belongs to another one there
    ],
)
def test_a_container_whose_ids_are_not_the_drivers_gets_the_growth_of_the_whole_gpu(rows):
    gpu = busy_gpu(compute=rows)
    with simulated_nvml([gpu], in_container=True), simulated_cuda() as cuda:
        cuda.is_initialised = True
        cuda.gpu.allocate(400 * MIB)
        meter = open_nvml_meter(as_torch_sees(gpu))
        assert_growth_of_the_whole_gpu(meter, gpu)
        meter.close()


def test_in_a_container_an_id_counts_only_once_torch_holds_a_context():
    gpu = busy_gpu()  # this id is listed, but this process has no context: it is another's
    with simulated_nvml([gpu], in_container=True):
        meter = open_nvml_meter(as_torch_sees(gpu))
        meter.close()
    assert meter.channels[GPU_MEMORY].over_baseline


def test_a_driver_that_knows_a_containers_ids_gives_the_process_its_figure():
    gpu = busy_gpu()
    with simulated_nvml([gpu], in_container=True), simulated_cuda() as cuda:
        cuda.is_initialised = True
        cuda.gpu.allocate(400 * MIB)
        values, meter = read_once(gpu)
    assert values[GPU_MEMORY] == 640 * MIB
    assert not meter.channels[GPU_MEMORY].over_baseline


def test_a_process_that_holds_a_context_and_is_no_longer_listed_is_left_out():
    gpu = busy_gpu()
    with simulated_nvml([gpu]), simulated_cuda() as cuda:
        cuda.is_initialised = True
        meter = open_nvml_meter(as_torch_sees(gpu))
        gpu.compute.clear()
        values = meter.read()
        meter.close()
    assert set(values) == EVERY_CHANNEL - {GPU_MEMORY}


def test_where_nothing_tells_memory_the_other_channels_stay():
    gpu = busy_gpu()
    gpu.unsupported |= {name for name in FUNCTIONS if "RunningProcesses" in name}
    gpu.unsupported.add("nvmlDeviceGetMemoryInfo")
    with simulated_nvml([gpu]):
        values, _ = read_once(gpu)
    assert set(values) == EVERY_CHANNEL - {GPU_MEMORY}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
def test_the_machines_own_process_numbering_is_told_from_a_containers(monkeypatch):
    monkeypatch.setattr(os, "readlink", lambda path: "pid:[4026531836]")
    assert pids_are_the_drivers()
    monkeypatch.setattr(os, "readlink", lambda path: "pid:[4026532501]")
    assert not pids_are_the_drivers()


def test_rows_that_say_nothing_are_unknown_and_not_zero():
    gpu = busy_gpu(compute=[Row(7, None), Row(8, 5), Row(0, 9)], graphics=[Row(7, None)])
    with simulated_nvml([gpu]) as driver:
        nvml = open_nvml()
        handle = nvml.ask("nvmlDeviceGetHandleByIndex", 0)
        assert processes_on(nvml, handle) == {7: None, 8: 5}
        nvml.shut_down()
    assert driver.num_open == 0
