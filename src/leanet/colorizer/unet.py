"""The U-Net that recolours an image from its lightness (Table 9)."""

import torch
from torch import Tensor, nn

FILTERS = (64, 128, 256, 512, 512, 512, 512, 512)


def levels_of(image_size: int) -> int:
    """How often `image_size` can be halved, up to the paper's eight."""
    levels = 0
    while levels < len(FILTERS) and image_size % 2 == 0 and image_size > 1:
        image_size, levels = image_size // 2, levels + 1
    return levels


class UNet(nn.Module):
    """L* → (a*, b*), all scaled to 0…1: (B, 1, S, S) → (B, 2, S, S).

    At 256×256 this is Table 9: eight 4×4 convolutions of stride 2, eight 2×2 transposed ones with skip connections,
    28,264,450 trainable parameters. Smaller images get as many levels as they can be halved.

    Args:
        image_size: S, at least one factor of two.
        dropout: of the first three decoder layers; 0 in Table 9, 0.5 in the authors' code.
    """

    def __init__(self, image_size: int, dropout: float = 0.0) -> None:
        super().__init__()
        filters = FILTERS[: levels_of(image_size)]
        self.down = nn.ModuleList()
        channels = 1
        for level, width in enumerate(filters):
            self.down.append(_down(channels, width, normalized=level > 0))
            channels = width
        self.up = nn.ModuleList()
        for level, width in enumerate(reversed(filters[:-1])):
            self.up.append(_up(channels, width, dropout if level < 3 else 0.0))
            channels = 2 * width
        self.last = nn.ConvTranspose2d(channels, 2, 2, 2)

    def forward(self, lightness: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(lightness))

    def logits(self, lightness: Tensor) -> Tensor:
        """The output before its sigmoid."""
        skips = []
        features = lightness
        for down in self.down:
            features = down(features)
            skips.append(features)
        skips.pop()
        for up in self.up:
            features = torch.cat([skips.pop(), up(features)], dim=1)
        logits: Tensor = self.last(features)
        return logits


def _down(channels: int, width: int, normalized: bool) -> nn.Sequential:
    norm = [nn.BatchNorm2d(width)] if normalized else []
    return nn.Sequential(nn.Conv2d(channels, width, 4, 2, 1), *norm, nn.LeakyReLU(0.2))


def _up(channels: int, width: int, dropout: float) -> nn.Sequential:
    drop = [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(nn.ConvTranspose2d(channels, width, 2, 2), nn.BatchNorm2d(width), *drop, nn.ReLU())
