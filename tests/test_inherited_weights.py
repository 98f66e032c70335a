"""Weights of a wider network: what is kept, and what the narrower network computes with them.

A benchmark says that inheriting does not pay; it has to inherit rightly to say so.
"""

from __future__ import annotations

import importlib.util
import random
from dataclasses import replace
from pathlib import Path
from typing import Any, List

import pytest
import torch
from torch import nn

from nas_edge.models.xception import XceptionNet, build_model
from nas_edge.space.architecture import Architecture, Stem
from nas_edge.space.references import reference_architecture
from nas_edge.space.search_space import SearchSpace

BENCHMARK = Path(__file__).resolve().parents[1] / "benchmarks" / "inherited_weights.py"
spec = importlib.util.spec_from_file_location("inherited_weights", BENCHMARK)
assert spec is not None
assert spec.loader is not None
benchmark = importlib.util.module_from_spec(spec)
spec.loader.exec_module(benchmark)
inherit_weights, is_as_wide = benchmark.inherit_weights, benchmark.is_as_wide

XCEPTION = reference_architecture("xception", 0.25)
LITE = reference_architecture("xception-lite", 0.25)
NARROW = replace(
    XCEPTION,
    stem=Stem((4, 8)),
    entry=replace(XCEPTION.entry, widths=(8, 16, 32)),
    middle=replace(XCEPTION.middle, squeeze=0.25),
    exit=replace(XCEPTION.exit, widths=(32, 64, 128, 64)),
)


@pytest.fixture
def wide() -> XceptionNet:
    return trained(XCEPTION)


def trained(network: Architecture) -> XceptionNet:
    """A network whose weights and statistics are nobody's first ones."""
    torch.manual_seed(0)
    model = build_model(network, 7)
    with torch.no_grad():
        for norm in norms(model):
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.normal_(std=0.2)
            norm.running_mean.normal_(std=0.1)  # type: ignore[union-attr]
            norm.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]
        for module in model.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
                module.bias.normal_(std=0.1)
    return model.eval()


def norms(model: nn.Module) -> List[nn.BatchNorm2d]:
    return [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]


def images(size: int = 64) -> torch.Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("network", [XCEPTION, LITE])
def test_of_its_own_shape_a_network_becomes_the_other(network: Architecture) -> None:
    other = trained(network)
    model = build_model(network, 7).eval()
    inherit_weights(model, other)
    for name, tensor in model.state_dict().items():
        if "num_batches" not in name:
            assert torch.equal(tensor, other.state_dict()[name]), name


@pytest.mark.parametrize("style", ["xception", "lite"])
def test_what_is_left_out_is_what_weighs_nothing(style: str) -> None:
    # A wide network all but NARROW's channels of which are dead computes what NARROW does.
    network = replace(XCEPTION, style=style)
    wide = trained(network)
    narrow = build_model(replace(NARROW, style=style), 7).eval()
    silence(wide, narrow)
    inherit_weights(narrow, wide)
    with torch.no_grad():
        torch.testing.assert_close(narrow(images()), wide(images()), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def silence(wide: XceptionNet, narrow: XceptionNet) -> None:
    """Leave each unit of a wide network as many living channels as the narrow one has."""
    rng = torch.Generator().manual_seed(2)
    streams: Any = {}
    for own, other in zip(units(wide), units(narrow)):
        name, unit = own
        count = [m for m in other[1].children() if isinstance(m, nn.Conv2d)][-1].out_channels
        conv = [m for m in unit.children() if isinstance(m, nn.Conv2d)][-1]
        alive = torch.randperm(conv.out_channels, generator=rng)[:count]
        alive = streams.setdefault(name, alive) if name else alive
        dead = torch.ones(conv.out_channels, dtype=torch.bool)
        dead[alive] = False
        if hasattr(unit, "norm"):
            unit.norm.weight[dead] = 0.0
            unit.norm.bias[dead] = 0.0
        else:
            conv.weight[dead] = 0.0
            conv.bias[dead] = 0.0  # type: ignore[index]


def units(model: XceptionNet) -> Any:
    """Every unit; those that are added together under one name."""
    found: Any = [("", unit) for unit in model.stem]
    stream = ""
    for name, block in model.blocks.named_children():
        if not isinstance(block.residual, nn.Identity):
            stream = name
            found.append((stream, block.residual))
        found += [("", unit) for unit in block.units[:-1]]  # type: ignore[index]
        found.append((stream, block.units[-1]))  # type: ignore[index]
    return [*found, *(("", unit) for unit in model.tail)]


def test_the_other_stays_as_it_is(wide: XceptionNet) -> None:
    before = {name: tensor.clone() for name, tensor in wide.state_dict().items()}
    inherit_weights(build_model(NARROW, 7), wide)
    assert all(torch.equal(t, before[name]) for name, t in wide.state_dict().items())


def test_a_larger_kernel_gives_its_middle_and_a_smaller_one_gets_zeros_around(
    wide: XceptionNet,
) -> None:
    smaller = replace(XCEPTION, entry=replace(XCEPTION.entry, kernels=(1, 3), residual_kernel=3))
    model = build_model(smaller, 7)
    inherit_weights(model, wide)
    theirs = wide.blocks[0].units[0].depthwise.weight  # type: ignore
    own = model.blocks[0].units[0].depthwise.weight  # type: ignore
    assert torch.equal(own, theirs[..., 1:2, 1:2])
    residual = model.blocks[0].residual.conv.weight  # type: ignore
    assert torch.equal(residual[..., 1:2, 1:2], wide.blocks[0].residual.conv.weight)  # type: ignore
    assert residual.count_nonzero() == residual[..., 1, 1].count_nonzero()
    again = build_model(XCEPTION, 7)
    inherit_weights(again, model)
    own = again.blocks[0].units[0].depthwise.weight  # type: ignore
    assert torch.equal(own[..., 1:2, 1:2], theirs[..., 1:2, 1:2])
    assert own.count_nonzero() == own[..., 1, 1].count_nonzero()


def test_a_style_without_it_takes_a_normalisation_into_its_convolution(wide: XceptionNet) -> None:
    model = build_model(replace(XCEPTION, style="lite"), 7).eval()
    inherit_weights(model, wide)
    x = torch.randn(2, model.blocks[1].residual.conv.in_channels, 9, 9)  # type: ignore
    with torch.no_grad():
        own, theirs = (net.blocks[1].residual(x) for net in (model, wide))
    torch.testing.assert_close(own, theirs, rtol=1e-4, atol=1e-5)


def test_a_bias_that_has_no_place_goes_into_the_statistics() -> None:
    lite = trained(LITE)
    xception = replace(LITE, style="xception")
    model = build_model(xception, 7).eval()
    inherit_weights(model, lite)
    x = torch.randn(2, LITE.exit.widths[1], 5, 5)
    with torch.no_grad():
        torch.testing.assert_close(model.tail(x), lite.tail(x), rtol=1e-4, atol=1e-5)


def test_a_new_squeeze_layer_begins_by_passing_channels_on(wide: XceptionNet) -> None:
    squeezed = replace(XCEPTION, entry=replace(XCEPTION.entry, squeeze=0.5))
    model = build_model(squeezed, 7).eval()
    inherit_weights(model, wide)
    units = model.blocks[1].units  # type: ignore
    pointwise = units[0].pointwise.weight[:, :, 0, 0].detach()
    kept = pointwise.argmax(dim=1)
    assert len(kept.unique()) == len(kept)
    rest = pointwise - nn.functional.one_hot(kept, pointwise.shape[1])
    assert 0 < rest.abs().max() < 0.5
    theirs = wide.blocks[1].units[0]  # type: ignore
    assert torch.equal(units[1].pointwise.weight, theirs.pointwise.weight[:, kept])
    assert model(images()).isfinite().all()


def test_every_network_no_wider_can_inherit_and_none_other() -> None:
    space = SearchSpace.load("xception_cnd_small")
    rng = random.Random(0)
    wide = trained(XCEPTION)
    for _ in range(40):
        network = space.sample(rng)
        assert is_as_wide(XCEPTION.plan, network.plan)
        model = build_model(network, 7).eval()
        inherit_weights(model, wide)
        assert model(images()).isfinite().all()
    assert is_as_wide(XCEPTION.plan, XCEPTION.plan)
    assert not is_as_wide(NARROW.plan, XCEPTION.plan)
    squeezed = replace(XCEPTION, entry=replace(XCEPTION.entry, squeeze=0.5))
    assert not is_as_wide(squeezed.plan, XCEPTION.plan)
    shallow = replace(XCEPTION, middle=replace(XCEPTION.middle, blocks=7))
    assert not is_as_wide(XCEPTION.plan, shallow.plan)
    for part in ("stem", "entry", "exit"):
        own = getattr(XCEPTION, part)
        for i, width in enumerate(own.widths):
            wider = (*own.widths[:i], width + 1, *own.widths[i + 1 :])
            network = replace(XCEPTION, **{part: replace(own, widths=wider)})
            assert not is_as_wide(XCEPTION.plan, network.plan)
