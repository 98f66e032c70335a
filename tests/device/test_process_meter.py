"""The process meter: what it reads, what it says it read, and how it is lost."""

import subprocess
import sys

import pytest

from nas_edge.device.meter import PROCESS_MEMORY, MeterProblem
from nas_edge.device.process_meter import open_process_meter

MIB = 2**20
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")


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
def test_the_source_says_when_children_were_read_too(words_of_tree):
    words = words_of_tree(
        """
        meter = open_process_meter()
        alone = meter.channels["process_memory"].source
        child = fork()
        read(meter)
        print(alone, "|", meter.channels["process_memory"].source)
        """
    )
    alone, _, tree = " ".join(words).partition(" | ")
    assert alone == "process anonymous RSS"
    assert tree == "process tree PSS without file pages"


@linux
def test_where_smaps_rollup_is_refused_rss_counts_and_the_source_says_so(words_of_tree):
    # A process that is not dumpable shows its smaps to root alone, as another user's would be.
    words = words_of_tree(
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
    gain, before = map(float, words[:2])
    assert gain == pytest.approx(before + 20, abs=4)  # the shared pages twice, and its own
    assert "smaps_rollup cannot be read" in " ".join(words[2:])


def test_without_proc_psutils_resident_size_of_the_tree_is_read(words_of_tree, tmp_path):
    words = words_of_tree(
        f"""
        from pathlib import Path
        own = lambda: psutil.Process().memory_info().rss / MIB
        meter = open_process_meter(proc=Path({str(tmp_path)!r}))
        print(own(), read(meter), meter.channels["process_memory"].source)
        child = fork(lambda: block(40))
        both = own() + psutil.Process(child[0]).memory_info().rss / MIB
        print("|", both, settle(meter), meter.channels["process_memory"].source)
        """
    )
    alone, tree = " ".join(words).split(" | ")
    own, read, source = alone.split(maxsplit=2)
    assert source == "process RSS (psutil)"
    assert float(read) == pytest.approx(float(own), rel=0.02)
    both, read, source = tree.split(maxsplit=2)
    assert source == "process tree RSS (psutil); pages shared by forks count in each"
    assert float(read) == pytest.approx(float(both), rel=0.02)


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
