"""Anomaly maps as networks receive them: divided by what makes their values comparable, and averaged."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FIXED = 10.0  # the divisor of `fixed` scaling: a ΔE00 that anybody sees becomes 1
FOLD_QUANTILE = 0.999  # of `fold` scaling: robust against a single pixel
_ENOUGH = 4_000_000  # values sorted for one quantile, whatever the size of the dataset


def mean_map(maps: Sequence[Tensor]) -> Tensor:
    """The mean of the maps of several map makers, (…) float16 each."""
    return (sum((each.float() for each in maps[1:]), maps[0].float()) / len(maps)).half()


def map_divisor(maps: Tensor, scaling: str, train: Tensor) -> float | None:
    """The number that all maps are divided by before networks receive them; None: each map by its own maximum.

    Args:
        maps: (N, 1, S, S), in ΔE00 or another unit.
        scaling: `image_max` divides each map by its own maximum (as in the authors' code), `fold` all maps by a high
            quantile over the fold's training maps, `fixed` all maps by 10.
        train: rows of the fold's training images.
    """
    if scaling == "image_max":
        return None
    if scaling == "fixed":
        return FIXED
    step = max(1, len(train) * maps[0].numel() // _ENOUGH)
    return max(float(np.quantile(_every(step, maps, train), FOLD_QUANTILE)), 1e-6)


def _every(step: int, maps: Tensor, rows: Tensor) -> NDArray[np.float16]:
    """Every `step`-th value of `maps[rows]`, which is never in memory as a whole."""
    size, found = maps[0].numel(), []
    for place, row in enumerate(rows.tolist()):
        found.append(maps[row].flatten()[-place * size % step :: step].numpy())
    return np.concatenate(found)


def map_scales(maps: Tensor, divisor: float | None) -> Tensor:
    """The factors (N,) float32 of the maps (N, 1, S, S).

    Args:
        maps: (N, 1, S, S); or (N, T, 1, S, S), of images that are cut into tiles.
        divisor: as `map_divisor` returns it.
    """
    if divisor is not None:
        return maps.new_full(maps.shape[:1], 1 / divisor, dtype=torch.float32)  # by shape: exports have any batch size
    maxima = maps.flatten(1).amax(1).float()
    return torch.where(maxima > 0, 1 / maxima.clamp(min=1e-6), 0)
