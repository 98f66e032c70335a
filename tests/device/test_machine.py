import os

import psutil
import pytest
import torch

from nas_edge.device import machine
from nas_edge.device.cgroup import cgroup_room_bytes
from nas_edge.device.machine import (
    available_memory_bytes,
    find_device,
    num_usable_cores,
    versions,
)
from nas_edge.errors import EnvironmentProblem

MIB = 2**20


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a CUDA device")
def test_cuda_without_a_gpu_is_the_environments_fault_and_says_what_to_do():
    with pytest.raises(EnvironmentProblem, match=r"device cuda was asked for.*--device cpu") as err:
        find_device("cuda")
    assert err.value.exit_code == 3


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a CUDA device")
def test_auto_without_a_gpu_is_the_cpu():
    assert find_device("auto") == find_device("cpu")


@pytest.mark.gpu
def test_auto_with_a_gpu_is_the_gpu():
    found = find_device("auto")
    assert found.kind == "cuda"
    assert found.memory_bytes == torch.cuda.get_device_properties(0).total_memory


def test_the_cpu_has_a_name_cores_and_memory():
    found = find_device("cpu")
    assert found.kind == "cpu"
    assert found.name
    assert 1 <= found.num_cores <= (os.cpu_count() or 1)
    assert found.memory_bytes == psutil.virtual_memory().total


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux")
def test_cores_that_this_process_may_not_use_do_not_count():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert num_usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_available_memory_is_no_more_than_the_machine_has():
    assert 0 < available_memory_bytes() <= psutil.virtual_memory().total


def test_versions_are_text_and_name_torch():
    found = versions()
    assert found["torch"] == str(torch.__version__)
    assert all(isinstance(value, str) for value in found.values())


def test_versions_tell_what_decodes_images_and_builds_the_baselines(monkeypatch):
    there = {"pillow": "10.1", "torchvision": "0.16.2"}
    monkeypatch.setattr(machine, "installed_version", there.get)
    found = versions()
    assert (found["pillow"], found["torchvision"], found["timm"]) == ("10.1", "0.16.2", "")


def write_group(folder, limit, used, cached):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {cached}\n")


def test_the_tightest_control_group_decides_and_its_cache_counts_as_free(tmp_path):
    own = tmp_path / "own"
    own.write_text("0::/jobs/mine\n")
    write_group(tmp_path / "fs/jobs", 900 * MIB, 700 * MIB, 0)  # room 200
    write_group(tmp_path / "fs/jobs/mine", 500 * MIB, 450 * MIB, 100 * MIB)  # room 150
    assert cgroup_room_bytes(tmp_path / "fs", own) == 150 * MIB


def test_a_control_group_without_a_limit_does_not_count(tmp_path):
    own = tmp_path / "own"
    own.write_text("0::/jobs\n")
    write_group(tmp_path / "fs/jobs", "max", 700 * MIB, 0)
    assert cgroup_room_bytes(tmp_path / "fs", own) is None


def test_in_a_container_the_mounted_root_is_the_group(tmp_path):
    own = tmp_path / "own"
    own.write_text("0::/../../host/path\n")
    write_group(tmp_path / "fs", 300 * MIB, 100 * MIB, 0)
    assert cgroup_room_bytes(tmp_path / "fs", own) == 200 * MIB


def test_the_first_version_of_control_groups_is_read_too(tmp_path):
    own = tmp_path / "own"
    own.write_text("5:cpu,cpuacct:/x\n4:memory:/docker/a\n")
    folder = tmp_path / "fs/memory/docker/a"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text(str(100 * MIB))
    (folder / "memory.usage_in_bytes").write_text(str(80 * MIB))
    (folder / "memory.stat").write_text(f"total_inactive_file {30 * MIB}\n")
    assert cgroup_room_bytes(tmp_path / "fs", own) == 50 * MIB


def test_no_control_groups_is_no_limit(tmp_path):
    assert cgroup_room_bytes(tmp_path, tmp_path / "missing") is None
