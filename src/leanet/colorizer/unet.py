"""The U-Net that recolours an image from its lightness (Table 9)."""

import torch
from torch import Tensor, nn

from leanet.colorizer.network import Colorizer, doubled, down, up

FILTERS = (64, 128, 256, 512, 512, 512, 512, 512)


def levels_of(image_size: int) -> int:
    """The number of times that `image_size` can be halved, at most eight as in the paper."""
    levels = 0
    while levels < len(FILTERS) and image_size % 2 == 0 and image_size > 1:
        image_size, levels = image_size // 2, levels + 1
    return levels


class UNet(Colorizer):
    """L* → (a*, b*), all scaled to 0…1: (B, 1, S, S) → (B, 2, S, S).

    At 256×256 this is Table 9: eight 4×4 convolutions of stride 2, eight 2×2 transposed ones with skip connections,
    28,264,450 trainable parameters. Smaller images get as many levels as they can be halved.

    Args:
        image_size: S, at least one factor of two.
        dropout: of the first three decoder layers; 0 in Table 9, 0.5 in the authors' code.
        upsampling: `transposed` as in Table 9, or `resize`; see `network.doubled`.
    """

    sees = slice(0, 1)
    gives = slice(1, 3)

    def __init__(self, image_size: int, dropout: float = 0.0, upsampling: str = "transposed") -> None:
        super().__init__()
        filters = FILTERS[: levels_of(image_size)]
        self.down = nn.ModuleList()
        channels = 1
        for level, width in enumerate(filters):
            self.down.append(down(channels, width, normalized=level > 0))
            channels = width
        self.up = nn.ModuleList()
        for level, width in enumerate(reversed(filters[:-1])):
            self.up.append(up(channels, width, dropout if level < 3 else 0.0, upsampling))
            channels = 2 * width
        self.last = doubled(channels, 2, upsampling)

    def logits(self, seen: Tensor) -> Tensor:
        skips = []
        features = seen.to(memory_format=torch.channels_last)  # `contiguous` leaves one channel as it is
        for layer in self.down:
            features = layer(features)
            skips.append(features)
        skips.pop()
        for layer in self.up:
            features = torch.cat([skips.pop(), layer(features)], dim=1)
        logits: Tensor = self.last(features)
        return logits
