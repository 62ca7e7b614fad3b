"""PaDiM: the distance of features to the distribution of normal images' features at the same position.

Defard, Setkov, Loesch & Audigier 2021, PaDiM: a Patch Distribution Modeling Framework for Anomaly Detection and
Localization, ICPR Workshops (arXiv 2011.08785).
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from leanet.errors import LeanetError
from leanet.training.seeds import derive

EPSILON = 0.01  # added to the covariances' diagonals, §III-B


class Padim(nn.Module):
    """Mahalanobis distance to a Gaussian distribution at each of P = h·w positions.

    Args:
        channels: (C,) int64, indices of the channels of the concatenated layers that are used.
        mean: (P, C).
        inverse: (P, C, C), inverses of the covariances.
    """

    channels: Tensor
    mean: Tensor
    inverse: Tensor

    def __init__(self, channels: Tensor, mean: Tensor, inverse: Tensor) -> None:
        super().__init__()
        self.register_buffer("channels", channels)
        self.register_buffer("mean", mean)
        self.register_buffer("inverse", inverse)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Compute the distances.

        Args:
            features: (B, C', h', w') for each layer, the largest first.

        Returns:
            (B, 1, h, w) at the size of the largest layer.
        """
        size = features[0].shape[-2:]
        away = (_vectors(features, self.channels) - self.mean).movedim(1, 0)  # (P, B, C)
        squared = (torch.bmm(away, self.inverse) * away).sum(dim=2)
        return squared.clamp(min=0).sqrt().T.reshape(-1, 1, *size)


def padim(batches: Iterable[Sequence[Tensor]], channels: int, seed: int) -> Padim:
    """Fit PaDiM to features of normal images.

    It takes one pass in double precision on the CPU, whose memory is P·C² numbers for any number of images.

    Args:
        batches: for each batch, (B, C', h', w') for each layer, the largest layer first.
        channels: C, the number of channels that are drawn at random from the concatenated layers.
        seed: of the draw.

    Raises:
        LeanetError: the layers have fewer channels.
    """
    count, chosen, shift, total, outer = 0, torch.empty(0), torch.empty(0), torch.empty(0), torch.empty(0)
    for features in batches:
        if count == 0:
            chosen = _draw(sum(each.shape[1] for each in features), channels, seed)
        vectors = _vectors([each.cpu().double() for each in features], chosen)
        if count == 0:  # sums of differences from an approximate mean keep their precision
            shift = vectors.mean(dim=0)
            total, outer = torch.zeros_like(shift), shift.new_zeros(len(shift), channels, channels)
        away = (vectors - shift).movedim(1, 0)  # (P, B, C)
        total += away.sum(dim=1)
        outer.baddbmm_(away.mT, away)
        count += len(vectors)
    rest = total / count
    covariance = outer.baddbmm_(rest[:, :, None], rest[:, None, :], alpha=-count).div_(max(count - 1, 1))
    covariance.diagonal(dim1=1, dim2=2).add_(EPSILON)
    return Padim(chosen, (shift + rest).float(), torch.linalg.inv(covariance).float())


def _draw(there: int, channels: int, seed: int) -> Tensor:
    if channels > there:
        raise LeanetError(f"map.channels={channels}: the layers have {there} channels together")
    generator = torch.Generator().manual_seed(derive(seed, "channels"))
    return torch.randperm(there, generator=generator)[:channels].sort().values


def _vectors(features: Sequence[Tensor], channels: Tensor) -> Tensor:
    """The chosen channels of all layers, enlarged to the size of the first layer by repetition: (B, P, C)."""
    size = features[0].shape[-2:]
    joined = torch.cat([features[0], *(interpolate(each, size, mode="nearest") for each in features[1:])], dim=1)
    return joined[:, channels.to(joined.device)].flatten(2).mT
