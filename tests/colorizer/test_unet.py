import pytest
import torch

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
