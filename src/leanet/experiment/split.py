"""The training, validation and test images of a run, with their maps."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leanet.data.folds import held_out, thinned
from leanet.data.images import NEGATIVE, ImageSet
from leanet.experiment.maps import maps_of
from leanet.maps.scaling import map_divisor, map_scales
from leanet.runs.run import Run
from leanet.training.batches import Tensors

Rows = NDArray[np.int64]


class Split(NamedTuple):
    """Rows of a run's images, (n,) each.

    Args:
        train: images on which the detector is trained.
        all_train: training images before thinning; map makers are fitted on their normals.
        validation: images of the training folds that are held out.
        test: images of the test fold.
    """

    train: Rows
    all_train: Rows
    validation: Rows
    test: Rows


def split_of(run: Run, images: ImageSet, fold_of: Rows) -> Split:
    """Divide images into training, validation and test images.

    Args:
        run: whose images they are.
        images: all N images of the dataset.
        fold_of: (N,) the fold of each image, from 1.

    Raises:
        LeanetError: no image of a class is left to train on.
    """
    settings, known = run.settings, (images.labels, images.units)
    rows, validation = held_out(np.flatnonzero(fold_of != run.fold), *known, settings.validation, settings.split_seed)
    train = thinned(rows, *known, settings.positive_rate, settings.split_seed)
    if len(validation):
        validation = thinned(validation, *known, settings.positive_rate, settings.split_seed)
    return Split(train, rows, validation, np.flatnonzero(fold_of == run.fold))


def tensors_of(
    run: Run, images: ImageSet, rows: Split, label: str = "", say: Callable[[str], object] = print
) -> Tensors:
    """The tensors of all images of the dataset.

    Args:
        run: whose images they are.
        images: all N images of the dataset.
        rows: of the run.
        label: of the run, in messages.
        say: receives messages.

    Returns:
        `images` (N, 3, S, S) uint8, `labels` (N,); and, if the run needs them, `maps` (N, 1, S, S) and `scales` (N,).
        If images are cut into tiles, `images` are (N, T, 3, S, S) and `maps` (N, T, 1, S, S).
    """
    tensors = {"images": torch.from_numpy(images.seen), "labels": torch.from_numpy(images.labels)}
    if run.settings.needs_maps:
        normals = rows.all_train[images.labels[rows.all_train] == NEGATIVE]
        maps = maps_of(run, images, normals, label, say)
        tensors |= {"maps": maps, "scales": map_scales(maps, divisor_of(run, maps, rows))}
    return tensors


def divisor_of(run: Run, maps: Tensor, rows: Split) -> float | None:
    """The number by which a run's maps are divided; None: each map by its own maximum.

    Args:
        run: its `map.scaling` decides.
        maps: (N, 1, S, S), or (N, T, 1, S, S) of tiles.
        rows: of the run; with `map.scaling=fold`, the training maps decide.
    """
    return map_divisor(maps, run.settings.map.scaling, torch.from_numpy(rows.train))
