"""Children are found as psutil finds them, and looked for no more often than is cheap."""

import os
import subprocess
import sys
import time

import pytest

from nas_edge.device.child_processes import (
    ChildFinder,
    descendants,
    descendants_by_psutil,
    has_no_child,
)


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


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="no waitid")
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
