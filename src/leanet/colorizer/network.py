"""The base class of colorizers, networks that predict some channels of an image's L*a*b* from others."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from leanet.color import scale_lab, unscale_lab


class Colorizer(nn.Module):
    """Predicts the channels `gives` of L*a*b* from the channels `sees`, all scaled to 0…1 by `color.scale_lab`.

    Subclasses take the image size S as an argument and define `logits`.
    """

    sees: ClassVar[slice]
    gives: ClassVar[slice]

    def logits(self, seen: Tensor) -> Tensor:
        """Predict before the sigmoid: (B, channels seen, S, S) → (B, channels given, S, S)."""
        raise NotImplementedError

    def forward(self, seen: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(seen))

    def complete(self, scaled: Tensor, given: Tensor) -> Tensor:
        """Put predicted channels into an image.

        Args:
            scaled: (B, 3, S, S), scaled L*a*b*.
            given: (B, channels given, S, S), in 0…1.

        Returns:
            (B, 3, S, S), a copy of `scaled` with the channels replaced.
        """
        whole = scaled.clone()
        whole[:, self.gives] = given
        return whole

    def recolored(self, lab: Tensor) -> Tensor:
        """Recolour true L*a*b* (B, 3, S, S); channels that are not predicted, such as a U-Net's L*, stay the same."""
        scaled = scale_lab(lab)
        return unscale_lab(self.complete(scaled, self(scaled[:, self.sees])))


USUAL_BATCH = 16


class ConvTranspose2x2(nn.ConvTranspose2d):
    """2×2 transposed convolution of stride 2: (B, C, H, W) → (B, C', 2H, 2W).

    Its windows do not overlap, so on a CPU it is computed as one matrix product, up to twice as fast as PyTorch's own.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(channels, width, 2, 2)

    def forward(self, features: Tensor, output_size: list[int] | None = None) -> Tensor:
        if features.device.type != "cpu":
            return super().forward(features, output_size)
        assert self.bias is not None
        batch, channels, height, width = features.shape
        pixels, each = features.permute(0, 2, 3, 1), (batch, height, width)
        if USUAL_BATCH * height * width < channels:  # more weights than features: do not rearrange the weights
            windows = (pixels @ self.weight.flatten(1)).view(*each, self.out_channels, 2, 2)
            windows = windows.permute(0, 1, 4, 2, 5, 3) + self.bias
        else:
            weight = self.weight.permute(2, 3, 1, 0).reshape(-1, channels)
            windows = linear(pixels, weight, self.bias.repeat(4)).view(*each, 2, 2, self.out_channels)
            windows = windows.permute(0, 1, 3, 2, 4, 5)
        whole: Tensor = windows.reshape(batch, 2 * height, 2 * width, self.out_channels)
        return whole.permute(0, 3, 1, 2)


def down(channels: int, width: int, normalized: bool = True) -> nn.Sequential:
    """Table 9's encoder layer: 4×4 convolution that halves the size, batch norm, LeakyReLU 0.2."""
    norm = [nn.BatchNorm2d(width)] if normalized else []
    return nn.Sequential(nn.Conv2d(channels, width, 4, 2, 1), *norm, nn.LeakyReLU(0.2))


def doubled(channels: int, width: int, upsampling: str = "transposed") -> nn.Module:
    """A layer that doubles the size.

    Args:
        channels: of its input.
        width: channels of its output.
        upsampling: `transposed`, a 2×2 transposed convolution as in Table 9; or `resize`, nearest-neighbour
            interpolation and a 3×3 convolution, which makes no checkerboard pattern (Odena et al. 2016, *Deconvolution
            and checkerboard artifacts*).
    """
    if upsampling == "transposed":
        return ConvTranspose2x2(channels, width)
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(channels, width, 3, padding=1))


def up(channels: int, width: int, dropout: float = 0.0, upsampling: str = "transposed") -> nn.Sequential:
    """Table 9's decoder layer: a layer that doubles the size, batch norm, ReLU."""
    drop = [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(doubled(channels, width, upsampling), nn.BatchNorm2d(width), *drop, nn.ReLU())
