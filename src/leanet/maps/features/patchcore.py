"""PatchCore: how far a patch's features are from the nearest in a memory of normal patches.

Roth, Pemula, Zepeda, Schölkopf, Brox & Gehler 2022, Towards Total Recall in Industrial Anomaly Detection, CVPR
(arXiv 2106.08265).
"""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from leanet.training.seeds import derive

CHUNK = 1024  # patches of the memory that are compared at a time
PROJECTED = 128  # dimensions in which the coreset is chosen, by a random projection (§3.2)


class PatchCore(nn.Module):
    """Distance of each patch to the nearest of the `memory`'s (M, D)."""

    memory: Tensor

    def __init__(self, memory: Tensor) -> None:
        super().__init__()
        self.register_buffer("memory", memory)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Layers of B images, (B, C', h', w') each → distances (B, 1, h, w) at the size of the largest."""
        size = features[0].shape[-2:]
        return nearest(patches(features), self.memory).view(-1, 1, *size)


def patchcore(batches: Iterable[Sequence[Tensor]], coreset: float, seed: int) -> PatchCore:
    """A memory of normal images' patches, whose features come in `batches`, each of the layers (B, C', h', w').

    Args:
        coreset: the share of the patches that it keeps.
    """
    every = torch.cat([patches(features) for features in batches])
    rows = greedy_coreset(_projected(every, seed), max(1, round(coreset * len(every))), seed)
    return PatchCore(every[rows])


def patches(features: Sequence[Tensor]) -> Tensor:
    """Each layer's means over 3×3 places, joined at the size of the first, the largest: (B·h·w, D)."""
    size = features[0].shape[-2:]
    around = [avg_pool2d(each, 3, stride=1, padding=1, count_include_pad=False) for each in features]
    resized = [interpolate(each, size, mode="bilinear", align_corners=False) for each in around[1:]]
    return torch.cat([around[0], *resized], dim=1).movedim(1, -1).flatten(0, 2)


def greedy_coreset(points: Tensor, count: int, seed: int) -> Tensor:
    """Rows of `count` of the points (N, D): from a random one on, always the one farthest from those chosen.

    No other choice of as many leaves less than half the distance between any point and the nearest chosen
    (Gonzalez 1985, k-center).
    """
    generator = torch.Generator().manual_seed(derive(seed, "coreset"))
    row = torch.randint(len(points), (1,), generator=generator).to(points.device)
    rows, away = [row], points.new_full((len(points),), math.inf)
    for _ in range(count - 1):
        # The product of matrices would lose the digits of small distances.
        found = torch.cdist(points, points[row], compute_mode="donot_use_mm_for_euclid_dist")[:, 0]
        away = torch.minimum(away, found)
        row = away.argmax()[None]  # stays on the device, which nothing waits for
        rows.append(row)
    return torch.cat(rows)


def nearest(points: Tensor, memory: Tensor) -> Tensor:
    """Euclidean distances (N,) of the points (N, D) to the nearest of the memory (M, D), a chunk of it at a time."""
    least, row = torch.full_like(points[:, 0], math.inf), torch.zeros_like(points[:, 0], dtype=torch.long)
    for start in range(0, len(memory), CHUNK):
        part = memory[start : start + CHUNK]
        found, place = (part.square().sum(dim=1) - 2 * points @ part.T).min(dim=1)  # squared, less what is the point's
        is_less = found < least
        least, row = torch.where(is_less, found, least), torch.where(is_less, place + start, row)
    return (points - memory[row]).square().sum(dim=1).sqrt()  # anew: those sums have lost the digits of small distances


def _projected(points: Tensor, seed: int) -> Tensor:
    """In `PROJECTED` dimensions, distances nearly kept (Johnson & Lindenstrauss)."""
    if points.shape[1] <= PROJECTED:
        return points
    generator = torch.Generator().manual_seed(derive(seed, "projection"))
    directions = torch.randn(points.shape[1], PROJECTED, generator=generator) / math.sqrt(PROJECTED)
    return points @ directions.to(points.device)
