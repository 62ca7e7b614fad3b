"""What every colorizer is: a network that gives some channels of an image's L*a*b* from some of them."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from leanet.color import scale_lab, unscale_lab


class Colorizer(nn.Module):
    """Scaled L*a*b* (0…1, as `color.scale_lab` has it): the channels `sees` → the channels `gives`.

    Subclasses are made with the image size S and define `logits`.
    """

    sees: ClassVar[slice]
    gives: ClassVar[slice]

    def logits(self, seen: Tensor) -> Tensor:
        """(B, channels seen, S, S) → (B, channels given, S, S), before the sigmoid."""
        raise NotImplementedError

    def forward(self, seen: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(seen))

    def complete(self, scaled: Tensor, given: Tensor) -> Tensor:
        """`scaled` (B, 3, S, S) with the channels that this network gives replaced."""
        whole = scaled.clone()
        whole[:, self.gives] = given
        return whole

    def recolored(self, lab: Tensor) -> Tensor:
        """True L*a*b* (B, 3, S, S) as this network would have it; what it does not give, a U-Net's L*, stays."""
        scaled = scale_lab(lab)
        return unscale_lab(self.complete(scaled, self(scaled[:, self.sees])))


def down(channels: int, width: int, normalized: bool = True) -> nn.Sequential:
    """Table 9's encoder layer: 4×4 convolution that halves the size, batch norm, LeakyReLU 0.2."""
    norm = [nn.BatchNorm2d(width)] if normalized else []
    return nn.Sequential(nn.Conv2d(channels, width, 4, 2, 1), *norm, nn.LeakyReLU(0.2))


def up(channels: int, width: int, dropout: float = 0.0) -> nn.Sequential:
    """Table 9's decoder layer: 2×2 transposed convolution that doubles the size, batch norm, ReLU."""
    drop = [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(nn.ConvTranspose2d(channels, width, 2, 2), nn.BatchNorm2d(width), *drop, nn.ReLU())
