"""Looks this machine over: what it is, what keeps a study from running, what will be measured.

Each look is guarded: one that fails or hangs is a finding, and the others go on. Nothing is changed
on the machine, and nothing goes over a network.
"""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

from nas_edge.device.board import Board, board_checks, find_board
from nas_edge.device.check import NOTE, OK, PROBLEM, Check, guarded, of_line
from nas_edge.device.figures import Figure, find_figures
from nas_edge.device.gpu_checks import find_allocator_check, find_gpu_checks, find_jtop_check
from nas_edge.device.machine import Device, cpu_name, find_device, num_usable_cores
from nas_edge.device.packages import package_checks, python_check
from nas_edge.device.process_memory import HIGH_WATER_SOURCE
from nas_edge.device.resources import (
    disk_check,
    high_water_check,
    limit_checks,
    memory_check,
    shared_memory_check,
    swap_check,
    temporary_folder_check,
)
from nas_edge.device.torch_import import import_torch, torch_checks
from nas_edge.errors import NasEdgeError

QUICK_S = 10.0  # what a look that takes no time may take on a busy machine
SLOW_S = 120.0  # with torch imported, and a GPU set up for the first time

StartChild = Callable[[str], Check]


@dataclass(frozen=True)
class Examination:
    """What came of it; ``device`` is None where none could be found."""

    device: Optional[Device]
    checks: Tuple[Check, ...]
    figures: Tuple[Figure, ...]

    @property
    def would_run(self) -> bool:
        """Whether nothing was found that keeps a study from running."""
        return not any(check.state == PROBLEM for check in self.checks)

    def to_dict(self) -> Dict[str, Any]:
        """Return plain data."""
        return {
            "would_run": self.would_run,
            "device": self.device and self.device.to_dict(),
            "checks": [asdict(check) for check in self.checks],
            "figures": [asdict(figure) for figure in self.figures],
        }


def examine(wanted: str, out: Path, start_child: StartChild, root: Path = Path("/")) -> Examination:
    """Return what this machine is and what a study would find on it. Never raises.

    Args:
        wanted: The device that would train: "auto", "cpu" or "cuda".
        out: The run's folder, or where it would be made.
        start_child: Starts a candidate's process on a kind of device and says how that went.
        root: Where the files lie that say what machine this is.
    """
    board = find_board(root)
    torch = import_torch()
    checks = [
        *guarded("machine", lambda: _machine_checks(board, root), QUICK_S),
        *guarded("Python", lambda: [python_check(), *package_checks()], QUICK_S),
        *torch_checks(torch, board, wanted),
        *_resource_checks(out, root, board is not None),
    ]
    if torch.error:  # whatever else imports it would end as badly
        return Examination(None, tuple(checks), ())
    device, found = _device_checks(wanted, board is not None)
    checks += found
    if device is None:
        return Examination(None, tuple(checks), ())
    checks += guarded("child process", lambda: [start_child(device.kind)], SLOW_S)
    figures, found = _figures(device, checks)
    return Examination(device, (*checks, *found), figures)


def _machine_checks(board: Optional[Board], root: Path) -> List[Check]:
    name = board.model if board else cpu_name()
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    machine = Check("machine", OK, f"{name}, {num_usable_cores()} cores, {system}")
    return [machine, *(board_checks(board, root) if board else [])]


def _resource_checks(out: Path, root: Path, is_board: bool) -> List[Check]:
    looks: List[Tuple[str, Callable[[], List[Check]]]] = [
        ("memory", lambda: [memory_check()]),
        ("swap", lambda: [swap_check(root, is_board)]),
        ("process limits", limit_checks),
        (f"disk at {out}", lambda: [disk_check(out)]),
        ("temporary folder", lambda: [temporary_folder_check()]),
        ("shared memory", lambda: [shared_memory_check(root)]),
        ("memory probe", lambda: [high_water_check()]),
    ]
    return [check for name, look in looks for check in guarded(name, look, QUICK_S)]


def _device_checks(wanted: str, is_board: bool) -> Tuple[Optional[Device], List[Check]]:
    """Return the device that would train, and the checks of GPUs and their meters."""
    checks: List[Check] = []
    if wanted != "cpu":
        checks += guarded("GPU", partial(find_gpu_checks, wanted), SLOW_S)
    if is_board:
        checks += guarded("jetson-stats", lambda: [find_jtop_check()], QUICK_S)
    found: List[Device] = []
    checks += guarded("device", lambda: _find_device(wanted, found), SLOW_S)
    if found and found[0].kind == "cuda":
        checks += guarded("CUDA allocator", lambda: [find_allocator_check()], QUICK_S)
    return (found[0] if found else None), checks


def _find_device(wanted: str, found: List[Device]) -> List[Check]:
    try:
        device = find_device(wanted)
    except NasEdgeError as err:
        return [of_line("device", PROBLEM, str(err))]
    found.append(device)
    return [Check("device", OK, f"{device.kind}: {device.name}")]


def _figures(device: Device, checks: List[Check]) -> Tuple[Tuple[Figure, ...], List[Check]]:
    """Return the figures, and a note for each missing meter that no check has spoken of yet."""
    probe = next((one.found for one in checks if one.name == "memory probe"), HIGH_WATER_SOURCE)
    known = " ".join(check.found for check in checks if check.state != OK)
    found: List[Figure] = []

    def look() -> List[Check]:
        figures, lines = find_figures(device, probe)
        found.extend(figures)
        notes = [of_line("meters", NOTE, line) for line in lines]
        return [note for note in notes if note.found not in known]

    notes = guarded("meters", look, SLOW_S)
    return tuple(found), notes
