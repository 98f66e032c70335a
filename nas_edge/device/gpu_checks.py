"""What is to be said of GPUs and their meters: torch, NVML, jetson-stats, the allocator."""

from __future__ import annotations

import os
from typing import List, Mapping, Sequence

from nas_edge.config.units import format_bytes
from nas_edge.device.check import NOTE, OK, PROBLEM, Check, of_line
from nas_edge.device.gpu_status import GpuStatus, gpu_status
from nas_edge.device.jtop_client import JtopCheck, jtop_status
from nas_edge.device.torch_gpu import current_gpu

_SETTINGS = ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF")


def gpu_checks(wanted: str, status: GpuStatus) -> List[Check]:
    """Return the GPUs that torch sees, and what keeps them or their meters from being used.

    Args:
        wanted: "auto" or "cuda".
        status: From `gpu_status`.
    """
    driver = f", driver {status.driver_version}" if status.driver_version else ""
    checks = [
        Check("GPU", OK, f"{gpu.name}, {format_bytes(gpu.total_bytes)}{driver}")
        for gpu in status.torch_gpus
    ]
    # The allocator's setting has a check of its own, which needs no torch.
    lines = [line for line in status.problems if "expandable_segments" not in line]
    is_lost = wanted == "cuda" and not status.torch_gpus
    checks += [of_line("GPU", PROBLEM if is_lost else NOTE, line) for line in lines]
    return checks or [Check("GPU", OK, "no NVIDIA GPU: training runs on the CPU")]


def find_gpu_checks(wanted: str) -> List[Check]:
    """Ask torch and NVML, and return `gpu_checks`."""
    return gpu_checks(wanted, gpu_status())


def allocator_check(is_integrated: bool, environ: Mapping[str, str] = os.environ) -> Check:
    """Return whether torch's allocator is set so that it works on this GPU.

    Args:
        is_integrated: Whether the GPU shares the machine's memory, as a Jetson's does.
        environ: The environment variables.
    """
    set_here = {name: environ[name] for name in _SETTINGS if environ.get(name)}
    found = ", ".join(f"{name}={value}" for name, value in set_here.items()) or "as it comes"
    fatal = [
        name
        for name, value in set_here.items()
        if "expandable_segments:true" in value.lower().replace(" ", "")
    ]
    if is_integrated and fatal:
        why = f"{found}: expandable segments fail on an integrated GPU"
        return Check("CUDA allocator", PROBLEM, why, f"unset {' '.join(fatal)}")
    return Check("CUDA allocator", OK, found)


def find_allocator_check() -> Check:
    """Ask torch for its GPU and return `allocator_check`."""
    return allocator_check(current_gpu().is_integrated)


def jtop_check(steps: Sequence[JtopCheck]) -> Check:
    """Return whether the board's monitor answers, from the steps of `jtop_status`."""
    last = steps[-1]
    if not last.mend:
        return Check("jetson-stats", OK, f"{steps[0].found}, {last.found}")
    found = (
        f"{last.found}; without it there is no power, temperature or board memory, and GPU memory "
        "is torch's allocator's"
    )
    return Check("jetson-stats", NOTE, found, last.mend)


def find_jtop_check() -> Check:
    """Ask jetson-stats and return `jtop_check`."""
    return jtop_check(jtop_status())
