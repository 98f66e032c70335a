"""Whether torch and torchvision import here and belong together, seen in a process of its own.

A torch that was built for another machine may end the process that imports it, or never come back.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import List, Optional

from nas_edge.device.board import Board
from nas_edge.device.check import NOTE, OK, PROBLEM, Check
from nas_edge.device.packages import is_older

IMPORT_TIMEOUT_S = 60.0  # from a board's SD card, for the first time since it was started
OLDEST_TORCH = "2.1.0"
_NOT_NEEDED = "a study does not need it"

_PROGRAM = """
import json, sys
sys.path = [folder for folder in sys.path if folder]
import torch
found = {"torch": str(torch.__version__), "cuda": torch.version.cuda or ""}
found["sees_gpu"] = bool(torch.cuda.is_available())
print(json.dumps(found), flush=True)
try:
    import torchvision
    found["torchvision"] = str(torchvision.__version__)
    if not hasattr(torch.ops.torchvision, "nms"):  # up to 0.16 the import says nothing
        raise RuntimeError("operator torchvision::nms does not exist")
except Exception as err:
    is_missing = isinstance(err, ModuleNotFoundError) and err.name == "torchvision"
    lines = str(err).splitlines() or [""]
    found["vision_error"] = "" if is_missing else f"{type(err).__name__}: {lines[0]}"
print(json.dumps(found), flush=True)
"""


@dataclass(frozen=True)
class TorchImport:
    """What importing the two said; ``error`` and ``vision_error`` are one line each.

    ``torch`` is empty where torch cannot be used; ``torchvision`` where that does not import.
    ``vision_error`` is also of a torchvision that imports without its compiled part.
    """

    torch: str = ""
    cuda: str = ""
    sees_gpu: bool = False
    error: str = ""
    torchvision: str = ""
    vision_error: str = ""


def import_torch(timeout_s: float = IMPORT_TIMEOUT_S) -> TorchImport:
    """Import torch, then torchvision, in a child process. Never raises."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return TorchImport(error=f"its import was not done after {timeout_s:g} s")
    except OSError as err:
        return TorchImport(error=f"no process could be started ({err})")
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"torch"')]
    ended = _how_it_ended(done.returncode, done.stderr)
    if not lines:
        return TorchImport(error=ended)
    found = TorchImport(**json.loads(lines[-1]))
    if done.returncode != 0 and len(lines) == 1:  # torch was fine, torchvision ended the process
        return TorchImport(found.torch, found.cuda, found.sees_gpu, vision_error=ended)
    return found


def _how_it_ended(code: int, errors: str) -> str:
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"its import ended the process ({name})"
    lines = [line for line in errors.splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"its import ended with exit code {code}"


def torch_check(found: TorchImport, board: Optional[Board], wanted: str) -> Check:
    """Return whether torch can train here, on the GPU of a board if there is one.

    Args:
        found: From `import_torch`.
        board: The Jetson that this is.
        wanted: "auto", "cpu" or "cuda".
    """
    install = board.torch_command if board else "pip install --force-reinstall torch torchvision"
    if found.error:
        return Check("torch", PROBLEM, f"cannot be used: {found.error}", install)
    if is_older(found.torch, OLDEST_TORCH):
        wrong = f"must be at least {OLDEST_TORCH}, but is {found.torch}"
        return Check("torch", PROBLEM, wrong, install)
    built = f"built for CUDA {found.cuda}" if found.cuda else "built without CUDA"
    if board and not found.sees_gpu and wanted != "cpu":
        state = PROBLEM if wanted == "cuda" else NOTE
        wrong = f"{found.torch}, {built}, does not see the GPU of this board"
        return Check("torch", state, wrong, install)
    return Check("torch", OK, f"{found.torch}, {built}{', sees a GPU' if found.sees_gpu else ''}")


def torchvision_check(found: TorchImport, board: Optional[Board] = None) -> Check:
    """Return whether torchvision belongs to torch and imports.

    Neither is needed by a study, so that neither keeps one from running.
    """
    mend = _install_torchvision(found.torch, board)
    wanted = torchvision_for(found.torch)
    if not found.torchvision and not found.vision_error:
        return Check("torchvision", NOTE, f"is not installed; {_NOT_NEEDED}", mend)
    if found.vision_error:
        wrong = f"does not work ({found.vision_error}); {_NOT_NEEDED}"
        return Check("torchvision", NOTE, wrong, mend)
    if wanted and not re.match(rf"{re.escape(wanted)}(\D|$)", found.torchvision):
        wrong = f"{found.torchvision}, but torch {found.torch} goes with {wanted}; {_NOT_NEEDED}"
        return Check("torchvision", NOTE, wrong, mend)
    return Check("torchvision", OK, f"{found.torchvision}, which belongs to this torch")


def torchvision_for(torch: str) -> str:
    """Return the torchvision that belongs to a torch: 0.16 to 2.1 and so on in step, "" unknown."""
    match = re.match(r"2\.(\d+)", torch)
    return f"0.{int(match.group(1)) + 15}" if match else ""


def _install_torchvision(torch: str, board: Optional[Board]) -> str:
    version = torchvision_for(torch)
    if not version:
        return "pip install torchvision"
    if board and board.jetpack.startswith("5"):  # nobody ships a wheel that fits NVIDIA's torch
        return (
            "pip install --no-deps --no-build-isolation "
            f"git+https://github.com/pytorch/vision@v{version}.0"
        )
    install = f"pip install --force-reinstall --no-deps 'torchvision=={version}.*'"
    build = re.search(r"\+(cpu|cu\d+)$", torch)
    if board:
        return f"{install}, from where the board's torch came"
    if build:  # plain pip's build fits plain pip's torch only
        return f'{install}, from PyTorch\'s {build.group(1)} builds ("Start locally" on its site)'
    return install


def torch_checks(found: TorchImport, board: Optional[Board], wanted: str) -> List[Check]:
    """Return the checks of torch and, where it imports, of torchvision."""
    checks = [torch_check(found, board, wanted)]
    return checks if found.error else [*checks, torchvision_check(found, board)]
