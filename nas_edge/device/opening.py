"""Opens every meter that this machine has."""

from __future__ import annotations

from typing import Any, Callable, List, Tuple

from nas_edge.device.board import find_board
from nas_edge.device.cuda_meter import open_cuda_meter
from nas_edge.device.jetson_meter import open_jetson_meter
from nas_edge.device.machine import Device
from nas_edge.device.meter import Meter, MeterProblem
from nas_edge.device.nvml_meter import open_nvml_meter
from nas_edge.device.process_meter import open_process_meter
from nas_edge.device.system_meter import open_system_meter


def open_meters(device: Device) -> Tuple[List[Meter], List[str]]:
    """Return the meters that could be opened, in order of preference, and why others could not.

    A line is returned only for a meter that would be expected on this machine.
    """
    is_board = find_board() is not None
    openers: List[Callable[[], Any]] = [open_cuda_meter] if device.kind == "cuda" else []
    if is_board:
        openers.append(open_jetson_meter)
    elif device.kind == "cuda":
        openers.append(open_nvml_meter)
    meters: List[Meter] = []
    notes: List[str] = []
    for opener in (*openers, open_process_meter, open_system_meter):
        try:
            meters.append(opener())
        except MeterProblem as problem:
            notes.append(str(problem))
    return meters, notes
