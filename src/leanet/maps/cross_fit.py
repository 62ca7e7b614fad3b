"""Maps of training normals that are like those of test normals: no image's map is by a colorizer that has seen it.

A colorizer knows the images that it was trained on: their maps are fainter than those of others. So the normals are
dealt into K parts, and each of K colorizers trains without one of them and makes its maps. That is cross-fitting, as
nuisance functions are estimated in statistics (Chernozhukov et al. 2018, Econometrics Journal 21:C1–C68).
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch.loggers import Logger
from numpy.typing import NDArray
from torch import Tensor

from leanet.config.settings import ColorizerSettings, TrainerSettings
from leanet.maps.make import anomaly_maps, kept_maps, mean_map, train_colorizer
from leanet.storage.locks import lock
from leanet.training.fit import Fit


def cross_fitted_maps(
    folder: Path,
    parts: Sequence[Path],
    images: NDArray[np.uint8],
    normals: NDArray[np.int64],
    part_of: NDArray[np.int64],
    settings: ColorizerSettings,
    trainer: TrainerSettings,
    name: str,
    label: str,
    say: Callable[[str], object] = print,
    logger_of: Callable[[Path], Logger | None] = lambda folder: None,
) -> Tensor:
    """The maps called `name` (N, 1, S, S) of all `images`, each part's by the colorizer that did not train on it.

    The maps of images in no part are the mean of all colorizers'. Kept in `folder`, and shared as `fold_maps` are; the
    colorizers are kept in folders of their own.

    Args:
        parts: the folders of the K colorizers.
        normals: rows of the training normals.
        part_of: (N,) the part of each image, 1…K; 0 for none, which no training normal has.
    """

    def make() -> Iterator[Tensor]:
        each = []
        for part, place in enumerate(parts, start=1):
            seen = torch.from_numpy(images[normals[part_of[normals] != part]])
            plan = Fit(place, f"{label} {part}/{len(parts)}", settings.max_epochs, settings.seed, trainer)
            with lock(place):
                colorizer = train_colorizer(seen, settings, plan, logger_of(place))
            each.append(anomaly_maps(colorizer, torch.from_numpy(images), name))
        return iter([joined_maps(each, part_of)])

    waiting = f"{label}: waiting for the process that is training its colorizers"
    return kept_maps(folder, name, images.shape, make, lambda: say(waiting))


def joined_maps(each: Sequence[Tensor], part_of: NDArray[np.int64]) -> Tensor:
    """Of the maps (N, 1, S, S) by those that did without part 1, 2, …: those of each part, and for no part the mean."""
    joined = mean_map(each)
    for part, maps in enumerate(each, start=1):
        rows = torch.from_numpy(np.flatnonzero(part_of == part))
        joined[rows] = maps[rows]
    return joined
