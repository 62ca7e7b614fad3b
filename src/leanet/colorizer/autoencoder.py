"""A convolutional autoencoder as the colorizer: colours that do not pass its bottleneck are anomalous."""

from torch import Tensor, nn

from leanet.colorizer.network import Colorizer, doubled, down, up

FILTERS = (64, 128, 256, 512)


class Autoencoder(Colorizer):
    """L*a*b* → L*a*b*, scaled to 0…1: (B, 3, S, S) → (B, 3, S, S), without skip connections.

    Nakanishi et al. (SN Computer Science 2024) compare LEA-Net's maps with those of an autoencoder. The layers here are
    not that article's, but those of Table 9, down to S/16.

    Args:
        image_size: S, a multiple of 16.
        bottleneck: channels at S/16.
        dropout: of the first three decoder layers.
        upsampling: `transposed` or `resize`; see `network.doubled`.
    """

    sees = slice(0, 3)
    gives = slice(0, 3)

    def __init__(
        self, image_size: int, bottleneck: int = 64, dropout: float = 0.0, upsampling: str = "transposed"
    ) -> None:
        super().__init__()
        if image_size % 2 ** len(FILTERS):
            raise ValueError(
                f"the autoencoder halves an image {len(FILTERS)} times; {image_size} pixels are not possible"
            )
        encoder, channels = [], 3
        for level, width in enumerate(FILTERS):
            encoder.append(down(channels, width, normalized=level > 0))
            channels = width
        decoder: list[nn.Module] = [nn.Conv2d(bottleneck, channels, 1)]
        for level, width in enumerate(reversed(FILTERS[:-1])):
            decoder.append(up(channels, width, dropout if level < 3 else 0.0, upsampling))
            channels = width
        self.encoder = nn.Sequential(*encoder, nn.Conv2d(FILTERS[-1], bottleneck, 1))
        self.decoder = nn.Sequential(*decoder, doubled(channels, 3, upsampling))

    def logits(self, seen: Tensor) -> Tensor:
        out: Tensor = self.decoder(self.encoder(seen))
        return out
