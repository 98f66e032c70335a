"""The bound on a process's memory, in processes of its own."""

import subprocess
import sys

import pytest

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux bounds a process")

BEGIN = """
import mmap, resource, sys
import torch
from nas_edge.device import memory_bound
from nas_edge.device.memory_bound import bound_memory, lift_bound
MIB = 2**20
CPU = torch.device("cpu")
torch.set_num_threads(1)  # a pool of threads that starts under the bound needs its stacks there

def fits(mib):
    try:
        torch.ones(mib * MIB, dtype=torch.uint8)
    except RuntimeError as err:
        assert "allocate" in str(err), err
        return False
    return True
"""


def run(code, *args):
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code, *args],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@linux
def test_what_is_within_the_limit_fits_and_what_is_past_the_allowance_does_not():
    code = """
bound = bound_memory(100 * MIB, CPU)
print(bound.how, bound.bound_bytes // MIB, fits(100), fits(100 + 64 + 1), fits(100))
"""
    assert run(code) == ["RLIMIT_DATA", "164", "True", "False", "True"]


@linux
def test_what_is_held_counts_and_what_is_given_back_does_not():
    code = """
bound = bound_memory(100 * MIB, CPU)
held = torch.ones(100 * MIB, dtype=torch.uint8)
bound.follow()
print(fits(60), fits(70))
del held
bound.follow()
print(fits(160))
"""
    assert run(code) == ["True", "False", "True"]


@linux
def test_address_space_that_nothing_touches_is_no_memory():
    code = """
bound = bound_memory(100 * MIB, CPU)
areas = []
for _ in range(10):
    areas.append(mmap.mmap(-1, 50 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    bound.follow()
print(fits(160), fits(170))
"""
    assert run(code) == ["True", "False"]


@linux
def test_lifted_it_bounds_nothing():
    assert run("bound_memory(10 * MIB, CPU); lift_bound(); print(fits(200))") == ["True"]


@linux
def test_a_lower_limit_of_the_users_own_stays():
    code = """
data, _ = memory_bound._memory()
own = data + 40 * MIB
resource.setrlimit(resource.RLIMIT_DATA, (own, resource.RLIM_INFINITY))
bound_memory(100 * MIB, CPU)
print(resource.getrlimit(resource.RLIMIT_DATA)[0] == own, fits(60))
"""
    assert run(code) == ["True", "False"]


@linux
def test_a_system_that_does_not_keep_the_limit_is_found_out():
    code = """
resource.setrlimit = lambda *_: None
bound = bound_memory(10 * MIB, CPU)
print(repr(bound.how), bound.why.partition(";")[0].replace(" ", "_"))
"""
    assert run(code) == ["''", "this_system_does_not_keep_RLIMIT_DATA"]


@pytest.mark.gpu
def test_cudas_allocator_keeps_its_bound():
    code = """
GPU = torch.device("cuda")
bound = bound_memory(200 * MIB, GPU)
print(bound.how.replace(" ", "_"))
held = torch.ones(200 * MIB, dtype=torch.uint8, device=GPU)
try:
    torch.ones(100 * MIB, dtype=torch.uint8, device=GPU)
    print("fits")
except torch.cuda.OutOfMemoryError:
    print("refused")
"""
    assert run(code) == ["torch.cuda_memory_fraction", "refused"]
