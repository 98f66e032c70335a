"""Each tree runs in fresh processes; its sizes are sums of blocks that the test hands out."""

import os
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

from nas_edge.device.child_processes import (
    ChildFinder,
    descendants,
    descendants_by_psutil,
    has_no_child,
)
from nas_edge.device.meter import PROCESS_MEMORY, MeterProblem
from nas_edge.device.process_meter import open_process_meter
from nas_edge.device.process_tree import ProcTree

MIB = 2**20
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")

# What the code in a fresh process uses: a block of memory, and children that hold some of their own
# until they are told to end.
TREE = """
import os, sys, time
import psutil
from nas_edge.device import child_processes, process_tree
from nas_edge.device.process_meter import open_process_meter
MIB = 2**20
# Look as often as can be: a test has not the seconds that saving CPU time takes.
child_processes.LOOK_SHARE = process_tree.LOOK_SHARE = 1.0

def block(mib):
    return bytearray(b"x") * (mib * MIB)

def read(meter):
    (value,) = meter.read().values()
    return value / MIB

def fork(work=lambda: None):
    ready, said = os.pipe()
    ends, end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(end)
        kept = work()
        os.write(said, b"1")
        os.read(ends, 1)
        os._exit(0)
    os.close(ends)
    os.read(ready, 1)
    return pid, end

def end(child):
    os.close(child[1])
    os.waitpid(child[0], 0)

def settle(meter, seconds=1.0):
    # Until the children have been looked for and at again.
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        value = read(meter)
        time.sleep(0.02)
    return value
"""


@pytest.fixture
def in_tree(run_fresh):
    """Return a function that runs code after TREE and returns the numbers it printed."""
    return lambda code: [float(word) for word in run_fresh(TREE + textwrap.dedent(code))]


def test_a_block_of_its_own_is_seen_in_full(in_tree):
    before, with_block, after = in_tree(
        """
        meter = open_process_meter()
        print(read(meter))
        held = block(100)
        print(read(meter))
        del held
        print(read(meter))
        """
    )
    assert with_block - before == pytest.approx(100, abs=2)
    assert after - before == pytest.approx(0, abs=2)


@linux
def test_what_forked_children_share_counts_once_and_what_they_allocate_is_added(in_tree):
    before, psutil_before, shared, added, psutil_added = in_tree(
        """
        def pss(*pids):
            return sum(psutil.Process(pid).memory_full_info().pss for pid in pids) / MIB

        held = block(100)
        meter = open_process_meter()
        print(read(meter))
        print(pss(os.getpid()))
        first = fork()
        print(read(meter))
        second = fork(lambda: block(50))
        print(settle(meter))
        print(pss(os.getpid(), first[0], second[0]))
        """
    )
    assert shared - before == pytest.approx(0, abs=4)  # and not 100
    assert added - before == pytest.approx(50, abs=4)
    # psutil's sum has file pages too: a few MiB more of them are the tree's once it is larger.
    assert psutil_added - psutil_before == pytest.approx(50, abs=8)


@linux
def test_what_children_write_over_is_theirs_again(in_tree):
    before, written = in_tree(
        """
        held = block(100)
        meter = open_process_meter()
        print(read(meter))

        def write():
            for i in range(0, 40 * MIB, 4096):
                held[i] = 1

        child = fork(write)
        print(settle(meter))
        """
    )
    assert written - before == pytest.approx(40, abs=4)


@linux
def test_what_the_parent_gave_up_counts_while_two_children_share_it(in_tree):
    before, given_up = in_tree(
        """
        held = block(100)
        meter = open_process_meter()
        print(read(meter))
        children = [fork(), fork()]
        del held
        print(settle(meter))
        """
    )
    assert given_up - before == pytest.approx(0, abs=6)  # and not -100


@linux
def test_shared_memory_of_loader_and_parent_counts_once(in_tree):
    before, shared = in_tree(
        """
        import mmap
        batch = mmap.mmap(-1, 40 * MIB)  # as torch's loaders hand over their batches

        def load():
            batch.write(b"x" * (40 * MIB))

        meter = open_process_meter()
        child = fork(lambda: None)
        print(settle(meter))
        end(child)
        child = fork(load)
        batch.seek(0)
        batch.read()
        print(settle(meter))
        """
    )
    assert shared - before == pytest.approx(40, abs=4)


@linux
def test_pages_shared_with_a_process_outside_the_tree_do_not_hide_what_children_hold(run_fresh):
    # The candidate is itself a fork of a server with 200 MiB; its baseline has all of them. PSS
    # alone would show a third of them gone once a child shares them too: -17 instead of 50 MiB.
    words = run_fresh(
        TREE
        + textwrap.dedent(
            """
            served = block(200)

            def candidate():
                meter = open_process_meter()
                before = read(meter)
                child = fork(lambda: block(50))
                print(settle(meter) - before, flush=True)

            fork(candidate)
            """
        )
    )
    assert float(words[0]) == pytest.approx(50, abs=4)


@linux
def test_children_come_and_go(in_tree):
    before, *seen = in_tree(
        """
        held = block(60)
        meter = open_process_meter()
        print(read(meter))
        for _ in range(3):
            child = fork(lambda: block(30))
            print(settle(meter))
            end(child)
            print(read(meter))
        """
    )
    while_there, gone = seen[0::2], seen[1::2]
    assert [value - before for value in while_there] == pytest.approx([30] * 3, abs=4)
    assert [value - before for value in gone] == pytest.approx([0] * 3, abs=4)


@linux
def test_many_short_lived_children_never_break_a_reading(in_tree):
    lost, readings = in_tree(
        """
        meter = open_process_meter()
        count = 0
        until = time.monotonic() + 2
        while time.monotonic() < until:
            pid = os.fork()
            if pid == 0:
                os._exit(0)
            count += len(meter.read())
            os.waitpid(pid, 0)
            count += len(meter.read())
        print(bool(meter.problem) + 0, count)
        """
    )
    assert lost == 0
    assert readings > 100


@linux
def test_a_zombie_holds_nothing(in_tree):
    before, with_zombie = in_tree(
        """
        held = block(50)
        meter = open_process_meter()
        print(read(meter))
        child = fork()
        settle(meter, 0.1)
        os.close(child[1])
        os.waitid(os.P_PID, child[0], os.WEXITED | os.WNOWAIT)
        print(read(meter))
        """
    )
    assert with_zombie == pytest.approx(before, abs=2)


@linux
def test_a_memory_mapped_file_is_not_the_candidates(in_tree, tmp_path):
    file = tmp_path / "images.npy"
    file.write_bytes(b"\1" * (64 * MIB))
    before, touched = in_tree(
        f"""
        import mmap
        meter = open_process_meter()
        print(read(meter))
        mapped = mmap.mmap(os.open({str(file)!r}, os.O_RDONLY), 0, access=mmap.ACCESS_READ)
        touched = sum(mapped[i] for i in range(0, len(mapped), 4096))
        print(read(meter))
        """
    )
    assert touched - before == pytest.approx(0, abs=2)


@linux
def test_the_source_says_when_children_were_read_too(run_fresh):
    words = run_fresh(
        TREE
        + textwrap.dedent(
            """
            meter = open_process_meter()
            alone = meter.channels["process_memory"].source
            child = fork()
            read(meter)
            print(alone, "|", meter.channels["process_memory"].source)
            """
        )
    )
    alone, _, tree = " ".join(words).partition(" | ")
    assert alone == "process anonymous RSS"
    assert tree == "process tree PSS without file pages"


@linux
def test_where_smaps_rollup_is_refused_rss_counts_and_the_source_says_so(run_fresh):
    # A process that is not dumpable shows its smaps to root alone, as another user's would be.
    words = run_fresh(
        TREE
        + textwrap.dedent(
            """
            import ctypes
            held = block(80)
            meter = open_process_meter()
            if os.getuid() == 0:
                os.setuid(65534)
            ctypes.CDLL(None).prctl(4, 0)  # PR_SET_DUMPABLE
            before = read(meter)
            child = fork(lambda: block(20))
            after = settle(meter)
            print(after - before, before, meter.channels["process_memory"].source)
            """
        )
    )
    gain, before = map(float, words[:2])
    assert gain == pytest.approx(before + 20, abs=4)  # the shared pages twice, and its own
    assert "smaps_rollup cannot be read" in " ".join(words[2:])


@linux
def test_a_kernel_that_does_not_tell_file_pages_from_others_leaves_them_out_all_the_same():
    # Before 5.4: PSS has file pages in it, so the parent's own size and what the child alone has
    # are all that is added up: 7 of its 30 MiB.
    code = "held = bytearray(b'x') * (30 * 2**20); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        child.stdout.readline()
        rollups = {
            os.getpid(): {"Pss": 9000 * MIB, "Private_Dirty": 700 * MIB},
            child.pid: {"Pss": 300 * MIB, "Private_Dirty": 7 * MIB},
        }
        alone = ProcTree(os.getpid(), list, rollups.get).read_bytes()
        together = ProcTree(os.getpid(), lambda: [child.pid], rollups.get).read_bytes()
        child.communicate(b"\n")
    assert together - alone == pytest.approx(7 * MIB, abs=MIB)


def test_without_proc_psutils_resident_size_of_the_tree_is_read(tmp_path):
    meter = open_process_meter(proc=tmp_path)
    assert meter.channels[PROCESS_MEMORY].source == "process RSS (psutil)"
    own = psutil.Process().memory_info().rss
    assert meter.read()[PROCESS_MEMORY] == pytest.approx(own, rel=0.02)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        both = own + psutil.Process(child.pid).memory_info().rss
        assert meter.read()[PROCESS_MEMORY] >= own
        assert "process tree RSS" in meter.channels[PROCESS_MEMORY].source
        assert meter.read()[PROCESS_MEMORY] <= both * 1.5
        child.communicate(b"\n")


def test_a_process_that_ended_loses_the_meter_with_one_line():
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        child.stdout.readline()
        meter = open_process_meter(child.pid)
        assert meter.read()[PROCESS_MEMORY] > MIB
        child.communicate(b"\n")
    assert meter.read() == {}
    assert f"process {child.pid}: its memory can no longer be read" in meter.problem
    assert meter.read() == {}


def test_a_process_that_never_was_is_a_problem_with_its_number():
    with pytest.raises(MeterProblem, match=r"process 4194305: its memory cannot be read"):
        open_process_meter(2**22 + 1)  # Linux's and macOS's highest id is below


def test_children_and_grandchildren_are_found_as_psutil_finds_them():
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)\n"
        "print(child.pid, flush=True)\n"
        "input()\n"
        "child.communicate(b'\\n')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        grandchild = int(child.stdout.readline())
        found = descendants(os.getpid())
        assert {child.pid, grandchild} <= set(found)
        assert set(found) == set(descendants_by_psutil(os.getpid()))
        assert not has_no_child()
        child.communicate(b"\n")


def test_the_kernels_own_lists_of_children_are_followed_through_every_thread(tmp_path):
    # 10 has two threads, one of which started 20 and 21, the other 22; 21 started 30.
    lists = {(10, 10): "20 21 ", (10, 11): "22 ", (20, 20): "", (21, 21): "30", (30, 30): ""}
    for (process, thread), children in lists.items():
        folder = tmp_path / str(process) / "task" / str(thread)
        folder.mkdir(parents=True)
        (folder / "children").write_text(children)  # 22 has ended: it has no folder
    assert sorted(descendants(10, proc=tmp_path)) == [20, 21, 22, 30]


def test_a_process_without_children_knows_it(in_tree):
    assert in_tree(
        """
        from nas_edge.device.child_processes import has_no_child
        print(has_no_child() + 0)
        child = fork()
        print(has_no_child() + 0)
        end(child)
        print(has_no_child() + 0)
        """
    ) == [1, 0, 1]


def test_dear_looks_for_children_become_rare_until_something_changes():
    clock, looked, children = [0.0], [], [7]

    def look(pid):
        until = time.thread_time() + 0.002  # at most every 4 s, by its cost
        while time.thread_time() < until:
            pass
        looked.append(clock[0])
        return list(children)

    finder = ChildFinder(os.getppid(), look, lambda: clock[0])
    for tenth in range(200):
        clock[0] = tenth / 10 + tenth * 1e-9  # sums of 0.1 fall short of it by rounding
        if tenth == 20:
            children.append(8)
        assert 7 in finder.pids()
    # Waits of 0.1 s after a change, which double; 8 came at 2.0 and was found at 3.1.
    assert looked[:8] == pytest.approx([0, 0.1, 0.3, 0.7, 1.5, 3.1, 3.2, 3.4], abs=1e-3)
    assert looked[-1] - looked[-2] > 3.9
