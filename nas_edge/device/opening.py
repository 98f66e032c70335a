"""Opens every meter that this machine has."""

from __future__ import annotations

from typing import Any, Callable, List, Tuple

from nas_edge.device.board import find_board
from nas_edge.device.cuda_meter import open_cuda_meter
from nas_edge.device.jetson_meter import open_jetson_meter
from nas_edge.device.meter import Meter, MeterProblem
from nas_edge.device.nvml_meter import open_nvml_meter
from nas_edge.device.process_meter import open_process_meter
from nas_edge.device.system_meter import open_system_meter


def open_meters(device_kind: str) -> Tuple[List[Meter], List[str]]:
    """Return the meters for a training on "cpu" or "cuda", and why others could not be opened.

    A line is returned only for a meter that would be expected on this machine. NVML is asked on a
    GPU card, and on a Jetson whose own monitor does not answer.
    """
    meters: List[Meter] = []
    missing: List[str] = []

    def is_opened(opener: Callable[[], Any]) -> bool:
        try:
            meters.append(opener())
        except MeterProblem as problem:
            missing.append(str(problem))
            return False
        return True

    on_gpu = device_kind == "cuda"
    if on_gpu:
        is_opened(open_cuda_meter)
    has_monitor = find_board() is not None and is_opened(open_jetson_meter)
    if on_gpu and not has_monitor:
        is_opened(open_nvml_meter)
    is_opened(open_process_meter)
    is_opened(open_system_meter)
    return meters, missing
