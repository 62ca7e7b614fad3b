import pytest
import torch

from leanet.colorizer.autoencoder import Autoencoder
from leanet.colorizer.network import Colorizer
from leanet.colorizer.unet import UNet, levels_of


def test_table_9() -> None:
    unet = UNet(256)
    trainable = sum(parameter.numel() for parameter in unet.parameters())
    statistics = sum(buffer.numel() for buffer in unet.buffers() if buffer.is_floating_point())
    assert trainable == 28_264_450
    assert trainable + statistics == 28_275_330

    sizes = []
    for layer in [*unet.down, *unet.up]:
        layer.register_forward_hook(lambda *call: sizes.append(tuple(call[2].shape[1:])))
    with torch.no_grad():
        out = unet.eval()(torch.rand(1, 1, 256, 256))
    widths = [64, 128, 256, 512, 512, 512, 512, 512, 512, 512, 512, 512, 256, 128, 64]
    assert [size[0] for size in sizes] == widths
    assert [size[1] for size in sizes] == [128, 64, 32, 16, 8, 4, 2, 1, 2, 4, 8, 16, 32, 64, 128]
    assert out.shape == (1, 2, 256, 256)


@pytest.mark.parametrize(("size", "levels"), [(32, 5), (64, 6), (96, 5), (128, 7), (224, 5), (256, 8), (512, 8)])
def test_as_many_levels_as_the_size_allows(size: int, levels: int) -> None:
    assert levels_of(size) == levels
    with torch.no_grad():
        out = UNet(size).eval()(torch.rand(1, 1, size, size))
    assert out.shape == (1, 2, size, size)
    assert out.min() >= 0 and out.max() <= 1


def test_dropout_is_an_option_of_the_first_three_decoder_layers() -> None:
    def dropouts(unet: UNet) -> list[int]:
        return [n for n, up in enumerate(unet.up) if any(isinstance(m, torch.nn.Dropout) for m in up)]

    assert dropouts(UNet(256)) == []
    assert dropouts(UNet(256, dropout=0.5)) == [0, 1, 2]


@pytest.mark.parametrize("make", [UNet, Autoencoder])
def test_resizing_has_no_checkerboard(make: type[Colorizer]) -> None:
    """From the same everywhere, 2×2 windows of a transposed convolution differ within, and resized pixels do not."""
    found = {}
    for upsampling in ("transposed", "resize"):
        torch.manual_seed(0)
        network = make(64, upsampling=upsampling).eval()  # type: ignore[call-arg]
        with torch.no_grad():
            out = network(torch.full((1, network.sees.stop - network.sees.start, 64, 64), 0.5))
        middle = out[..., 24:40, 24:40]
        found[upsampling] = float((middle[..., ::2, ::2] - middle[..., 1::2, 1::2]).abs().max())
        assert out.shape == (1, network.gives.stop - network.gives.start, 64, 64)
    assert found["resize"] < 0.1 * found["transposed"]
