"""The watch on the machine's memory, with a clock and a machine of the test's own."""

import pytest

from nas_edge.device.cgroup import cgroup_oom_kills
from nas_edge.device.memory_watch import MemoryReader, MemoryWatch, count_oom_kills

MIB = 2**20
GIB = 2**30


class Machine:
    """What the watch reads, as the test sets it; the time it is."""

    def __init__(self, available):
        self.available, self.kills, self.now, self.looks = available, 0, 100.0, 0

    def read_available(self):
        self.looks += 1
        return self.available

    def watch(self):
        reader = MemoryReader(self.read_available, lambda: self.kills)
        return MemoryWatch(reader, clock=lambda: self.now)

    def pass_time(self, watch, seconds, available=None):
        """Let time pass in fifths of a second, as a parent waits."""
        self.available = self.available if available is None else available
        for _ in range(round(seconds * 5)):
            self.now += 0.2
            watch.sample()


def test_it_looks_once_a_second_however_often_it_is_asked():
    machine = Machine(GIB)
    watch = machine.watch()
    machine.pass_time(watch, 20)
    assert 20 <= machine.looks <= 22


@pytest.mark.parametrize(
    ("at_start", "now", "is_short"),
    [
        (4 * GIB, 122 * MIB, True),  # 3% are 122.9 MiB
        (4 * GIB, 124 * MIB, False),
        (64 * GIB, 255 * MIB, True),  # 256 MiB at the most
        (64 * GIB, 257 * MIB, False),
        (256 * MIB, 31 * MIB, True),  # 32 MiB at the least
        (256 * MIB, 33 * MIB, False),
    ],
)
def test_nearly_gone_is_a_share_of_what_there_was(at_start, now, is_short):
    machine = Machine(at_start)
    watch = machine.watch()
    machine.available = now
    assert watch.is_short() is is_short
    assert (watch.available_bytes, watch.least_bytes) == (at_start, now)


def test_memory_that_came_back_at_the_end_was_short_just_before():
    machine = Machine(GIB)
    watch = machine.watch()
    machine.pass_time(watch, 5, available=MIB)
    machine.available = GIB  # its process is dead
    assert watch.is_short()
    assert not watch.is_short()


def test_short_for_most_of_the_time_since():
    machine = Machine(GIB)
    watch = machine.watch()
    machine.pass_time(watch, 10)
    since = machine.now
    machine.pass_time(watch, 4)
    machine.pass_time(watch, 6, available=MIB)
    assert watch.was_short_since(since)
    assert not watch.was_short_since(0.0)
    machine.pass_time(watch, 3, available=GIB)
    assert not watch.was_short_since(since)


def test_only_a_kill_of_the_last_half_minute_is_one_just_now():
    machine = Machine(GIB)
    machine.kills = 3
    watch = machine.watch()
    machine.pass_time(watch, 5)
    assert not watch.has_killed_lately()
    machine.kills = 4
    assert watch.has_killed_lately()
    machine.pass_time(watch, 20)
    assert watch.has_killed_lately()
    machine.pass_time(watch, 15)
    assert not watch.has_killed_lately()


def groups(tmp_path, line, folder, files):
    (tmp_path / "cgroup").write_text(f"{line}\n")
    where = tmp_path / "fs" / folder
    where.mkdir(parents=True)
    for name, text in files.items():
        (where / name).write_text(text)
    return cgroup_oom_kills(tmp_path / "fs", tmp_path / "cgroup")


def test_the_kills_of_a_control_group(tmp_path):
    events = "low 0\nhigh 0\nmax 61\noom 5\noom_kill 4\noom_group_kill 9\n"
    files = {"memory.events": events}
    assert groups(tmp_path / "two", "0::/box", "box", files) == 4


def test_the_kills_of_a_control_group_of_the_first_version(tmp_path):
    control = {"memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"}
    assert groups(tmp_path / "one", "4:memory:/box", "memory/box", control) == 2


def test_a_container_sees_its_group_at_the_root(tmp_path):
    files = {"memory.events": "oom_kill 6\n"}
    assert groups(tmp_path / "box", "0::/of/the/host", "", files) == 6


@pytest.fixture(autouse=True)
def _folders(tmp_path):
    for name in ("one", "two", "box", "old"):
        (tmp_path / name).mkdir()


def test_a_group_that_does_not_count_leaves_it_to_the_machine(tmp_path):
    old = {"memory.oom_control": "oom_kill_disable 0\nunder_oom 0\n"}
    assert groups(tmp_path / "old", "4:memory:/", "memory", old) is None
    assert cgroup_oom_kills(tmp_path, tmp_path / "missing") is None


def test_this_machines_count_never_falls():
    first = count_oom_kills()
    assert first >= 0
    assert count_oom_kills() >= first
