"""The anomaly maps that a run uses, and what its colorizers make of an image."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leanet.color import lab_to_rgb
from leanet.colorizer.task import recolored
from leanet.data.folds import parts_of
from leanet.data.images import ImageSet
from leanet.data.map_folder import MapFolder
from leanet.errors import LeanetError
from leanet.maps.cross_fit import cross_fitted_maps
from leanet.maps.features.make import fold_feature_maps
from leanet.maps.make import fold_maps, load_colorizer
from leanet.runs.loggers import colorizer_logger_of
from leanet.runs.run import Run
from leanet.training.device import device_of


def maps_of(
    run: Run, images: ImageSet, normals: NDArray[np.int64], label: str = "", say: Callable[[str], object] = print
) -> Tensor:
    """The maps (N, 1, S, S) of all images: made elsewhere, or of what the training `normals` alone have taught."""
    settings = run.settings
    if not run.settings.makes_maps:
        return torch.from_numpy(MapFolder.of_fold(str(settings.map.root), run.fold).load(images))
    folder, parts, part_of = run.colorizer_folder, run.colorizer_folders, None
    if run.settings.cross_fit is not None:
        part_of = parts_of(normals, images.pixels, run.settings.cross_fit, settings.split_seed)
    if settings.map.is_of_features:
        device = device_of(settings.trainer.accelerator)
        return fold_feature_maps(
            folder, parts, run.layers_folder, images.images, normals, part_of, settings.map, device, label, say
        )
    colorizer, trainer, name, label = settings.colorizer, settings.trainer, settings.map.name, f"{label} · colorizer"
    logger_of = partial(colorizer_logger_of, run)
    if part_of is None:
        return fold_maps(folder, images.images, normals, colorizer, trainer, name, label, say, logger_of)
    return cross_fitted_maps(
        folder, parts, images.images, normals, part_of, colorizer, trainer, name, label, say, logger_of
    )


def recolored_of(run: Run, images: Tensor) -> NDArray[np.uint8]:
    """What the run's trained colorizer makes of images (B, 3, S, S) uint8, of the same shape; of several the mean.

    Raises:
        LeanetError: it is gone.
    """
    found = []
    for folder in run.colorizer_folders:
        colorizer = load_colorizer(folder, run.settings.colorizer, images.shape[-1])
        if colorizer is None:
            raise LeanetError(
                f"{folder}: its colorizer is gone; remove {run.colorizer_folder}, and it is made again with its maps"
            )
        found.append(torch.cat([other for _, other in recolored(colorizer, images)]))
    rgb = lab_to_rgb(torch.stack(found).mean(dim=0))
    return (rgb * 255).round().byte().numpy()
