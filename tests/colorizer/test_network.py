import pytest
import torch
from torch.nn.functional import conv_transpose2d

from leanet.colorizer.network import ConvTranspose2x2


@pytest.mark.parametrize("channels", [5, 500])  # fewer weights than features, and more
def test_is_the_transposed_convolution_with_its_gradients(channels: int) -> None:
    torch.manual_seed(0)
    layer = ConvTranspose2x2(channels, 3).double()
    features = torch.randn(2, channels, 4, 6, dtype=torch.double, requires_grad=True)
    found, expected = layer(features), conv_transpose2d(features, layer.weight, layer.bias, stride=2)
    torch.testing.assert_close(found, expected)
    inputs = [features, layer.weight, layer.bias]
    weights = torch.randn_like(expected)
    gradients = [torch.autograd.grad((out * weights).sum(), inputs) for out in (found, expected)]
    torch.testing.assert_close(*gradients)
