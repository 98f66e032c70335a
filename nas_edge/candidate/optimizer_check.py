"""Whether this machine can take a step with an optimizer that comes from another library.

Which devices bitsandbytes runs on depends on its version (a CPU from 0.50 on) and on how it was
built, so a step is taken, in a process of its own: a broken build may crash, and a GPU's context
stays out of the study's process.
"""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Callable, Dict, Mapping

from nas_edge.candidate.process import ChildLimits, run_in_child
from nas_edge.config.study import RecipeConfig
from nas_edge.device.machine import Device
from nas_edge.errors import ConfigError

TASK = "nas_edge.candidate.optimizer_check:take_a_step"
LIMITS = ChildLimits(total_s=300.0, silence_s=300.0)
INSTEAD = "or choose adam, adamw or sgd"


def check_optimizer(recipe: RecipeConfig, device: Device, key: str = "recipe.optimizer") -> None:
    """Refuse an optimizer that cannot be had here; ``key`` is where it was asked for.

    Raises:
        ConfigError: Saying what to install or choose.
    """
    if recipe.optimizer != "adam8bit":
        return
    if find_spec("bitsandbytes") is None:
        raise ConfigError(
            f"{key} adam8bit needs bitsandbytes, which is not installed; "
            f"pip install 'nas-edge[adam8bit]', {INSTEAD}"
        )
    job = {"recipe": recipe.model_dump(), "device": device.kind}
    with tempfile.TemporaryDirectory(prefix="nas-edge-") as folder:
        end = run_in_child(TASK, job, Path(folder) / "log.txt", LIMITS, lambda _: None)
    if end.result is None:
        needs = "on a CPU it needs bitsandbytes 0.50 or newer" if device.kind == "cpu" else ""
        raise ConfigError(
            f"{key} adam8bit does not work on this {device.kind} with the bitsandbytes that is "
            f"installed ({end.reason.partition('; see ')[0]}); {needs or 'mend it'}, {INSTEAD}"
        )


def take_a_step(job: Mapping[str, Any], send: Callable[[Dict[str, Any]], None]) -> Dict[str, Any]:
    """Take one step on a tensor that is large enough for 8-bit states, and on one that is not."""
    import torch

    from nas_edge.training.recipe import build_optimizer

    del send
    device = torch.device(job["device"])
    layer = torch.nn.Linear(128, 64, device=device)
    optimizer = build_optimizer(layer, RecipeConfig.model_validate(job["recipe"]), device)
    layer(torch.ones(2, 128, device=device)).square().mean().backward()
    optimizer.step()
    return {"is_finite": bool(torch.isfinite(layer.weight).all())}
