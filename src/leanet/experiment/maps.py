"""The anomaly maps that a run uses."""

import math
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
from leanet.detector.tiles import each_tile, in_parts
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
        (N, 1, S, S), or (N, T, 1, S, S) of images that are cut into tiles; in ΔE00 or another unit, not scaled.

    Raises:
        LeanetError: maps that cannot be read or made.
    """
    settings = run.settings
    if not settings.makes_maps:
        return torch.from_numpy(MapFolder.of_fold(str(settings.map.root), run.fold).load(images))
    part_of = None
    if settings.cross_fit is not None:
        part_of = parts_of(normals, images.units, settings.cross_fit, settings.split_seed)
    *which, channels, size, _ = images.seen.shape  # N, or N and T: map makers see tiles as images
    tiles = np.arange(math.prod(which)).reshape(len(images.seen), -1)
    part_of = None if part_of is None else part_of.repeat(tiles.shape[1])
    fold = FoldMaps(run.maps_file, run.maker_folders, tiles[normals].ravel(), part_of)
    recipe = _recipe_of(run, images.seen.reshape(-1, channels, size, size), say)
    return fold_maps(recipe, fold, label, say).view(*which, 1, size, size)


def _recipe_of(run: Run, images: NDArray[np.uint8], say: Callable[[str], object]) -> Recipe:
    settings = run.settings
    if settings.map.is_of_features:
        device = device_of(settings.trainer.accelerator)
        return FeatureRecipe(images, settings.map, run.layers_folder, device, say)
    logger_of = partial(colorizer_logger_of, run)
    return ColorRecipe(images, settings.colorizer, settings.trainer, settings.map.name, logger_of)


@torch.inference_mode()
def recolored_of(run: Run, images: ImageSet, rows: Rows) -> NDArray[np.uint8]:
    """Recolour images with the run's trained colorizer; with cross-fitting, the mean of all colorizers in L*a*b*.

    Args:
        run: its maps are made by a colorizer.
        images: all images of the dataset.
        rows: of B images.

    Returns:
        (B, 3, S, S) uint8; of images that are cut into tiles, at the size of `ImageSet.whole`.

    Raises:
        LeanetError: the colorizer is gone.
    """
    found, lab = [], rgb_to_lab(each_tile(torch.from_numpy(images.seen[rows])) / 255)
    for folder in run.maker_folders:
        maker = load_maker(folder, run.settings)
        if not isinstance(maker, ColorMaps):
            raise LeanetError(
                f"{folder}: its colorizer is gone; remove {run.maps_folder}, and it is made again with its maps"
            )
        found.append(torch.cat(in_parts(maker.colorizer.recolored, lab)))
    rgb = (lab_to_rgb(torch.stack(found).mean(dim=0)) * 255).round().byte().numpy()
    return np.stack([images.whole(rows, rgb[:, channel]) for channel in range(3)], axis=1).astype(np.uint8)


def whole(images: ImageSet, rows: Rows, values: Tensor) -> NDArray[np.float32]:
    """Maps of whole images for people, put together where images are cut into tiles.

    Args:
        images: all images of the dataset.
        rows: of B images.
        values: (B, 1, h, w) maps; or of tiles, (B, T, 1, h, w) or (B · T, 1, h, w).

    Returns:
        (B, h, w), or (B, H, W) as `ImageSet.whole` returns it.
    """
    return images.whole(rows, each_tile(values)[:, 0].float().cpu().numpy())
