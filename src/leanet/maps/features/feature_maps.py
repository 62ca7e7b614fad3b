"""The module that makes anomaly maps from features: extractor, distances, and resizing to pixels."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, pad

from leanet.maps.features.extractor import Extractor
from leanet.maps.features.padim import Padim
from leanet.maps.features.patchcore import PatchCore

MOST = 6e4  # the largest distance, so that it fits in float16


class FeatureMaps(nn.Module):
    """Makes the anomaly maps of images from the distances of their features to those of normal images.

    Args:
        extractor: the frozen network.
        distances: the fitted model of normal features.
    """

    def __init__(self, extractor: Extractor, distances: Padim | PatchCore) -> None:
        super().__init__()
        self.extractor = extractor
        self.distances = distances

    def forward(self, rgb: Tensor) -> Tensor:
        """Make anomaly maps.

        Args:
            rgb: (B, 3, S, S), sRGB in 0…1.

        Returns:
            (B, 1, S, S), distances in the unit of the features.
        """
        return self.of(self.extractor(rgb), rgb.shape[-1])

    def of(self, layers: Sequence[Tensor], size: int) -> Tensor:
        """Make anomaly maps from features that are known already.

        Args:
            layers: (B, C, h, w) for each layer, from the extractor.
            size: S.

        Returns:
            (B, 1, S, S).
        """
        coarse = self.distances(layers)
        whole = interpolate(coarse, (size, size), mode="bilinear", align_corners=False)
        return blurred(whole, 4 * size / 224).clamp(max=MOST)  # both articles: σ = 4 at 224 pixels


def blurred(maps: Tensor, sigma: float) -> Tensor:
    """Blur maps (B, 1, S, S) with a Gaussian of `sigma` pixels, truncated at 4σ, with mirrored borders."""
    reach = min(math.ceil(4 * sigma), maps.shape[-1] - 1)
    place = torch.arange(-reach, reach + 1, device=maps.device, dtype=maps.dtype)
    weights = torch.softmax(-0.5 * (place / sigma).square(), dim=0)
    rows = conv2d(pad(maps, (reach, reach, 0, 0), mode="reflect"), weights.view(1, 1, 1, -1))
    return conv2d(pad(rows, (0, 0, reach, reach), mode="reflect"), weights.view(1, 1, -1, 1))
