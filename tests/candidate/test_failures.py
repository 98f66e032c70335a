import errno
import signal

import pytest

from nas_edge.candidate.failures import (
    classify_death,
    environment_fault,
    first_line,
    is_out_of_memory,
)
from nas_edge.candidate.measurement import CRASHED, KILLED, OUT_OF_MEMORY

# As boards, drivers and libraries print it.
NATIVE = [
    "CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 7.2 GiB total capacity)",
    'RuntimeError: NVML_SUCCESS == r INTERNAL ASSERT FAILED at "CUDACachingAllocator.cpp":830',
    "CUDA driver error: out of memory",
    "NvMapMemAllocInternalTagged: 1075072515 error 12",
    "NvMapMemAllocInternalTagged ... error 12",
    "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 1125899906842624 bytes. Error code 12 (Cannot allocate memory)",
    "DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes.",
    "terminate called after throwing an instance of 'std::bad_alloc'",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
]
OTHER = [
    "mat1 and mat2 shapes cannot be multiplied (4x5 and 6x7)",
    "NvMapMemHandleAlloc: error 0",
    "CUDA error: device-side assert triggered",
    "",
]


@pytest.mark.parametrize("text", NATIVE)
def test_a_message_of_memory_is_out_of_memory_as_an_exception_and_in_a_log(text, tmp_path):
    assert is_out_of_memory(RuntimeError(text))
    log = tmp_path / "log.txt"
    log.write_text(f"starting\n{text}\nmore\n")
    kind, reason = classify_death(-signal.SIGABRT, log, 0)
    assert (kind, reason) == (OUT_OF_MEMORY, text)


@pytest.mark.parametrize("text", OTHER)
def test_another_message_is_not(text, tmp_path):
    assert not is_out_of_memory(RuntimeError(text))
    log = tmp_path / "log.txt"
    log.write_text(text)
    assert classify_death(-signal.SIGABRT, log, 0)[0] == CRASHED


def test_errors_that_carry_it_as_a_number_or_a_type():
    assert is_out_of_memory(OSError(errno.ENOMEM, "Cannot allocate memory"))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(OSError(errno.ENOENT, "No such file"))


def test_torchs_own_error():
    import torch

    assert is_out_of_memory(torch.cuda.OutOfMemoryError("CUDA out of memory."))


@pytest.mark.parametrize(
    ("code", "kills", "kind"),
    [
        (-signal.SIGKILL, 1, OUT_OF_MEMORY),
        (-signal.SIGKILL, 0, KILLED),
        (-signal.SIGTERM, 1, KILLED),
        (-signal.SIGSEGV, 1, CRASHED),
        (1, 0, CRASHED),
        (None, 0, CRASHED),
        (-250, 0, CRASHED),
    ],
)
def test_a_silent_death_by_its_code(code, kills, kind, tmp_path):
    found, reason = classify_death(code, tmp_path / "missing.txt", kills)
    assert found == kind
    assert "\n" not in reason


def test_only_the_childs_own_part_of_the_log_counts(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("CUDA out of memory\n")
    assert classify_death(-signal.SIGKILL, log, 0)[0] == OUT_OF_MEMORY
    assert classify_death(-signal.SIGKILL, log, 0, log_start=log.stat().st_size)[0] == KILLED


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO])
def test_disk_errors_are_the_environments(number):
    assert "runs/one: cannot be written" in environment_fault(OSError(number, "x"), "runs/one")


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: no CUDA-capable device is detected",
        "Found no NVIDIA driver on your system.",
        "No CUDA GPUs are available",
        "CUDA driver initialization failed, you might not have a CUDA gpu.",
    ],
)
def test_a_gpu_that_is_gone_is_the_environments(text):
    assert "the GPU cannot be used" in environment_fault(RuntimeError(text), "runs/one")


def test_other_errors_are_not_the_environments():
    assert environment_fault(RuntimeError("something else"), "runs/one") is None
    assert environment_fault(FileNotFoundError(errno.ENOENT, "x"), "runs/one") is None


def test_first_line_is_one_line_that_fits():
    assert first_line(ValueError("one\ntwo")) == "one"
    assert first_line(ValueError()) == "ValueError"
    assert len(first_line(ValueError("x" * 1000))) == 300
