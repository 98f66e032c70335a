"""The meters that this machine has: opened, or one line each on why not."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, List, Sequence, Tuple

from nas_edge.device.meter import Meter, MeterProblem


def open_meters(device_kind: str) -> Tuple[List[Meter], List[str]]:
    """Return the meters for a training on "cpu" or "cuda", the preferred first.

    Process and machine memory everywhere; the allocator's where torch trains on a GPU; a board's
    own monitor on a Jetson; NVML on other GPUs, and on a Jetson whose monitor does not answer.

    Returns:
        Open meters, and a line for each that this machine should have and that cannot be opened.
    """
    meters, missing = _open([_process])
    if device_kind == "cuda":
        _extend(meters, missing, [_cuda])
    if is_jetson():
        _extend(meters, missing, [_jetson])
    if device_kind == "cuda" and all(meter.name != "jetson" for meter in meters):
        _extend(meters, missing, [_nvml])
    _extend(meters, missing, [_system])
    return meters, missing


def is_jetson(root: Path = Path("/")) -> bool:
    """Return whether this is an NVIDIA Jetson board."""
    if (root / "etc/nv_tegra_release").is_file():
        return True
    try:
        compatible = (root / "proc/device-tree/compatible").read_bytes()
    except OSError:
        return False
    return b"nvidia,tegra" in compatible


def _open(openers: Sequence[Callable[[], Meter]]) -> Tuple[List[Meter], List[str]]:
    meters: List[Meter] = []
    missing: List[str] = []
    for opener in openers:
        try:
            meters.append(opener())
        except MeterProblem as problem:
            missing.append(str(problem))
    return meters, missing


def _extend(
    meters: List[Meter], missing: List[str], openers: Sequence[Callable[[], Meter]]
) -> None:
    more, without = _open(openers)
    meters += more
    missing += without


def _process() -> Meter:
    from nas_edge.device.process_meter import open_process_meter

    return open_process_meter()


def _cuda() -> Meter:
    from nas_edge.device.cuda_meter import open_cuda_meter

    return open_cuda_meter()


def _jetson() -> Meter:
    from nas_edge.device.jetson_meter import open_jetson_meter

    return open_jetson_meter()


def _nvml() -> Meter:
    from nas_edge.device.nvml_meter import open_nvml_meter

    return open_nvml_meter()


def _system() -> Meter:
    from nas_edge.device.system_meter import open_system_meter

    return open_system_meter()
