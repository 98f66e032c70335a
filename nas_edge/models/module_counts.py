"""Parameters, MACs and shapes of any PyTorch model of images, layer by layer.

The model is run once on the meta device, where tensors have shapes and no contents: nothing is
allocated. What the Xception template's plan tells without torch (`counts.py`) is told here of
networks that have no plan, by the same rules: convolutions and dense layers count, one MAC per
multiply-add, for one image; moving statistics are parameters, as Keras counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterator, List, Tuple

import torch
from torch import nn

from nas_edge.models.counts import LayerCount


@dataclass(frozen=True)
class _Ran:
    """A layer with its input's and output's shape for one image."""

    name: str
    module: nn.Module
    in_shape: Tuple[int, ...]
    out_shape: Tuple[int, ...]


def count_module_layers(model: nn.Module, image_size: int, head: str) -> List[LayerCount]:
    """Return every layer with parameters, in the order in which an image passes them.

    Args:
        model: On the meta device.
        image_size: Side in pixels.
        head: Name of the module that gives the logits; all others are the body.
    """
    return [
        LayerCount(
            name=ran.name,
            flow="head" if ran.name == head else "body",
            kind=_kind(ran.module),
            out_shape=ran.out_shape,
            num_params=_num_params(ran.module),
            num_trainable=sum(p.numel() for p in ran.module.parameters()),
            macs=_macs(ran),
        )
        for ran in _run(model, image_size)
    ]


def large_module_convolutions(model: nn.Module, image_size: int) -> Tuple[int, int]:
    """Return how many shapes of convolutions larger than 1x1 there are, and dense ones' weights."""
    convs = [
        (ran.in_shape, ran.module)
        for ran in _run(model, image_size)
        if isinstance(ran.module, nn.Conv2d) and ran.module.kernel_size[0] > 1
    ]
    shapes = {
        (size, conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.groups)
        for size, conv in convs
    }
    dense = {shape for shape in shapes if shape[-1] == 1}
    return len(shapes), sum(shape[1] * shape[2] * shape[3][0] * shape[3][1] for shape in dense)


def _run(model: nn.Module, image_size: int) -> List[_Ran]:
    """Run the model on one image; return the modules that have parameters of their own."""
    found: List[_Ran] = []
    handles = []
    for name, module in model.named_modules():
        if list(module.parameters(recurse=False)):

            def note(module: nn.Module, inputs: Any, output: Any, name: str = name) -> None:
                found.append(
                    _Ran(name, module, tuple(inputs[0].shape[1:]), tuple(output.shape[1:]))
                )

            handles.append(module.register_forward_hook(note))
    was_training = model.training
    try:
        with torch.no_grad():
            model.eval()(torch.empty(1, 3, image_size, image_size, device="meta"))
    finally:
        model.train(was_training)
        for handle in handles:
            handle.remove()
    return found


def _num_params(module: nn.Module) -> int:
    return sum(t.numel() for t in _counted(module))


def _counted(module: nn.Module) -> Iterator[torch.Tensor]:
    yield from module.parameters()
    for name, buffer in module.named_buffers():
        if name != "num_batches_tracked":
            yield buffer


def _macs(ran: _Ran) -> int:
    module = ran.module
    if isinstance(module, nn.Conv2d):
        pixels = ran.out_shape[-1] * ran.out_shape[-2]
        return module.weight.numel() * pixels
    return module.weight.numel() if isinstance(module, nn.Linear) else 0


def _kind(module: nn.Module) -> str:
    if isinstance(module, nn.Conv2d):
        size, stride = module.kernel_size[0], module.stride[0]
        name = "depthwise" if module.groups == module.in_channels > 1 else "conv"
        return f"{name} {size}x{size}" + (f" s{stride}" if stride > 1 else "")
    return "dense" if isinstance(module, nn.Linear) else "batch norm"
