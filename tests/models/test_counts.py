"""Counts by arithmetic against the published figures, the built modules and torch's own counter."""

from __future__ import annotations

import random
from typing import Dict, List

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from nas_edge.errors import SpaceError
from nas_edge.models.counts import count_layers, count_model, tensor_sizes
from nas_edge.models.xception import XceptionNet, build_model
from nas_edge.space.architecture import Architecture, Entry, Exit, Middle, Stem
from nas_edge.space.references import reference_architecture

# (network, classes): all parameters with the moving statistics as Keras counts, trainable ones.
PUBLISHED = {
    ("xception-lite", 101): (15_834_933, 15_800_005),
    ("xception-lite", 1): (15_630_033, 15_595_105),
    ("xception", 101): (21_068_429, 21_013_901),
    ("xception", 1): (20_863_529, 20_809_001),
}


def random_architecture(seed: int) -> Architecture:
    rng = random.Random(seed)

    def widths(count: int) -> tuple:
        return tuple(rng.randint(1, 24) for _ in range(count))

    def kernels(count: int) -> tuple:
        return tuple(rng.choice((1, 3)) for _ in range(count))

    squeezes = (0.01, 0.25, 0.5, 0.9, 1.0, 1.5, 1.99)
    return Architecture(
        stem=Stem(widths(2)),
        entry=Entry(widths(3), rng.choice(squeezes), kernels(2), rng.choice((1, 3))),
        middle=Middle(rng.randint(0, 2), rng.choice(squeezes), kernels(3)),
        exit=Exit(widths(4), rng.choice(squeezes), kernels(2), rng.choice((1, 3))),
        strides=tuple(rng.choice((1, 2)) for _ in range(5)),
        style=rng.choice(("xception", "lite")),
    )


def layer_modules(net: XceptionNet) -> Dict[str, nn.Module]:
    """Return the module that each counted layer names."""
    modules: Dict[str, nn.Module] = {f"stem.conv{i}": m for i, m in enumerate(net.stem, 1)}
    for name, block in net.blocks.named_children():
        modules.update({f"{name}.sep{i}": unit for i, unit in enumerate(block.units, 1)})
        if not isinstance(block.pool, nn.Identity):
            modules[f"{name}.pool"] = block.pool
        if not isinstance(block.residual, nn.Identity):
            modules[f"{name}.residual"] = block.residual
    modules.update({f"exit2.sep{i}": unit for i, unit in enumerate(net.tail, 1)})
    modules["head.dense"] = net.head
    return modules


def num_trainable(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def num_params(module: nn.Module) -> int:
    """As Keras counts: with the moving statistics, without PyTorch's num_batches_tracked."""
    statistics = [b for name, b in module.named_buffers() if "num_batches" not in name]
    return num_trainable(module) + sum(buffer.numel() for buffer in statistics)


@pytest.mark.parametrize(("name", "classes"), PUBLISHED)
def test_reference_networks_have_the_published_parameter_counts(name: str, classes: int) -> None:
    everything, trainable = PUBLISHED[name, classes]
    architecture = reference_architecture(name)
    counted = count_model(architecture.plan, 224, classes)
    assert (counted.num_params, counted.num_trainable) == (everything, trainable)
    net = build_model(architecture, classes)
    assert (num_params(net), num_trainable(net)) == (everything, trainable)


def test_lite_with_a_1x1_exit_residual_has_the_count_of_the_papers_other_reading() -> None:
    data = reference_architecture("xception-lite").to_dict()
    data["exit"]["residual_kernel"] = 1
    assert count_model(Architecture.from_dict(data).plan, 224, 101).num_params == 11_640_629


def test_lite_of_the_papers_text_adds_a_squeeze_layer_to_each_entry_block() -> None:
    # A squeeze layer sep(1, w / 2) before sep(1, w): in + in w/2 + bias w/2 + 4 w/2 of the norm;
    # the next layer then has w / 2 channels instead of `in`: (w/2 - in) (1 + w).
    extra = 0
    for channels, width in ((64, 128), (128, 256), (256, 512)):
        half = width // 2
        extra += channels + channels * half + 5 * half + (half - channels) * (1 + width)
    counted = count_model(reference_architecture("xception-lite-text").plan, 224, 101)
    assert counted.num_params == 15_834_933 + extra


def test_macs_of_a_network_counted_by_hand() -> None:
    architecture = Architecture(
        stem=Stem((2, 3)),
        entry=Entry((4, 4, 4), 1.0, (1, 3), 1),
        middle=Middle(0, 1.0, (3, 3, 3)),
        exit=Exit((5, 6, 7, 8), 1.0, (3, 1), 3),
        strides=(2, 1, 1, 1, 2),
        style="lite",
    )
    stem = (3 * 2 * 9 + 2 * 3 * 9) * 25  # 9 x 9 -> 5 x 5
    entry1 = (3 * (1 + 4) + 4 * (9 + 4) + 3 * 4) * 25
    entry2 = (4 * (1 + 4) + 4 * (9 + 4) + 4 * 4) * 25
    exit1 = (4 * (9 + 5) + 5 * (1 + 6)) * 25 + (4 * 6 * 9) * 9  # pooled to 3 x 3
    tail = (6 * (9 + 7) + 7 * (9 + 8)) * 9
    head = 8 * 10
    expected = stem + entry1 + 2 * entry2 + exit1 + tail + head
    assert count_model(architecture.plan, 9, 10).macs == expected


@pytest.mark.parametrize("seed", range(30))
def test_counts_are_those_of_the_built_network(seed: int) -> None:
    architecture = random_architecture(seed)
    net = build_model(architecture, 3)
    modules = layer_modules(net)
    rows = count_layers(architecture.plan, 33, 3)
    assert [row.name for row in rows] == list(modules)
    for row in rows:
        module = modules[row.name]
        assert (row.num_params, row.num_trainable) == (num_params(module), num_trainable(module))
    total = count_model(architecture.plan, 33, 3)
    assert (total.num_params, total.num_trainable) == (num_params(net), num_trainable(net))


@pytest.mark.parametrize("seed", range(30))
def test_shapes_and_macs_are_those_of_a_forward_pass(seed: int) -> None:
    architecture = random_architecture(seed)
    net = build_model(architecture, 3).eval()
    shapes: Dict[str, tuple] = {}
    for name, module in layer_modules(net).items():

        def keep(module: nn.Module, inputs: tuple, output: Tensor, name: str = name) -> None:
            shapes[name] = tuple(output.shape[1:])

        module.register_forward_hook(keep)
    for size in (7, 20, 49):
        shapes.clear()
        counter = FlopCounterMode(display=False)
        with torch.no_grad(), counter:
            net(torch.zeros(1, 3, size, size))
        rows = count_layers(architecture.plan, size, 3)
        assert {row.name: row.out_shape for row in rows} == shapes
        assert 2 * sum(row.macs for row in rows) == counter.get_total_flops()
        assert count_model(architecture.plan, size, 3).macs == sum(row.macs for row in rows)


def test_seeds_reach_the_special_cases() -> None:
    """The random networks above are of use only if they hold the odd ones."""
    drawn: List[Architecture] = [random_architecture(seed) for seed in range(30)]
    assert {a.style for a in drawn} == {"xception", "lite"}
    assert {a.middle.blocks for a in drawn} == {0, 1, 2}
    assert {len(a.plan.blocks[0].convs) for a in drawn} == {2, 3}
    for part in range(5):
        assert {a.strides[part] for a in drawn} == {1, 2}
    assert any(a.middle.squeeze > 1 and a.middle.blocks for a in drawn)


def test_paddings_of_the_reference_stems_show_in_the_shapes() -> None:
    # Chollet's stem loses pixels: 299 -> 149 -> 147, as in his figure 5; "same" keeps them.
    valid = count_layers(reference_architecture("xception").plan, 299, 101)
    same = count_layers(reference_architecture("xception-lite").plan, 299, 101)
    assert [row.out_shape for row in valid[:2]] == [(32, 149, 149), (64, 147, 147)]
    assert [row.out_shape for row in same[:2]] == [(32, 150, 150), (64, 150, 150)]
    assert {row.name: row.out_shape for row in valid}["exit2.sep2"] == (2048, 10, 10)


@pytest.mark.parametrize(("name", "smallest"), [("xception", 7), ("xception-lite", 1)])
def test_smallest_image_still_has_counts(name: str, smallest: int) -> None:
    plan = reference_architecture(name).plan
    assert count_layers(plan, smallest, 2)[-2].out_shape == (2048, 1, 1)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
def test_too_small_an_image_is_refused_with_its_size(size: int) -> None:
    plan = reference_architecture("xception").plan
    with pytest.raises(SpaceError, match=f"image_size must be .* but got {size}$"):
        count_layers(plan, size, 2)
    with pytest.raises(SpaceError):
        count_model(plan, size, 2)


@pytest.mark.parametrize("name", ["xception", "xception-lite"])
@pytest.mark.parametrize("size", [0, -5])
def test_image_without_pixels_is_refused(name: str, size: int) -> None:
    with pytest.raises(SpaceError, match=f"image_size must be .* but got {size}$"):
        count_layers(reference_architecture(name).plan, size, 2)


@pytest.mark.parametrize("seed", range(8))
def test_every_trainable_tensor_has_its_size(seed):
    architecture = random_architecture(seed)
    sizes = [parameter.numel() for parameter in build_model(architecture, 5).parameters()]

    assert sorted(tensor_sizes(architecture.plan, 5)) == sorted(sizes)
