"""Memory, swap, limits, disk, temporary folders: shortages are real ones where they can be."""

import os
import subprocess
import sys
import tempfile

import psutil
import pytest

from nas_edge.device.process_memory import FAST_SAMPLED_SOURCE, HIGH_WATER_SOURCE, HighWater
from nas_edge.device.resources import (
    LONGEST_TEMP_PATH,
    disk_check,
    high_water_check,
    memory_check,
    shared_memory_check,
    swap_check,
    temporary_folder_check,
)

MIB, GIB = 2**20, 2**30
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux")
SWAPS = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


def test_memory_names_what_is_to_be_had():
    check = memory_check(lambda: 3 * GIB, lambda: None)

    assert check.state == "ok"
    assert check.found.startswith("3072.0 MiB of ")
    assert "limit" not in check.found


def test_containers_limit_is_named():
    assert "by the limit of the container" in memory_check(lambda: 2 * GIB, lambda: 2 * GIB).found
    assert "limit" not in memory_check(lambda: 2 * GIB, lambda: 3 * GIB).found


def test_little_memory_is_noted():
    check = memory_check(lambda: 200 * MIB, lambda: None)

    assert check.state == "note"
    assert check.mend


def swaps(root, text):
    (root / "proc").mkdir()
    (root / "proc/swaps").write_text(SWAPS + text)
    return root


def test_swap_adds_up_and_tells_compressed_memory(tmp_path):
    root = swaps(
        tmp_path,
        "/dev/zram0  partition\t1048576\t\t0\t\t5\n/swap  file\t\t3145728\t\t0\t\t-2\n",
    )

    assert swap_check(root).found == "4096.0 MiB (1024.0 MiB of it compressed memory, zram)"


@LINUX
def test_swap_of_this_machine_agrees_with_psutil():
    is_none = swap_check().found == "none"

    assert is_none == (psutil.swap_memory().total == 0)


def test_board_without_swap_is_noted_with_the_commands(tmp_path):
    root = swaps(tmp_path, "")

    assert swap_check(root).state == "ok"
    board = swap_check(root, is_board=True)
    assert board.state == "note"
    assert "mkswap" in board.mend


@LINUX
@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("RLIMIT_AS, 8 << 30", ["note address space: at most 8192.0 MiB", "ulimit -v unlimited"]),
        ("RLIMIT_DATA, 4 << 30", ["note data segment: at most 4096.0 MiB", "ulimit -d unlimited"]),
        ("RLIMIT_NOFILE, 64", ["note open files: at most 64", "ulimit -n 256"]),
    ],
)
def test_limit_of_the_process_is_noted(run_fresh, limit, expected):
    name, value = limit.split(", ")
    words = run_fresh(
        f"""
        import resource
        resource.setrlimit(resource.{name}, ({value}, {value}))
        from nas_edge.device.resources import limit_checks
        for check in limit_checks():
            print(check.state, check.found, check.mend)
        """
    )

    text = " ".join(words)
    assert all(part in text for part in expected)


def test_folder_that_can_be_written_is_left_as_it_was(tmp_path):
    check = disk_check(tmp_path / "runs" / "new")

    assert check.state == "ok"
    assert check.name == f"disk at {tmp_path / 'runs' / 'new'}"
    assert list(tmp_path.iterdir()) == []


def test_out_that_is_a_file_is_a_problem(tmp_path):
    (tmp_path / "runs").write_text("")

    assert disk_check(tmp_path / "runs").state == "problem"
    assert "is a file" in disk_check(tmp_path / "runs" / "demo").found


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_folder_of_another_user_is_a_problem(tmp_path):
    tmp_path.chmod(0o555)
    try:
        check = disk_check(tmp_path / "runs")
    finally:
        tmp_path.chmod(0o755)

    assert check.state == "problem"
    assert "cannot be written (Permission denied)" in check.found


@LINUX
def test_folder_that_nobody_can_write_to_is_a_problem():
    check = disk_check("/proc/runs")

    assert check.state == "problem"
    assert "cannot be written" in check.found
    assert "--out" in check.mend


@pytest.fixture
def mounted(tmp_path):
    """Return what mounts a tmpfs with options, or skips."""
    places = []

    def mount(options):
        place = tmp_path / f"disk{len(places)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        try:
            done = subprocess.run(command, capture_output=True)
        except OSError:
            pytest.skip("there is no mount")
        if done.returncode:
            pytest.skip("may not mount")
        places.append(place)
        return place

    yield mount
    for place in places:
        subprocess.run(["umount", str(place)], check=True)


def test_full_disk_is_a_problem(mounted):
    full = mounted("size=512k")

    check = disk_check(full / "runs")

    assert check.state == "problem"
    assert "No space left on device" in check.found
    assert list(full.iterdir()) == []


def test_small_disk_is_noted(mounted):
    check = disk_check(mounted("size=64m"))

    assert (check.state, check.found) == ("note", "only 64.0 MiB free")


def test_read_only_disk_is_a_problem(mounted):
    check = disk_check(mounted("size=64m,ro") / "runs")

    assert check.state == "problem"
    assert "Read-only file system" in check.found


def test_temporary_folder_of_this_machine_is_good():
    assert temporary_folder_check().state == "ok"


def test_full_temporary_folder_is_a_problem(mounted, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(mounted("size=512k")))

    check = temporary_folder_check()

    assert check.state == "problem"
    assert "TMPDIR" in check.mend


def test_temporary_folder_with_a_path_too_long_for_sockets_is_a_problem(tmp_path, monkeypatch):
    length = LONGEST_TEMP_PATH + 1 - len(str(tmp_path)) - 1
    if length < 1:
        pytest.skip("the test's own folder has a long path")
    (tmp_path / ("x" * length)).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("x" * length)))

    assert "at most" in temporary_folder_check().found


@LINUX
def test_longest_temporary_path_is_what_multiprocessing_can_bind(run_fresh, tmp_path):
    place = tmp_path / ("y" * max(1, LONGEST_TEMP_PATH - len(str(tmp_path)) - 1))
    if len(str(place)) > LONGEST_TEMP_PATH:
        pytest.skip("the test's own folder has a long path")
    place.mkdir()

    words = run_fresh(
        f"""
        import tempfile
        tempfile.tempdir = {str(place)!r}
        from multiprocessing.connection import Listener
        with Listener(family="AF_UNIX") as listener:
            print(len(listener.address))
        """
    )

    assert int(words[0]) <= 107


def test_missing_shared_memory_is_noted(tmp_path):
    check = shared_memory_check(tmp_path, "linux")

    assert check.state == "note"
    assert "/dev/shm" in check.mend
    assert shared_memory_check(tmp_path, "darwin").state == "ok"


def test_memory_probe_says_how_it_reads():
    check = high_water_check()

    assert (check.state == "ok") == (check.found == HIGH_WATER_SOURCE)


def test_memory_probe_that_has_to_sample_is_noted():
    class Sandboxed(HighWater):
        def reset(self):
            self.source = FAST_SAMPLED_SOURCE

    check = high_water_check(Sandboxed)

    assert check.state == "note"
    assert FAST_SAMPLED_SOURCE in check.found
    assert "clear_refs" in check.mend
