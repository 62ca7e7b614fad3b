"""PatchCore: the distance of a patch's features to the nearest ones in a memory of normal patches.

Roth, Pemula, Zepeda, Schölkopf, Brox & Gehler 2022, Towards Total Recall in Industrial Anomaly Detection, CVPR
(arXiv 2106.08265).
"""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from leanet.training.seeds import derive

CHUNK = 1024  # patches of the memory that are compared at once
PROJECTED = 128  # dimensions in which the coreset is chosen, by a random projection (§3.2)


class PatchCore(nn.Module):
    """Euclidean distance of each patch to the nearest patch in a memory.

    Args:
        memory: (M, D), features of normal patches.
    """

    memory: Tensor

    def __init__(self, memory: Tensor) -> None:
        super().__init__()
        self.register_buffer("memory", memory)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """The distances (B, 1, h, w) at the size of the largest layer, of layers (B, C', h', w')."""
        size = features[0].shape[-2:]
        return nearest(patches(features), self.memory).view(-1, 1, *size)


def patchcore(batches: Iterable[Sequence[Tensor]], coreset: float, seed: int) -> PatchCore:
    """Fit PatchCore to features of normal images.

    Args:
        batches: for each batch, (B, C', h', w') for each layer, the largest layer first.
        coreset: the share of the patches that the memory keeps, 0…1.
        seed: of the random projection and of the first patch.
    """
    every = torch.cat([patches(features) for features in batches])
    rows = greedy_coreset(_projected(every, seed), max(1, round(coreset * len(every))), seed)
    return PatchCore(every[rows])


def patches(features: Sequence[Tensor]) -> Tensor:
    """Features of patches: each layer averaged over 3×3 positions, resized to the first and concatenated.

    Args:
        features: (B, C', h', w') for each layer, the largest first.

    Returns:
        (B·h·w, D).
    """
    size = features[0].shape[-2:]
    around = [avg_pool2d(each, 3, stride=1, padding=1, count_include_pad=False) for each in features]
    resized = [interpolate(each, size, mode="bilinear", align_corners=False) for each in around[1:]]
    return torch.cat([around[0], *resized], dim=1).movedim(1, -1).flatten(0, 2)


def greedy_coreset(points: Tensor, count: int, seed: int) -> Tensor:
    """Select points greedily: the first at random, each next one the farthest from those already selected.

    The largest distance of a point to the nearest selected one is at most twice the optimum (k-center, Gonzalez 1985).

    Args:
        points: (N, D).
        count: K, the number of points to select.
        seed: of the first point.

    Returns:
        (K,) int64, rows of `points`.
    """
    generator = torch.Generator().manual_seed(derive(seed, "coreset"))
    row = torch.randint(len(points), (1,), generator=generator).to(points.device)
    rows, away = [row], points.new_full((len(points),), math.inf)
    for _ in range(count - 1):
        # Distances by a matrix product would be inexact where they are small.
        found = torch.cdist(points, points[row], compute_mode="donot_use_mm_for_euclid_dist")[:, 0]
        away = torch.minimum(away, found)
        row = away.argmax()[None]  # stays on the device, without synchronisation
        rows.append(row)
    return torch.cat(rows)


def nearest(points: Tensor, memory: Tensor) -> Tensor:
    """Euclidean distances (N,) of points (N, D) to the nearest row of `memory` (M, D), in chunks of the memory."""
    least, row = torch.full_like(points[:, 0], math.inf), torch.zeros_like(points[:, 0], dtype=torch.long)
    for start in range(0, len(memory), CHUNK):
        part = memory[start : start + CHUNK]
        found, place = (part.square().sum(dim=1) - 2 * points @ part.T).min(dim=1)  # |m − p|² − |p|²
        is_less = found < least
        least, row = torch.where(is_less, found, least), torch.where(is_less, place + start, row)
    return (points - memory[row]).square().sum(dim=1).sqrt()  # recomputed: `least` is inexact for small distances


def _projected(points: Tensor, seed: int) -> Tensor:
    """A random projection to `PROJECTED` dimensions, which nearly preserves distances (Johnson & Lindenstrauss)."""
    if points.shape[1] <= PROJECTED:
        return points
    generator = torch.Generator().manual_seed(derive(seed, "projection"))
    directions = torch.randn(points.shape[1], PROJECTED, generator=generator) / math.sqrt(PROJECTED)
    return points @ directions.to(points.device)
