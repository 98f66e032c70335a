from __future__ import annotations

import pytest
import torch

from nas_edge.models.blocks import SameConv2d


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
