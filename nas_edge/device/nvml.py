"""NVML, the driver's own meter: opened, asked call by call, its failures told in one line.

Every call may be refused on its own, by chip, driver, container or permission: `Nvml.ask` then
returns None. Only a GPU or driver that is gone raises.
"""

from __future__ import annotations

from typing import Any, Optional, Sequence

from nas_edge.device.meter import MeterProblem

# By NVML's error name: what is the matter, and the command that mends it.
_ADVICE = {
    "LIBRARY_NOT_FOUND": (
        "the driver's library libnvidia-ml.so.1 is not here; install the NVIDIA driver, or start "
        "the container with --gpus all -e NVIDIA_DRIVER_CAPABILITIES=compute,utility"
    ),
    "DRIVER_NOT_LOADED": "the NVIDIA driver is not loaded; run `sudo modprobe nvidia`",
    "NO_PERMISSION": (
        "this user may not use the GPU; run `sudo usermod -aG video,render $USER` and log in anew"
    ),
    "LIB_RM_VERSION_MISMATCH": (
        "the driver was updated and the old one is still loaded; run `sudo reboot`"
    ),
    "GPU_IS_LOST": "the GPU no longer answers; run `sudo reboot`",
    "RESET_REQUIRED": "the GPU has to be reset; run `sudo nvidia-smi --gpu-reset` or reboot",
    "UNINITIALIZED": "it was shut down by another part of this program",
    "OPERATING_SYSTEM": "the system blocks it; see `sudo dmesg | grep -i nvrm`",
}
# What no later call recovers from.
_FATAL = (
    "GPU_IS_LOST",
    "RESET_REQUIRED",
    "DRIVER_NOT_LOADED",
    "UNINITIALIZED",
    "LIB_RM_VERSION_MISMATCH",
)


class NvmlLost(Exception):
    """The GPU or its driver is gone. The message is one line for the user."""


class Nvml:
    """The opened library.

    ``last_refusal`` names the last call that was refused, and why.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self.last_refusal = "nothing was refused"

    def ask(self, name: str, *arguments: Any) -> Optional[Any]:
        """Return what a call answers, None where it is refused or unknown to client or driver.

        Raises:
            NvmlLost: If GPU or driver is gone.
        """
        try:
            return getattr(self.client, name)(*arguments)
        except Exception as err:  # the client has several bases, and trips over garbled text too
            code = getattr(err, "value", None)
            if code is not None and _error_name(self.client, code) in _FATAL:
                raise NvmlLost(explain(self.client, err)) from err
            self.last_refusal = f"{name}: {str(err) or type(err).__name__}"
            return None

    def ask_first(self, names: Sequence[str], *arguments: Any) -> Optional[Any]:
        """Return the answer of the first call that has one: the newest version comes first."""
        for name in names:
            answer = self.ask(name, *arguments)
            if answer is not None:
                return answer
        return None

    def shut_down(self) -> None:
        """Close the library; what was refused or lost is closed already."""
        try:
            self.client.nvmlShutdown()
        except self.client.NVMLError:
            return


def open_nvml() -> Nvml:
    """Load the driver's library and set it up.

    Raises:
        MeterProblem: If client, library, driver or permission is missing: the message says which,
            and what mends it.
    """
    try:
        import pynvml
    except ImportError as err:
        raise MeterProblem(
            "NVML: the module pynvml is missing; run `pip install nvidia-ml-py`"
        ) from err
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as err:
        raise MeterProblem(explain(pynvml, err)) from err
    return Nvml(pynvml)


def explain(client: Any, error: Exception) -> str:
    """Return one line for an error of the client: what is the matter and what mends it."""
    advice = _ADVICE.get(_error_name(client, getattr(error, "value", None)))
    return f"NVML: {advice}" if advice else f"NVML: {error}; see what `nvidia-smi` says"


def _error_name(client: Any, code: Optional[int]) -> str:
    prefix = "NVML_ERROR_"
    names = (name for name in vars(client) if name.startswith(prefix))
    return next((name[len(prefix) :] for name in names if getattr(client, name) == code), "")
