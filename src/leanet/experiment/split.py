"""One run's images: which of them train, validate and test, with their maps."""

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
    """Rows of a fold's images.

    Args:
        train: those that train the detector.
        all_train: those that could; their normals train the colorizer.
        validation: those of the training folds that nothing trains on.
        test: those of the test fold.
    """

    train: Rows
    all_train: Rows
    validation: Rows
    test: Rows


def split_of(run: Run, images: ImageSet, fold_of: Rows) -> Split:
    """The run's rows among all `images`, whose folds are `fold_of` (N,)."""
    settings, known = run.settings, (images.labels, images.pixels)
    rows, validation = held_out(np.flatnonzero(fold_of != run.fold), *known, settings.validation, settings.split_seed)
    train = thinned(rows, *known, settings.positive_rate, settings.split_seed)
    if len(validation):
        validation = thinned(validation, *known, settings.positive_rate, settings.split_seed)
    return Split(train, rows, validation, np.flatnonzero(fold_of == run.fold))


def tensors_of(
    run: Run, images: ImageSet, rows: Split, label: str = "", say: Callable[[str], object] = print
) -> Tensors:
    """Images, labels and, where there is a use for them, maps and their scales, of all rows."""
    tensors = {"images": torch.from_numpy(images.images), "labels": torch.from_numpy(images.labels)}
    if run.settings.needs_maps:
        normals = rows.all_train[images.labels[rows.all_train] == NEGATIVE]
        maps = maps_of(run, images, normals, label, say)
        tensors |= {"maps": maps, "scales": map_scales(maps, divisor_of(run, maps, rows))}
    return tensors


def divisor_of(run: Run, maps: Tensor, rows: Split) -> float | None:
    """What the run's `maps` (N, 1, H, W) are divided by, as in `map.scaling`; None: each by its own."""
    return map_divisor(maps, run.settings.map.scaling, torch.from_numpy(rows.train))
