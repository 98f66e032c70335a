"""Each tree runs in fresh processes; its sizes are sums of blocks that the test hands out."""

import os
import subprocess
import sys

import pytest

from nas_edge.device.process_tree import ProcTree

MIB = 2**20
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")


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


def test_pages_shared_with_a_process_outside_the_tree_do_not_hide_what_children_hold(words_of_tree):
    # The candidate is itself a fork of a server with 200 MiB; its baseline has all of them. PSS
    # alone would show a third of them gone once a child shares them too: -17 instead of 50 MiB.
    words = words_of_tree(
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
    assert float(words[0]) == pytest.approx(50, abs=4)


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
    assert readings > 20


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
