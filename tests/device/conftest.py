"""What the tests of a device share; the modules beside this file can be imported by their name."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def run_fresh():
    """Return a function that runs code in a process of its own and returns the words it printed."""

    def run(code):
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    return run


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
def words_of_tree(run_fresh):
    """Return a function that runs code after TREE and returns the words it printed."""
    return lambda code: run_fresh(TREE + textwrap.dedent(code))


@pytest.fixture
def in_tree(words_of_tree):
    """Return a function that runs code after TREE and returns the numbers it printed."""
    return lambda code: [float(word) for word in words_of_tree(code)]
