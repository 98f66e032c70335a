"""From an exception, a signal or a native message to the kind of a candidate's failure."""

from __future__ import annotations

import errno
import re
import signal
from pathlib import Path
from typing import Optional, Tuple

from nas_edge.candidate.measurement import CRASHED, KILLED, OUT_OF_MEMORY
from nas_edge.errors import EnvironmentProblem

# What running out of memory looks like, from PyTorch's allocators, CUDA, and Tegra's NvMap.
_OUT_OF_MEMORY = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|not enough memory|"
    r"NVML_SUCCESS == r INTERNAL ASSERT FAILED|NvMapMem\w*Alloc\w*.*error 12|std::bad_alloc|"
    r"CUDNN_STATUS_ALLOC_FAILED|CUBLAS_STATUS_ALLOC_FAILED|failed to allocate memory",
    re.IGNORECASE,
)

# What is said where another process of the candidate's is gone, e.g. one that loads data.
_LOST_PROCESS = re.compile(
    r"killed by signal|exited unexpectedly|terminated abruptly|died unexpectedly|"
    r"connection reset by peer|broken pipe|EOFError",
    re.IGNORECASE,
)

# What oneDNN and OpenMP say where the system refuses them memory, and for other reasons.
_NATIVE_REFUSAL = re.compile(
    r"could not (create|execute) a|thread creation failed|can't start new thread", re.IGNORECASE
)

# torch.cuda.OutOfMemoryError, from 2.1 on and before: what was asked for, what the GPU had left.
_SIZE = r"([\d.]+) (bytes|[KMGT]iB)"
_TRIED_AND_FREE = re.compile(rf"Tried to allocate {_SIZE}.*?(?:of which {_SIZE} is|; {_SIZE}) free")
_UNITS = {"bytes": 1.0, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40}

# A GPU that is gone, or a driver that does not answer.
_NO_DEVICE = re.compile(
    r"no CUDA-capable device|found no NVIDIA driver|no CUDA GPUs are available|GPU is lost|"
    r"CUDA driver initialization failed|driver version is insufficient|uncorrectable ECC",
    re.IGNORECASE,
)

LOST_EXIT_CODE = 255  # multiprocessing's, where the server that knew the real one is gone too

_DISK_ERRORS = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception means that memory ran out."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    return bool(_OUT_OF_MEMORY.search(str(error)))


def is_loss_of_a_process(reason: str) -> bool:
    """Return whether an error means that another process of the candidate's is gone."""
    return bool(_LOST_PROCESS.search(reason))


def is_native_refusal(reason: str) -> bool:
    """Return whether native code failed without saying why; memory may be the reason."""
    return bool(_NATIVE_REFUSAL.search(reason))


def is_device_full(reason: str) -> bool:
    """Return whether CUDA's message says that the GPU itself had less than was asked for.

    Where it had more, the allocator's bound was what refused.
    """
    found = _TRIED_AND_FREE.search(reason)
    if found is None:
        return False
    number, unit, *rest = (text for text in found.groups() if text is not None)
    return float(rest[0]) * _UNITS[rest[1]] < float(number) * _UNITS[unit]


def environment_fault(error: BaseException, folder: str) -> Optional[str]:
    """Return one line if an exception means that the machine, not the candidate, is at fault.

    Every candidate after it would fail the same way, and none would be tried again.
    """
    if isinstance(error, EnvironmentProblem):
        return str(error)
    if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
        return f"{folder}: cannot be written ({error.strerror}); mend that and run it again"
    if isinstance(error, FileNotFoundError) and str(error.filename or "").startswith(folder):
        return f"{error.filename}: its folder is gone; run the same command again"
    if isinstance(error, RuntimeError) and _NO_DEVICE.search(str(error)):
        return f"the GPU cannot be used ({first_line(error)}); mend that and run it again"
    return None


def classify_death(
    exit_code: Optional[int], log: Path, oom_kills: int, log_start: int = 0
) -> Tuple[str, str]:
    """Return kind and reason for a child that ended without a word.

    Args:
        exit_code: As multiprocessing has it: negative for a signal.
        log: What the child's native libraries printed.
        oom_kills: How often the kernel killed for memory just then.
        log_start: Where the child's part of the log begins; an earlier one's is not its own.
    """
    tail = _tail(log, log_start)
    if _OUT_OF_MEMORY.search(tail):
        return OUT_OF_MEMORY, _last_match(tail)
    if exit_code is not None and exit_code < 0:
        name = _signal_name(-exit_code)
        if -exit_code == signal.SIGKILL and oom_kills > 0:
            return OUT_OF_MEMORY, "the kernel killed it because the machine's memory ran out"
        if -exit_code in (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP):
            return KILLED, f"the candidate's process was killed by {name}"
        return CRASHED, f"the candidate's process died of {name}; see {log}"
    if exit_code == LOST_EXIT_CODE and oom_kills > 0:
        return OUT_OF_MEMORY, "the kernel killed it and its server because memory ran out"
    return CRASHED, f"the candidate's process ended with exit code {exit_code}; see {log}"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, cut to what fits a table."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return text if len(text) <= 300 else text[:297] + "..."


def _tail(log: Path, start: int, size: int = 20000) -> str:
    try:
        with open(log, "rb") as file:
            file.seek(0, 2)
            file.seek(max(file.tell() - size, start))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""


def _last_match(text: str) -> str:
    return [line.strip() for line in text.splitlines() if _OUT_OF_MEMORY.search(line)][-1][:300]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
