"""What training a network holds at its peak, by running a training step without memory.

The exact tier of the estimate: the study's own model, optimizer, precision and saver take a step on
fake tensors, which have shapes and no contents, while the life of every storage is followed. What
libraries allocate inside an operation is not seen; a calibration by probes accounts for it.

Source:
    torch's own memory tracker follows storages likewise, but needs ``torch.distributed``, which
    builds for a Jetson may lack. tests/candidate/test_simulation.py compares with what the probe
    measures.
"""

from __future__ import annotations

import weakref
from typing import Any, Dict, List, Optional, Tuple

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from nas_edge.candidate.activations import large_convolutions
from nas_edge.candidate.calibration import Calibration
from nas_edge.candidate.estimate import BODY, EXACT, CostEstimate, in_order, kernel_bytes
from nas_edge.candidate.optimizer_states import optimizer_bytes
from nas_edge.config.study import RecipeConfig
from nas_edge.models.network import (
    build_network,
    count_network,
    freeze_body,
    head_of,
    large_network_convolutions,
)
from nas_edge.models.xception import XceptionNet
from nas_edge.space.architecture import Architecture
from nas_edge.space.baselines import Network
from nas_edge.training.frozen import set_training
from nas_edge.training.in_backward import build_saving_optimizer
from nas_edge.training.recipe import build_scaler
from nas_edge.training.savers import Saver
from nas_edge.training.step import train_step

PARAMETERS, GRADIENTS, OPTIMIZER, WORKSPACE = "parameters", "gradients", "optimizer", "workspace"


def estimate_exactly(
    network: Network,
    recipe: RecipeConfig,
    num_outputs: int,
    *,
    saver: Optional[Saver] = None,
    calibration: Optional[Calibration] = None,
    device: str = "cpu",
) -> CostEstimate:
    """Return the cost of training a network by a recipe: the exact tier, any saver.

    Args:
        network: A point of the template, or a baseline.
        recipe: Its image size, batch and micro-batch, optimizer, precision, memory format.
        num_outputs: Logits.
        saver: What is recomputed instead of kept; None for nothing.
        calibration: From probes on the device, where there is one.
        device: "cpu" or "cuda". Where torch has no CUDA the step is followed as a CPU's.
    """
    counts = count_network(network, recipe.image_size, num_outputs)
    target = torch.device(device if torch.cuda.is_available() else "cpu")
    parts = simulate_step(network, recipe, num_outputs, saver or Saver(), target)
    num_shapes, dense_weights = _large_convolutions(network, recipe.image_size)
    if recipe.trainable == "head":
        dense_weights = 0  # the copies are made for gradients
    parts["kernels"] = kernel_bytes(num_shapes, dense_weights, device)
    return CostEstimate(
        counts.num_params, counts.num_trainable, counts.macs, in_order(parts), EXACT, calibration
    )


def simulate_step(
    network: Network,
    recipe: RecipeConfig,
    num_outputs: int,
    saver: Saver,
    device: torch.device,
) -> Dict[str, int]:
    """Return the bytes alive at the peak of a training step, the optimizer's state being there.

    Returns:
        By part: "parameters" (running statistics included), "gradients", "optimizer", "workspace"
        (gradients of activations on their way, temporary results), and for each flow its kept
        activations: "activations stem", ...; "body" and "head" of a baseline.
    """
    given = recipe
    if recipe.optimizer == "adam8bit":  # its library does not run on tensors without contents
        recipe = recipe.model_copy(update={"optimizer": "sgd", "momentum": 0.0})
    fake = FakeTensorMode()
    model = _fake_model(network, recipe, num_outputs, fake, device)
    if isinstance(model, XceptionNet):
        model.set_checkpointing(saver.checkpointing)
    first = "stem" if isinstance(network, Architecture) else BODY
    ledger = _StorageLedger(f"activations {first}")
    _name_flows(model, network, ledger)
    with fake, ledger:
        ledger.take([*model.parameters(), *model.buffers()], PARAMETERS)
        optimizer = build_saving_optimizer(model, recipe, device, saver)
        scaler = build_scaler(recipe)
        _name_optimizer(optimizer, ledger)
        _follow_gradients(model, ledger)
        images, labels = _batch(recipe, device)
        ledger.take([images, labels], f"activations {first}")
        train_step(model, images, labels, recipe, optimizer, scaler, device)
        parts = {**ledger.at_peak, OPTIMIZER: ledger.sizes.get(OPTIMIZER, 0)}
    ledger.close()
    if given.optimizer == "adam8bit":
        sizes = [param.numel() for param in model.parameters() if param.requires_grad]
        parts[OPTIMIZER] = optimizer_bytes(given, sizes)
    return parts


class _StorageLedger(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows every storage from its first tensor to its last, and who it is for.

    The peak leaves the optimizer's state out: the first step makes it, in later ones all of it is
    there all the time.

    A storage is alive while a tensor on it is: torch before 2.2 cannot watch storages themselves.
    """

    def __init__(self, flow: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flow = flow
        self.phase = ""  # where set, what new storages are for
        self.sizes: Dict[str, int] = {}
        self.at_peak: Dict[str, int] = {}
        self._total = self._peak = 0
        self._storages: Dict[int, List[Any]] = {}  # by address: [tensors alive, bytes, part]
        self._tensors: Dict[int, Any] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run an operation and note what it made."""
        if func is torch.ops.prim.device.default and isinstance(args[0], FakeTensor):
            return args[0].fake_device  # asked for thousands of times, and dear to dispatch
        result = func(*args, **(kwargs or {}))
        for value in tree_flatten(result)[0]:
            if isinstance(value, FakeTensor):
                self._note(value)
        return result

    def take(self, tensors: List[Tensor], part: str) -> None:
        """Say what the storages of some tensors are for."""
        for tensor in tensors:
            entry = self._note(tensor)
            self._move(entry, part)

    def close(self) -> None:
        """Stop following."""
        self._tensors.clear()

    def _part(self) -> str:
        if self.phase:
            return self.phase
        # The forward pass and its recomputation run with gradients enabled, the backward without.
        return self.flow if torch.is_grad_enabled() else WORKSPACE

    def _note(self, tensor: Tensor) -> List[Any]:
        address = tensor.untyped_storage()._cdata
        entry = self._storages.get(address)
        if entry is None:
            entry = [0, tensor.untyped_storage().nbytes(), self._part()]
            self._storages[address] = entry
            self._add(entry[2], entry[1])
        if id(tensor) not in self._tensors:
            entry[0] += 1
            self._watch(tensor, address, entry)
        return entry

    def _watch(self, tensor: Tensor, address: int, entry: List[Any]) -> None:
        number = id(tensor)

        def gone(_: Any) -> None:
            self._tensors.pop(number, None)
            entry[0] -= 1
            if entry[0] == 0:
                self._add(entry[2], -entry[1])
                if self._storages.get(address) is entry:
                    del self._storages[address]

        self._tensors[number] = weakref.ref(tensor, gone)

    def _move(self, entry: List[Any], part: str) -> None:
        self.sizes[entry[2]] -= entry[1]
        self.sizes[part] = self.sizes.get(part, 0) + entry[1]
        entry[2] = part

    def _add(self, part: str, num_bytes: int) -> None:
        self.sizes[part] = self.sizes.get(part, 0) + num_bytes
        self._total += 0 if part == OPTIMIZER else num_bytes
        if self._total > self._peak:
            self._peak = self._total
            self.at_peak = dict(self.sizes)


def _large_convolutions(network: Network, image_size: int) -> Tuple[int, int]:
    if isinstance(network, Architecture):
        return large_convolutions(network.plan, image_size)
    return large_network_convolutions(network, image_size)


def _fake_model(
    network: Network,
    recipe: RecipeConfig,
    num_outputs: int,
    mode: FakeTensorMode,
    device: torch.device,
) -> nn.Module:
    """Return the model with fake parameters; nothing is allocated.

    Made on the meta device and turned there, because ``to(memory_format=...)`` fails on fake ones.
    """
    with torch.device("meta"):
        model = build_network(
            network, num_outputs, dropout=recipe.dropout, bn_momentum=recipe.bn_momentum
        )
    if recipe.trainable == "head":
        freeze_body(model, head_of(network))
    if recipe.memory_format == "channels_last":
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for module in model.modules():
        for name, param in module._parameters.items():
            if param is not None:
                fake = FakeTensor(mode, param.detach(), device)
                module._parameters[name] = nn.Parameter(fake, param.requires_grad)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = FakeTensor(mode, buffer, device)
    set_training(model)
    return model


def _name_flows(model: nn.Module, network: Network, ledger: _StorageLedger) -> None:
    """Have each layer say, when it runs, for which flow activations are kept."""
    for name, module in model.named_modules():
        if name and not list(module.children()):
            if isinstance(network, Architecture):
                flow = _flow_of(name)
            else:
                flow = "head" if name == head_of(network) else BODY
            module.register_forward_pre_hook(
                lambda *_, flow=flow: setattr(ledger, "flow", f"activations {flow}")
            )


def _flow_of(name: str) -> str:
    top, _, rest = name.partition(".")
    if top == "blocks":
        return rest.partition(".")[0].rstrip("0123456789")
    return {"stem": "stem", "tail": "exit"}.get(top, "head")


def _name_optimizer(optimizer: Any, ledger: _StorageLedger) -> None:
    """Have every step of the optimizer say that what it makes is its state."""

    def begin(*_: Any) -> None:
        ledger.phase = OPTIMIZER

    def end(*_: Any) -> None:
        ledger.phase = ""

    for one in getattr(optimizer, "optimizers", [optimizer]):
        one.register_step_pre_hook(begin)
        one.register_step_post_hook(end)


def _follow_gradients(model: nn.Module, ledger: _StorageLedger) -> None:
    def on_gradient(param: Tensor) -> None:
        if param.grad is not None:
            ledger.take([param.grad], GRADIENTS)

    for param in (p for p in model.parameters() if p.requires_grad):
        param.register_post_accumulate_grad_hook(on_gradient)  # type: ignore[no-untyped-call]


def _batch(recipe: RecipeConfig, device: torch.device) -> Tuple[Tensor, Tensor]:
    size = recipe.image_size
    images = torch.empty(recipe.batch_size, size, size, 3, device=device).permute(0, 3, 1, 2)
    if recipe.memory_format != "channels_last":
        images = images.contiguous()
    return images, torch.zeros(recipe.batch_size, dtype=torch.int64, device=device)
