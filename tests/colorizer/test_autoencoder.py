import pytest
import torch

from leanet.colorizer.autoencoder import Autoencoder


@pytest.mark.parametrize("size", [32, 64, 96, 256])
def test_sizes(size: int) -> None:
    with torch.no_grad():
        out = Autoencoder(size).eval()(torch.rand(1, 3, size, size))
    assert out.shape == (1, 3, size, size)
    assert out.min() >= 0 and out.max() <= 1


def test_everything_goes_through_the_bottleneck() -> None:
    network = Autoencoder(64, bottleneck=8).eval()
    code = network.encoder(torch.rand(2, 3, 64, 64))
    assert code.shape == (2, 8, 4, 4)
    image = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(network.logits(image), network.decoder(network.encoder(image)))


def test_a_size_it_cannot_halve() -> None:
    with pytest.raises(ValueError, match="halves an image 4 times; 40 pixels"):
        Autoencoder(40)
