"""Each meter runs in a fresh process: what pytest has allocated before must not matter."""

import resource
import subprocess
import sys
import textwrap

import pytest

MIB = 2**20
pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="/proc is where the exact figures come from"
)


def run_fresh(code):
    """Run code in a process of its own and return the numbers it printed."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [int(word) for word in done.stdout.split()]


def test_high_water_sees_a_block_that_is_gone_again():
    (seen,) = run_fresh(
        """
        from nas_edge.device.process_memory import HighWater
        mark = HighWater()
        mark.reset()
        block = bytearray(b"x") * (100 * 2**20)
        del block
        print(mark.read_bytes())
        """
    )
    assert seen == pytest.approx(100 * MIB, rel=0.02)


def test_high_water_forgets_what_came_before_the_reset():
    (seen,) = run_fresh(
        """
        from nas_edge.device.process_memory import HighWater
        block = bytearray(b"x") * (200 * 2**20)
        del block
        mark = HighWater()
        mark.reset()
        block = bytearray(b"x") * (30 * 2**20)
        print(mark.read_bytes())
        """
    )
    assert seen == pytest.approx(30 * MIB, rel=0.05)


def test_high_water_is_not_inherited_from_the_process_before():
    # ru_maxrss, which is often used for this, would show the parent's 300 MiB.
    seen, inherited = run_fresh(
        """
        import os, resource, sys
        block = bytearray(b"x") * (300 * 2**20)
        code = '''
        import resource
        from nas_edge.device.process_memory import HighWater
        mark = HighWater()
        mark.reset()
        print(mark.read_bytes(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
        '''
        import textwrap
        os.execv(sys.executable, [sys.executable, "-c", textwrap.dedent(code)])
        """
    )
    assert seen < 2 * MIB
    assert inherited > 290 * MIB


def test_high_water_falls_back_to_samples_where_the_kernel_has_no_mark():
    high, by_samples = run_fresh(
        """
        import pathlib, time
        real = pathlib.Path.write_text
        def refuse(self, *args, **kwargs):
            if str(self) == "/proc/self/clear_refs":
                raise PermissionError(1, "not permitted")
            return real(self, *args, **kwargs)
        pathlib.Path.write_text = refuse
        from nas_edge.device.process_memory import HighWater
        mark = HighWater()
        mark.reset()
        block = bytearray(b"x") * (50 * 2**20)
        time.sleep(0.1)
        del block
        print(mark.read_bytes(), int("sampled" in mark.source))
        """
    )
    assert by_samples == 1
    assert high == pytest.approx(50 * MIB, rel=0.05)


def test_sampler_peak_and_mean_follow_a_known_pattern():
    # Half of the time 80 MiB, half of the time nothing.
    peak, mean, count = run_fresh(
        """
        import time
        from nas_edge.device.process_memory import MemorySampler
        sampler = MemorySampler(interval_s=0.005)
        sampler.start()
        block = bytearray(b"x") * (80 * 2**20)
        sampler.lap()
        time.sleep(0.4)
        del block
        time.sleep(0.4)
        seen = sampler.stop()
        print(seen.peak_bytes, seen.mean_bytes, seen.num_samples)
        """
    )
    assert peak == pytest.approx(80 * MIB, rel=0.03)
    assert mean == pytest.approx(40 * MIB, rel=0.25)
    assert count > 20


def test_a_lap_begins_anew():
    first, second = run_fresh(
        """
        from nas_edge.device.process_memory import MemorySampler
        sampler = MemorySampler(interval_s=0.01)
        sampler.start()
        block = bytearray(b"x") * (60 * 2**20)
        first = sampler.lap().peak_bytes
        del block
        print(first, sampler.stop().peak_bytes)
        """
    )
    assert first == pytest.approx(60 * MIB, rel=0.03)
    # A sample may have been taken before the block went.
    assert second < first or second == pytest.approx(first, rel=0.03)


def test_anonymous_memory_leaves_a_mapped_file_out(tmp_path):
    file = tmp_path / "images.npy"
    file.write_bytes(b"\1" * (64 * MIB))
    anonymous, resident = run_fresh(
        f"""
        import mmap
        from nas_edge.device.process_memory import anonymous_bytes, resident_bytes
        before = anonymous_bytes(), resident_bytes()
        with open({str(file)!r}, "rb") as opened:
            mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        touched = sum(mapped[i] for i in range(0, len(mapped), 4096))
        print(anonymous_bytes() - before[0], resident_bytes() - before[1])
        """
    )
    assert anonymous < 2 * MIB
    assert resident > 60 * MIB


PAGES_OF_FREED_BLOCKS = """
    import resource, sys
    from nas_edge.device import process_memory
    done = getattr(process_memory, "{way}")()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        block = bytearray(b"x") * (8 * 2**20)
        del block
    print(int(done), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    """


def test_kept_blocks_are_paid_for_once_and_returned_ones_every_time(monkeypatch):
    for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    block = 8 * MIB // resource.getpagesize()
    kept, kept_pages = run_fresh(PAGES_OF_FREED_BLOCKS.format(way="keep_freed_blocks"))
    returned, returned_pages = run_fresh(PAGES_OF_FREED_BLOCKS.format(way="return_freed_blocks"))
    if not (kept and returned):
        pytest.skip("not glibc")
    assert kept_pages < 3 * block
    assert returned_pages > 19 * block


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"])
def test_what_the_user_tells_glibc_is_left_as_it_is(name, monkeypatch):
    monkeypatch.setenv(name, "glibc.malloc.trim_threshold=1" if "GLIBC" in name else "131072")
    done, _ = run_fresh(PAGES_OF_FREED_BLOCKS.format(way="keep_freed_blocks"))
    assert not done
