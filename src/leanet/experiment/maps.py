"""The anomaly maps that a run uses."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leanet.color import lab_to_rgb, rgb_to_lab
from leanet.data.folds import parts_of
from leanet.data.images import ImageSet
from leanet.data.map_folder import MapFolder
from leanet.errors import LeanetError
from leanet.maps.color_maps import ColorMaps, ColorRecipe
from leanet.maps.features.recipe import FeatureRecipe
from leanet.maps.load import load_maker
from leanet.maps.recipe import FoldMaps, Recipe, Rows, fold_maps
from leanet.runs.loggers import colorizer_logger_of
from leanet.runs.run import Run
from leanet.training.device import device_of


def maps_of(run: Run, images: ImageSet, normals: Rows, label: str = "", say: Callable[[str], object] = print) -> Tensor:
    """Read the maps of all images from a folder, or make them with map makers that are fitted on `normals` alone.

    Args:
        run: whose maps they are.
        images: all images of the dataset.
        normals: rows of the fold's training normals.
        label: of the run, in messages.
        say: receives messages.

    Returns:
        (N, 1, S, S), in ΔE00 or another unit, not scaled.

    Raises:
        LeanetError: maps that cannot be read or made.
    """
    settings = run.settings
    if not settings.makes_maps:
        return torch.from_numpy(MapFolder.of_fold(str(settings.map.root), run.fold).load(images))
    part_of = None
    if settings.cross_fit is not None:
        part_of = parts_of(normals, images.units, settings.cross_fit, settings.split_seed)
    fold = FoldMaps(run.maps_file, run.maker_folders, normals, part_of)
    return fold_maps(_recipe_of(run, images.images, say), fold, label, say)


def _recipe_of(run: Run, images: NDArray[np.uint8], say: Callable[[str], object]) -> Recipe:
    settings = run.settings
    if settings.map.is_of_features:
        device = device_of(settings.trainer.accelerator)
        return FeatureRecipe(images, settings.map, run.layers_folder, device, say)
    logger_of = partial(colorizer_logger_of, run)
    return ColorRecipe(images, settings.colorizer, settings.trainer, settings.map.name, logger_of)


@torch.inference_mode()
def recolored_of(run: Run, images: Tensor) -> NDArray[np.uint8]:
    """Recolour images with the run's trained colorizer; with cross-fitting, the mean of all colorizers in L*a*b*.

    Args:
        run: its maps are made by a colorizer.
        images: (B, 3, S, S) uint8.

    Returns:
        (B, 3, S, S) uint8.

    Raises:
        LeanetError: the colorizer is gone.
    """
    found, lab = [], rgb_to_lab(images / 255)
    for folder in run.maker_folders:
        maker = load_maker(folder, run.settings)
        if not isinstance(maker, ColorMaps):
            raise LeanetError(
                f"{folder}: its colorizer is gone; remove {run.maps_folder}, and it is made again with its maps"
            )
        found.append(maker.colorizer.recolored(lab))
    rgb = lab_to_rgb(torch.stack(found).mean(dim=0))
    return (rgb * 255).round().byte().numpy()
