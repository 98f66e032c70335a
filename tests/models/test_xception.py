"""The PyTorch modules: paddings by brute force, gradients, layouts, initialisation."""

from __future__ import annotations

import itertools
import math
from typing import Iterator

import pytest
import torch
from torch import Tensor, nn

from nas_edge.models.blocks import SameConv2d, SameMaxPool
from nas_edge.models.xception import XceptionNet, build_model
from nas_edge.space.references import REFERENCE_NAMES, reference_architecture

SIZES = list(itertools.product(range(1, 10), repeat=2))


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def small(name: str = "xception-lite", num_outputs: int = 5, **options: object) -> XceptionNet:
    return build_model(reference_architecture(name, 1 / 16), num_outputs, **options)  # type: ignore


def tensorflow_padding(size: int, kernel: int, stride: int) -> int:
    """Pixels before the image, as TensorFlow's documentation of "SAME" writes the rule."""
    rest = size % stride
    total = max(kernel - stride, 0) if rest == 0 else max(kernel - rest, 0)
    return total // 2


def windows(x: Tensor, kernel: int, stride: int, outside: float) -> Tensor:
    """Return every window, pixel by pixel: (n, channels, out_h, out_w, kernel, kernel)."""
    n, channels, height, width = x.shape
    top, left = (tensorflow_padding(size, kernel, stride) for size in (height, width))
    out_h, out_w = (math.ceil(size / stride) for size in (height, width))
    out = torch.full((n, channels, out_h, out_w, kernel, kernel), outside, dtype=x.dtype)
    for i, j, k, m in itertools.product(range(out_h), range(out_w), range(kernel), range(kernel)):
        row, column = i * stride - top + k, j * stride - left + m
        if 0 <= row < height and 0 <= column < width:
            out[:, :, i, j, k, m] = x[:, :, row, column]
    return out


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3])
def test_same_convolution_is_that_of_tensorflow_at_every_size(kernel: int, stride: int) -> None:
    conv = SameConv2d(2, 3, kernel, stride).double()
    for size in SIZES:
        x = torch.randn(2, 2, *size, dtype=torch.float64)
        patches = windows(x, kernel, stride, outside=0.0)
        expected = torch.einsum("nchwkm,ockm->nohw", patches, conv.weight)
        expected = expected + conv.bias.view(1, -1, 1, 1)
        torch.testing.assert_close(conv(x), expected, msg=lambda text, s=size: f"{s}: {text}")


def test_same_max_pool_is_that_of_tensorflow_at_every_size() -> None:
    pool = SameMaxPool()
    for size in SIZES:
        x = torch.randn(2, 3, *size) - 5.0  # below zero: a padding with zeros would win
        expected = windows(x, 3, 2, outside=-math.inf).amax(dim=(-2, -1))
        assert torch.equal(pool(x), expected), size


@pytest.mark.parametrize("name", REFERENCE_NAMES)
@pytest.mark.parametrize("size", [(33, 48), (64, 64), (71, 71)], ids=str)
def test_logits_have_one_row_an_image(name: str, size: tuple) -> None:
    net = small(name).eval()
    assert net(torch.randn(3, 3, *size)).shape == (3, 5)


def test_images_of_a_batch_do_not_touch_each_other_in_evaluation() -> None:
    net = small().double().eval()
    batch = torch.randn(3, 3, 40, 40, dtype=torch.float64)
    torch.testing.assert_close(net(batch)[1:2], net(batch[1:2]))


@pytest.mark.parametrize("name", REFERENCE_NAMES)
@pytest.mark.parametrize("training", [True, False])
def test_channels_last_gives_the_same_logits_and_gradients(name: str, training: bool) -> None:
    net = small(name, dropout=0.0).double().train(training)
    last = small(name, dropout=0.0).double().train(training)
    last.load_state_dict(net.state_dict())
    last = last.to(memory_format=torch.channels_last)
    batch = torch.randn(4, 3, 49, 64, dtype=torch.float64)
    logits = net(batch)
    logits_last = last(batch.to(memory_format=torch.channels_last))
    torch.testing.assert_close(logits_last, logits)
    logits.square().sum().backward()
    logits_last.square().sum().backward()
    for (path, weight), weight_last in zip(net.named_parameters(), last.parameters()):
        torch.testing.assert_close(
            weight_last.grad, weight.grad, msg=lambda text, p=path: f"{p}: {text}"
        )


@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_gradients_reach_every_parameter(name: str) -> None:
    # In evaluation: in training, the bias before a batch normalisation has none (it cancels out).
    # "keras": by "he" the middle blocks begin as identities, and only their last scale has one.
    net = small(name, init="keras").double().eval()
    net(torch.randn(4, 3, 64, 64, dtype=torch.float64)).square().sum().backward()
    for path, parameter in net.named_parameters():
        assert parameter.grad is not None, path
        assert torch.isfinite(parameter.grad).all(), path
        assert parameter.grad.abs().max() > 0, path


@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_inplace_relus_change_no_gradient(name: str) -> None:
    """None may overwrite what a residual or the backward pass still needs."""
    net = small(name, dropout=0.0).double().train()
    plain = small(name, dropout=0.0).double().train()
    plain.load_state_dict(net.state_dict())
    relus = [module for module in plain.modules() if isinstance(module, nn.ReLU)]
    assert {relu.inplace for relu in relus} == {True, False}
    for relu in relus:
        relu.inplace = False
    batch = torch.randn(4, 3, 48, 48, dtype=torch.float64)
    for one in (net, plain):
        one(batch).square().sum().backward()
    for weight, expected in zip(net.parameters(), plain.parameters()):
        assert torch.equal(weight.grad, expected.grad)


@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_input_and_block_input_are_left_unchanged(name: str) -> None:
    net = small(name).eval()
    batch = torch.randn(2, 3, 32, 32)
    before = batch.clone()
    net(batch)
    assert torch.equal(batch, before)
    for block in net.blocks:
        x = torch.randn(2, next(block.parameters()).shape[0], 8, 8)
        before = x.clone()
        block(x)
        assert torch.equal(x, before)


def test_xception_loses_pixels_to_its_stem_and_has_a_smallest_image() -> None:
    net = small("xception").eval()
    net(torch.randn(1, 3, 7, 7))  # 7 -> 3 -> 1
    with pytest.raises(RuntimeError, match=r"[Kk]ernel size"):
        net(torch.randn(1, 3, 6, 6))


def test_lite_takes_the_smallest_image() -> None:
    assert small("xception-lite").eval()(torch.randn(1, 3, 1, 1)).shape == (1, 5)


def test_batch_norm_takes_the_constants_it_was_given() -> None:
    default, keras = small(), small(bn_momentum=0.01)
    for net, momentum in ((default, 0.1), (keras, 0.01)):
        norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
        assert {m.momentum for m in norms} == {momentum}
        assert {m.eps for m in norms} == {1e-3}


def test_dropout_acts_before_the_head_in_training_only() -> None:
    net = small(dropout=0.75).train()
    seen = []
    net.head.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    batch = torch.randn(32, 3, 32, 32)
    net(batch)
    net.dropout.p = 0.0
    net(batch)  # in training too: the same statistics of the batch
    dropped, features = seen[0], seen[1]
    kept = dropped[features > 0] != 0
    assert kept.float().mean().item() == pytest.approx(0.25, abs=0.05)
    where = (dropped != 0) & (features > 0)
    torch.testing.assert_close(dropped[where], features[where] * 4)
    net.dropout.p = 0.75
    net.eval()
    assert torch.equal(net(batch), net(batch))


def test_same_seed_gives_the_same_network() -> None:
    nets = []
    for _ in range(2):
        torch.manual_seed(7)
        nets.append(small().state_dict())
    assert all(torch.equal(a, b) for a, b in zip(nets[0].values(), nets[1].values()))


def test_unknown_initialisation_is_refused() -> None:
    with pytest.raises(ValueError, match="init must be 'he' or 'keras', but got 'xavier'"):
        small(init="xavier")


def test_middle_blocks_begin_as_identities() -> None:
    net = small(init="he").eval()
    identities = [b for b in net.blocks if isinstance(b.residual, nn.Identity)]
    assert len(identities) == 8
    for block in identities:
        width = block.units[0].depthwise.in_channels
        features = torch.randn(2, width, 3, 3)
        torch.testing.assert_close(block(features), features)


@pytest.mark.parametrize("init", ["he", "keras"])
def test_biases_start_at_zero(init: str) -> None:
    biases = [m.bias for m in small(init=init).modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert all(not bias.any() for bias in biases if bias is not None)
    assert sum(bias is not None for bias in biases) > 30


def test_he_weights_have_the_variance_of_their_fan_out() -> None:
    net = build_model(reference_architecture("xception", 0.5), 101, init="he")
    expected = {
        # 2 / (k * k * output channels that one input channel reaches), which is one for a
        # depthwise kernel.
        "stem.1.conv.weight": 2 / (9 * 32),
        "blocks.entry3.residual.conv.weight": 2 / 364,
        "blocks.middle1.units.0.depthwise.weight": 2 / 9,
        "blocks.middle1.units.0.pointwise.weight": 2 / 364,
        "tail.1.pointwise.weight": 2 / 1024,
        "head.weight": 0.01**2,
    }
    weights = dict(net.named_parameters())
    for path, variance in expected.items():
        count = weights[path].numel()
        sigma = math.sqrt(2 / count)  # relative standard error of a normal sample's variance
        assert weights[path].var().item() == pytest.approx(variance, rel=5 * sigma), path
        assert weights[path].abs().max() > 2 * math.sqrt(variance)  # not uniform: those end at 1.7


def test_keras_weights_are_uniform_within_glorots_limit() -> None:
    net = build_model(reference_architecture("xception", 0.5), 101, init="keras")
    limits = {
        # sqrt(6 / (fan in + fan out)); Keras's depthwise kernel is (3, 3, channels, 1).
        "stem.1.conv.weight": math.sqrt(6 / (9 * 16 + 9 * 32)),
        "blocks.entry3.residual.conv.weight": math.sqrt(6 / (128 + 364)),
        "blocks.middle1.units.0.depthwise.weight": math.sqrt(6 / (9 * 364 + 9)),
        "blocks.middle1.units.0.pointwise.weight": math.sqrt(6 / (364 + 364)),
        "tail.1.pointwise.weight": math.sqrt(6 / (768 + 1024)),
        "head.weight": math.sqrt(6 / (1024 + 101)),
    }
    weights = dict(net.named_parameters())
    for path, limit in limits.items():
        weight = weights[path]
        assert 0.99 * limit < weight.max() <= limit, path
        assert -limit <= weight.min() < -0.99 * limit, path
        sigma = math.sqrt(0.8 / weight.numel())  # kurtosis of the uniform: 1.8
        assert weight.var().item() == pytest.approx(limit**2 / 3, rel=5 * sigma), path
