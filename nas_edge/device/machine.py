"""What this machine is: the device that trains, and the versions that decide its figures."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict

from nas_edge.device.cgroup import cgroup_room_bytes
from nas_edge.device.packages import installed_version
from nas_edge.errors import EnvironmentProblem
from nas_edge.version import __version__

# Beside torch: what draws or decodes images, and what the baselines are built by.
PACKAGES_OF_RESULTS = ("pillow", "torchvision", "timm")


@dataclass(frozen=True)
class Device:
    """The device that trains. ``kind`` is "cpu" or "cuda"; ``name`` is the chip's own."""

    kind: str
    name: str
    num_cores: int
    memory_bytes: int

    def to_dict(self) -> Dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def find_device(wanted: str) -> Device:
    """Return the device that "auto", "cpu" or "cuda" means here.

    Raises:
        EnvironmentProblem: If "cuda" is asked for and torch sees no GPU.
    """
    import torch

    has_gpu = wanted != "cpu" and torch.cuda.is_available()
    if wanted == "cuda" and not has_gpu:
        raise EnvironmentProblem(
            f"device cuda was asked for, but torch {torch.__version__} sees no GPU; "
            "install a torch build for this GPU, or use --device cpu"
        )
    if has_gpu:
        properties = torch.cuda.get_device_properties(0)
        return Device("cuda", properties.name, num_usable_cores(), int(properties.total_memory))
    return Device("cpu", cpu_name(), num_usable_cores(), total_memory_bytes())


def num_usable_cores() -> int:
    """Return the cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def total_memory_bytes() -> int:
    """Return the machine's memory."""
    import psutil

    return int(psutil.virtual_memory().total)


def available_memory_bytes() -> int:
    """Return the memory that could be had now: MemAvailable, or less where a container says so.

    MemAvailable counts the page cache as free, which it is.
    """
    import psutil

    free = int(psutil.virtual_memory().available)
    room = cgroup_room_bytes()
    return free if room is None else min(free, room)


def cpu_name() -> str:
    """Return the board's model on an embedded board, else the processor's."""
    board = Path("/proc/device-tree/model")
    if board.is_file():
        return board.read_text(encoding="utf-8", errors="replace").strip("\x00\n ")
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def versions() -> Dict[str, str]:
    """Return the versions that a measurement depends on; empty what is not there."""
    import torch

    return {
        "nas_edge": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "cuda": str(torch.version.cuda or ""),
        **{package: installed_version(package) or "" for package in PACKAGES_OF_RESULTS},
        "system": f"{sys.platform} {platform.release()} {platform.machine()}",
    }
