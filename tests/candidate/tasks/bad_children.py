"""What a candidate's process may do instead of training; each test names one of these."""

import ctypes
import errno
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

from nas_edge.errors import EnvironmentProblem
from nas_edge.training.checkpoint import save_checkpoint
from nas_edge.training.loop import Diverged


def echo(job, send):
    send({"event": "step", "epoch": 1, "step": 1, "steps": 2})
    return {"job": job, "pid": os.getpid()}


def raise_value_error(job, send):
    raise ValueError("first line\nsecond line")


def diverge(job, send):
    raise Diverged("the training loss became nan by epoch 2, step 25")


def hang(job, send):
    time.sleep(600)


def hang_with_signs(job, send):
    while True:
        send({"event": "step"})
        time.sleep(0.05)


def say_pid_and_hang(job, send):
    send({"event": "pid", "pid": os.getpid()})
    time.sleep(600)


def say_pid_and_go_on_for_a_second(job, send):
    send({"event": "pid", "pid": os.getpid()})
    for _ in range(10):
        time.sleep(0.1)
    return {"done": True}


def segfault(job, send):
    ctypes.string_at(0)


def exit_7(job, send):
    os._exit(7)


def print_and_abort(job, send):
    os.write(2, job["text"].encode())
    os.kill(os.getpid(), signal.SIGABRT)


def print_and_kill_self(job, send):
    os.write(2, job["text"].encode())
    os.kill(os.getpid(), signal.SIGKILL)


def raise_text(job, send):
    raise RuntimeError(job["text"])


def raise_errno(job, send):
    raise OSError(getattr(errno, job["errno"]), os.strerror(getattr(errno, job["errno"])))


def allocate_too_much(job, send):
    torch.empty(2**50, dtype=torch.uint8)


def allocate_under_a_limit(job, send):
    limit = 256 * 2**20
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    used = pages * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_DATA, (used + limit, used + limit))
    blocks = []
    while True:
        blocks.append(torch.ones(16 * 2**20))


def lose_the_gpu(job, send):
    raise EnvironmentProblem("the GPU is lost; run `sudo reboot`")


def fill_disk(job, send):
    save_checkpoint(Path(job["path"]), {"x": torch.zeros(job["bytes"], dtype=torch.uint8)})


def finish_and_linger(job, send):
    import threading

    threading.Thread(target=time.sleep, args=(600,)).start()
    return {"done": True}


def print_much(job, send):
    print("from python")
    sys.stdout.flush()
    subprocess.run(["sh", "-c", "echo from a program; echo to stderr >&2"], check=True)
    return {}


def where_am_i(job, send):
    return {
        "preloaded": "torch._dynamo" in sys.modules,
        "main": getattr(sys.modules["__main__"], "__file__", None),
        "wait_policy": os.environ.get("GOMP_SPINCOUNT"),
        "threads": len(os.listdir("/proc/self/task")),
    }


def say_bound_and(then, job, send):
    """Hold a real bound, tell of it as a candidate does, and go on."""
    from nas_edge.candidate.limit import enforce

    enforce({**job, "memory_limit": job["limit_bytes"]}, torch.device("cpu"), send)
    return then(job, send)


def bounded_tensors(job, send):
    def take(job, send):
        blocks = []
        while True:
            blocks.append(torch.ones(job["block_bytes"] // 4))

    return say_bound_and(take, job, send)


def bounded_python(job, send):
    def take(job, send):
        blocks = []
        while True:
            blocks.append(bytearray(job["block_bytes"]))

    return say_bound_and(take, job, send)


def bounded_and_fits(job, send):
    """Take blocks up to nine tenths of the limit, twice."""

    def take(job, send):
        for _ in range(2):
            count = int(0.9 * job["limit_bytes"]) // job["block_bytes"]
            blocks = [torch.ones(job["block_bytes"] // 4) for _ in range(count)]
            del blocks
        return {"done": True}

    return say_bound_and(take, job, send)


def bounded_abort(job, send):
    return say_bound_and(print_and_abort, job, send)


def bounded_segfault(job, send):
    return say_bound_and(segfault, job, send)


def bounded_text(job, send):
    return say_bound_and(raise_text, job, send)


def bounded_kill(job, send):
    return say_bound_and(lambda job, send: os.kill(os.getpid(), signal.SIGKILL), job, send)


def raise_cuda_out_of_memory(job, send):
    raise torch.cuda.OutOfMemoryError(job["text"])


def nvml_assert(job, send):
    raise RuntimeError('NVML_SUCCESS == r INTERNAL ASSERT FAILED at "CUDACachingAllocator.cpp":830')


def nvmap_abort(job, send):
    print_and_abort({"text": "NvMapMemAllocInternalTagged: 1075072515 error 12\n"}, send)


def errno_12(job, send):
    raise_errno({"errno": "ENOMEM"}, send)


def take_too_much(job, send):
    allocate_too_much(job, send)


def kill_self(job, send):
    os.kill(os.getpid(), getattr(signal, job["signal"]))


def lose_another_and_go_on(job, send):
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    other.kill()
    other.wait()
    send({"event": "step"})
    return {"done": True}
