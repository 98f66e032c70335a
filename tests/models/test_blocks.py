from __future__ import annotations

import pytest
import torch

from nas_edge.models.blocks import PointwiseConv2d, SameConv2d


@pytest.mark.parametrize("channels", [1, 2, 4, 6, 8, 16])
@pytest.mark.parametrize("size", [19, 20])
def test_strided_1x1_has_the_weight_gradient_of_a_matrix_product(channels: int, size: int) -> None:
    """oneDNN's own was wrong by half, or killed the process, below 8 channels in channels_last."""
    torch.manual_seed(0)
    layer = SameConv2d(channels, 12, 1, 2)
    images = torch.randn(8, channels, size, size).to(memory_format=torch.channels_last)

    out = layer(images)
    slope = torch.randn_like(out)
    out.backward(slope)

    taken = images[:, :, ::2, ::2].double()
    expected = torch.einsum("bohw,bihw->oi", slope.double(), taken)
    assert layer.weight.grad is not None
    torch.testing.assert_close(
        layer.weight.grad[:, :, 0, 0].double(), expected, rtol=1e-4, atol=1e-3
    )
    dense = torch.einsum("oi,bihw->bohw", layer.weight[:, :, 0, 0].double(), taken)
    bias = layer.bias
    assert bias is not None
    torch.testing.assert_close(
        out.double(), dense + bias.double().view(1, -1, 1, 1), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(("groups", "bias"), [(1, False), (1, True), (6, False)])
@pytest.mark.parametrize(
    "memory_format", [torch.channels_last, torch.contiguous_format], ids=["nhwc", "nchw"]
)
def test_pointwise_product_trains_as_the_convolution_does(
    groups: int, bias: bool, memory_format: torch.memory_format
) -> None:
    torch.manual_seed(0)
    layer = PointwiseConv2d(6, 6, 1, groups=groups, bias=bias)
    images = torch.randn(4, 6, 5, 7).to(memory_format=memory_format).requires_grad_()
    slope = torch.randn(4, 6, 5, 7).to(memory_format=memory_format)
    wanted = [images, *layer.parameters()]

    out = layer(images)
    convolved = torch.nn.functional.conv2d(images, layer.weight, layer.bias, groups=groups)

    torch.testing.assert_close(out, convolved)
    assert out.is_contiguous(memory_format=memory_format)
    for mine, theirs in zip(
        torch.autograd.grad(out, wanted, slope), torch.autograd.grad(convolved, wanted, slope)
    ):
        torch.testing.assert_close(mine, theirs)


def test_pointwise_is_a_convolution_when_it_is_evaluated() -> None:
    """What is exported must hold convolutions, which other tools fuse with the norm after them."""
    layer = PointwiseConv2d(6, 8, 1).eval()
    images = torch.randn(1, 6, 4, 4).to(memory_format=torch.channels_last)
    assert "conv" in type(layer(images).grad_fn).__name__.lower()
    assert "conv" not in type(layer.train()(images).grad_fn).__name__.lower()


@pytest.mark.parametrize("groups", [1, 6])
def test_pointwise_product_keeps_autocasts_precision(groups: int) -> None:
    layer = PointwiseConv2d(6, 6, 1, groups=groups, bias=False)
    images = torch.randn(2, 6, 4, 4).to(torch.bfloat16).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(images).dtype == torch.bfloat16
