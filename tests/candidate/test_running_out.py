"""Each way of running out of memory, with a real process, and what it is told from."""

import itertools
import sys
from dataclasses import replace

import pytest

from nas_edge import run_study
from nas_edge.candidate.evaluator import TrainingEvaluator
from nas_edge.candidate.failures import is_device_full
from nas_edge.candidate.measurement import (
    CRASHED,
    FINISHED,
    HUNG,
    KILLED,
    OUT_OF_MEMORY,
    OVER_LIMIT,
)
from nas_edge.candidate.process import ChildLimits
from nas_edge.config.study import RecipeConfig
from nas_edge.device.machine import find_device
from nas_edge.device.memory_watch import MemoryReader
from nas_edge.space.references import reference_architecture

MIB = 2**20
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux bounds a process")

CUDA = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 7.20 GiB of "
    "which {free} is free. Including non-PyTorch memory, this process has 5.00 GiB memory in use."
)
OLD_CUDA = (
    "CUDA out of memory. Tried to allocate 512.00 MiB (GPU 0; 7.20 GiB total capacity; 5.01 GiB "
    "already allocated; {free} free; 5.30 GiB reserved in total by PyTorch)"
)


def kills_after(first):
    """Return a count of the kernel's kills that rises by one after so many readings."""
    readings = itertools.count()
    return lambda: 7 if next(readings) < first else 8


PLENTY = MemoryReader(available_bytes=lambda: 8 * 2**30, oom_kills=lambda: 7)


def killing():
    """Return a machine whose kernel kills once from now on."""
    return replace(PLENTY, oom_kills=kills_after(1))


def shrinking():
    """Return a machine that has 8 GiB at first and then next to nothing."""
    readings = itertools.count()
    return replace(PLENTY, available_bytes=lambda: 8 * 2**30 if next(readings) < 1 else 50 * MIB)


@pytest.mark.parametrize(
    "text",
    [
        CUDA.format(free="1.10 GiB"),
        'NVML_SUCCESS == r INTERNAL ASSERT FAILED at "CUDACachingAllocator.cpp":830',
        "CUDA driver error: out of memory",
    ],
)
def test_torchs_and_the_drivers_errors(run_task, text):
    end = run_task("raise_text", text=text, reader=PLENTY)
    assert (end.kind, end.reason) == (OUT_OF_MEMORY, text)
    assert end.available_bytes == 8 * 2**30


def test_torchs_own_type_of_error(run_task):
    end = run_task("raise_cuda_out_of_memory", text=CUDA.format(free="9 MiB"), reader=PLENTY)
    assert end.kind == OUT_OF_MEMORY


def test_errno_12(run_task):
    assert run_task("raise_errno", errno="ENOMEM", reader=PLENTY).kind == OUT_OF_MEMORY


def test_a_tegras_native_line_and_an_abort(run_task):
    line = "NvMapMemAllocInternalTagged: 1075072515 error 12"
    end = run_task("print_and_abort", text=f"{line}\nNvMapMemHandleAlloc: error 0\n", reader=PLENTY)
    assert (end.kind, end.reason) == (OUT_OF_MEMORY, line)


def test_the_kernels_kill_is_counted(run_task):
    end = run_task("kill_self", signal="SIGKILL", reader=killing())
    assert end.kind == OUT_OF_MEMORY
    assert "the kernel killed it" in end.reason


def test_a_kill_that_nobody_counted_is_somebodys(run_task):
    assert run_task("kill_self", signal="SIGKILL", reader=PLENTY).kind == KILLED


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_a_service_that_kills_when_memory_is_nearly_gone(run_task, name):
    # earlyoom and systemd-oomd send signals of their own, which the kernel does not count.
    end = run_task("kill_self", signal=name, reader=shrinking())
    assert end.kind == OUT_OF_MEMORY
    assert end.reason.endswith(f"{name} while the machine's memory was nearly gone")


@pytest.mark.parametrize(
    "text",
    [
        "DataLoader worker (pid 4711) is killed by signal: Killed. ",
        "DataLoader worker (pid(s) 4711, 4712) exited unexpectedly",
        "A process in the process pool was terminated abruptly while the future was running",
    ],
)
def test_the_kernel_kills_a_process_that_loads_data(run_task, text):
    end = run_task("raise_text", text=text, reader=killing())
    assert end.kind == OUT_OF_MEMORY
    assert text.strip() in end.reason
    assert run_task("raise_text", text=text, reader=PLENTY).kind == CRASHED


def test_a_candidate_goes_on_when_the_kernel_kills_something_else(run_task):
    assert run_task("lose_another_and_go_on", reader=killing()).result == {"done": True}
    # Whatever else goes wrong afterwards is what it is.
    assert run_task("raise_value_error", reader=killing()).kind == CRASHED


SOON = ChildLimits(silence_s=1.5)


def test_silence_while_memory_is_nearly_gone_is_a_machine_that_thrashes(run_task):
    end = run_task("hang", limits=SOON, reader=shrinking())
    assert end.kind == OUT_OF_MEMORY
    assert end.reason == (
        "gave no sign for 2 s (limits.silence) while the machine's memory was nearly gone"
    )


def test_silence_with_memory_to_spare_is_a_hang(run_task):
    assert run_task("hang", limits=SOON, reader=PLENTY).kind == HUNG


def test_signs_of_life_on_a_machine_that_thrashes_to_the_end(run_task):
    limits = ChildLimits(total_s=2.5, silence_s=60)
    assert run_task("hang_with_signs", limits=limits, reader=shrinking()).kind == OUT_OF_MEMORY
    assert run_task("hang_with_signs", limits=limits, reader=PLENTY).kind == HUNG


BOUND = {"limit_bytes": 48 * MIB, "block_bytes": 4 * MIB}


@linux
@pytest.mark.parametrize("task", ["bounded_tensors", "bounded_python"])
def test_real_memory_past_a_real_bound_is_over_the_limit(run_task, task):
    end = run_task(task, **BOUND)
    assert end.kind == OVER_LIMIT, end.reason
    assert end.facts["limit_enforced"] == "RLIMIT_DATA"


@linux
def test_what_fits_the_limit_fits_the_bound(run_task):
    assert run_task("bounded_and_fits", **BOUND).result == {"done": True}


@linux
def test_a_native_message_before_an_abort_under_a_bound_is_over_the_limit(run_task):
    text = "terminate called after throwing an instance of 'std::bad_alloc'\n"
    assert run_task("bounded_abort", text=text, **BOUND).kind == OVER_LIMIT


@linux
def test_under_a_bound_too_the_machine_may_be_what_ran_out(run_task):
    assert run_task("bounded_kill", reader=killing(), **BOUND).kind == OUT_OF_MEMORY
    assert run_task("bounded_tensors", reader=shrinking(), **BOUND).kind == OUT_OF_MEMORY
    full = CUDA.format(free="1.10 GiB")
    assert run_task("bounded_text", text=full, **BOUND).kind == OUT_OF_MEMORY
    refused = CUDA.format(free="5.10 GiB")
    assert run_task("bounded_text", text=refused, **BOUND).kind == OVER_LIMIT


@linux
@pytest.mark.parametrize(
    ("task", "more", "is_unexplained"),
    [
        ("bounded_segfault", {}, True),
        ("bounded_text", {"text": "could not create a primitive"}, True),
        ("bounded_text", {"text": "mat1 and mat2 shapes cannot be multiplied"}, False),
        ("segfault", {}, False),
        ("raise_text", {"text": "could not create a primitive"}, False),
    ],
)
def test_native_code_that_fails_under_a_bound_may_have_failed_for_it(
    run_task, task, more, is_unexplained
):
    end = run_task(task, **more, **BOUND)
    assert (end.kind, end.is_unexplained) == (CRASHED, is_unexplained)


@pytest.mark.parametrize(
    ("text", "is_full"),
    [
        (CUDA.format(free="1.99 GiB"), True),
        (CUDA.format(free="2.01 GiB"), False),
        (CUDA.format(free="900.00 KiB"), True),
        (OLD_CUDA.format(free="511.00 MiB"), True),
        (OLD_CUDA.format(free="1.02 GiB"), False),
        ("CUDA driver error: out of memory", False),
    ],
)
def test_cudas_message_says_whether_the_gpu_itself_was_full(text, is_full):
    assert is_device_full(text) is is_full


class Ways:
    """Points are ways of running out; None is a network that trains."""

    @property
    def searched(self):
        return {"way": ("nvml_assert", "nvmap_abort", "errno_12", "take_too_much", "none")}

    def suggest(self, trial):
        return trial.suggest_categorical("way", list(self.searched["way"]))

    def contains(self, point):
        return point in self.searched["way"]

    def key(self, point):
        return point


class RunsOut:
    """Lets the probe of a point run out in its way."""

    def __init__(self, evaluator, monkeypatch):
        self.evaluator, self.monkeypatch = evaluator, monkeypatch

    def bind(self, job):
        return RunsOut(self.evaluator.bind(job), self.monkeypatch)

    def __call__(self, point):
        small = reference_architecture("xception-lite", 1 / 8)
        small = replace(small, middle=replace(small.middle, blocks=1))
        with self.monkeypatch.context() as patch:
            if point != "none":
                patch.setattr("nas_edge.candidate.evaluator.PROBE_TASK", f"bad_children:{point}")
            return self.evaluator(small)


@pytest.mark.slow
def test_a_study_records_what_ran_out_as_censored_and_goes_on(
    images, tmp_path, monkeypatch, tasks_folder
):
    recipe = RecipeConfig(epochs=1, batch_size=8, image_size=32)
    device = replace(find_device("cpu"), num_cores=1)
    evaluator = RunsOut(TrainingEvaluator(recipe, images, device), monkeypatch)
    records = run_study(Ways(), evaluator, trials=5, out=tmp_path / "run", sampler="grid")
    outcomes = {record.point: record.measurement for record in records}
    assert outcomes.pop("none").outcome == FINISHED
    assert len(outcomes) == 4
    for measured in outcomes.values():
        assert measured.outcome == OUT_OF_MEMORY
        assert measured.reason.startswith("needs more than ")
        assert measured.details["needs_more_than_bytes"] > 0
        assert measured.details["violation"] > 0
