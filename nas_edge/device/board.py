"""Which NVIDIA Jetson this is, if it is one: model, JetPack, power mode, desktop.

Everything is read from files under a root folder; only the power mode may need NVIDIA's own tool,
which is asked with a timeout.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional

from nas_edge.device.check import NOTE, OK, Check

NVPMODEL_TIMEOUT_S = 5.0
# Jetson Linux by its first number -> JetPack.
_JETPACK = {"32": "4", "34": "5", "35": "5", "36": "6", "38": "7", "39": "7"}
_WHEEL_5 = "torch-2.1.0a0+41361538.nv23.06-cp38-cp38-linux_aarch64.whl"
_NVIDIA_PAGE = 'its page "Installing PyTorch for Jetson Platform"'
_ANY = f"install NVIDIA's torch wheel for this JetPack ({_NVIDIA_PAGE})"
# From where a JetPack's own builds of torch come; those of plain pip do not see its GPU.
TORCH_FOR = {
    "5": f"download NVIDIA's {_WHEEL_5} ({_NVIDIA_PAGE}) and run "
    f"`pip install --force-reinstall --no-deps {_WHEEL_5}`",
    "6": "run the command for torch and torchvision that NVIDIA gives for JetPack 6 "
    f"({_NVIDIA_PAGE}), with --force-reinstall",
    "7": "run the command for torch and torchvision that PyTorch gives for CUDA 13.0 "
    '("Start locally" on its site), with --force-reinstall',
}


@dataclass(frozen=True)
class Board:
    """A Jetson.

    Args:
        model: As the device tree names it; "Jetson" where it does not.
        l4t: The release of Jetson Linux, e.g. "35.4.1"; empty where no file tells, as in most
            containers.
        jetpack: Its version, e.g. "5.1.2-b104", or only "5"; empty where it cannot be told.
    """

    model: str
    l4t: str = ""
    jetpack: str = ""

    @property
    def torch_command(self) -> str:
        """The command that installs a torch which sees this board's GPU."""
        return TORCH_FOR.get(self.jetpack[:1], _ANY)


def find_board(root: Path = Path("/")) -> Optional[Board]:
    """Return the Jetson that this machine is, None if it is another machine.

    Args:
        root: Where the machine's files lie.
    """
    model = _read(root / "proc/device-tree/model").strip("\x00\n ")
    release = _read(root / "etc/nv_tegra_release")
    if not release and not re.search(r"NVIDIA Jetson|\bOrin\b|\bXavier\b|\bThor\b", model):
        return None
    match = re.search(r"\bR(\d+)\b(?:.*?REVISION:\s*([\d.]+))?", release)
    major, revision = match.groups() if match else ("", None)
    l4t = ".".join(filter(None, [major, revision]))
    return Board(
        model or "Jetson", l4t, _dpkg_version(root, "nvidia-jetpack") or _JETPACK.get(major, "")
    )


def _dpkg_version(root: Path, package: str) -> str:
    """Return an installed package's version; dpkg itself would have to be run and may be locked."""
    for paragraph in _read(root / "var/lib/dpkg/status").split("\n\n"):
        if re.search(rf"^Package: {re.escape(package)}$", paragraph, re.MULTILINE):
            version = re.search(r"^Version: (\S+)$", paragraph, re.MULTILINE)
            is_there = re.search(r"^Status: .* installed$", paragraph, re.MULTILINE)
            return version.group(1) if version and is_there else ""
    return ""


def board_checks(board: Board, root: Path = Path("/")) -> List[Check]:
    """Return what there is to say of a Jetson: JetPack, power mode, desktop."""
    return [_jetpack_check(board), _power_mode_check(root), _desktop_check(root)]


def _jetpack_check(board: Board) -> Check:
    if not board.jetpack and not board.l4t:
        return Check(
            "JetPack",
            NOTE,
            "not known: there is no /etc/nv_tegra_release",
            "in a container: start it with -v /etc/nv_tegra_release:/etc/nv_tegra_release:ro",
        )
    parts = [f"JetPack {board.jetpack}" if board.jetpack else "JetPack not known"]
    if board.l4t:
        parts.append(f"Jetson Linux {board.l4t}")
    return Check("JetPack", OK, ", ".join(parts))


def _power_mode_check(root: Path) -> Check:
    mode = power_mode(root)
    if mode:
        return Check("power mode", OK, mode)
    return Check(
        "power mode",
        NOTE,
        "not known, and times and power depend on it",
        "sudo nvpmodel -q (in a container: on the host)",
    )


def power_mode(root: Path = Path("/")) -> str:
    """Return the name of the power mode that is set; empty where it cannot be told."""
    status = re.search(r"pmode:(\d+)", _read(root / "var/lib/nvpmodel/status"))
    if status is None:
        return _asked_power_mode()
    number = int(status.group(1))
    for identity, name in re.findall(
        r"^<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)\s*>", _read(root / "etc/nvpmodel.conf"), re.M
    ):
        if int(identity) == number:
            return str(name)
    return f"mode {number}"


def _asked_power_mode() -> str:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
    program = shutil.which("nvpmodel", path=path)
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, "-q"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=NVPMODEL_TIMEOUT_S,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ""
    match = re.search(r"^NV Power Mode:\s*(\S+)", done.stdout, re.MULTILINE)
    return match.group(1) if match else ""


def _desktop_check(root: Path) -> Check:
    """Tell whether the board starts a desktop, whose memory is the same as the GPU's."""
    if _boot_target(root) != "graphical.target":
        return Check("desktop", OK, "none is started")
    return Check(
        "desktop",
        NOTE,
        "is started with the board, and takes memory that training could use",
        "sudo systemctl set-default multi-user.target && sudo reboot (back: graphical.target)",
    )


def _boot_target(root: Path) -> str:
    for folder in ("etc/systemd/system", "lib/systemd/system", "usr/lib/systemd/system"):
        try:
            return os.path.basename(os.readlink(str(root / folder / "default.target")))
        except OSError:
            continue
    return ""


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
