"""From images to maps: a frozen network, what is known of normal images' features, and the way back to pixels."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, pad

from leanet.maps.features.extractor import Extractor
from leanet.maps.features.padim import Padim
from leanet.maps.features.patchcore import PatchCore

MOST = 6e4  # what half precision holds


class FeatureMaps(nn.Module):
    """The anomaly map of an image by the distances of its features."""

    def __init__(self, extractor: Extractor, distances: Padim | PatchCore) -> None:
        super().__init__()
        self.extractor = extractor
        self.distances = distances

    def forward(self, rgb: Tensor) -> Tensor:
        """rgb: (B, 3, S, S), sRGB in 0…1 → (B, 1, S, S), distances in the features' unit."""
        return self.of(self.extractor(rgb), rgb.shape[-1])

    def of(self, layers: Sequence[Tensor], size: int) -> Tensor:
        """The extractor's layers of B images, (B, C, h, w) each → (B, 1, S, S), where `size` is S."""
        coarse = self.distances(layers)
        whole = interpolate(coarse, (size, size), mode="bilinear", align_corners=False)
        return blurred(whole, 4 * size / 224).clamp(max=MOST)  # both articles: σ = 4 at 224 pixels


def blurred(maps: Tensor, sigma: float) -> Tensor:
    """The maps (B, 1, S, S) after a Gaussian of `sigma` pixels, cut off at 4σ and mirrored at the borders."""
    reach = min(math.ceil(4 * sigma), maps.shape[-1] - 1)
    place = torch.arange(-reach, reach + 1, device=maps.device, dtype=maps.dtype)
    weights = torch.softmax(-0.5 * (place / sigma).square(), dim=0)
    rows = conv2d(pad(maps, (reach, reach, 0, 0), mode="reflect"), weights.view(1, 1, 1, -1))
    return conv2d(pad(rows, (0, 0, reach, reach), mode="reflect"), weights.view(1, 1, -1, 1))
