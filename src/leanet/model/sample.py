"""Sample images for a trained detector: from its dataset if that is available, else painted leaves."""

from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leanet.config.settings import Settings
from leanet.data.folder import ImageFolder
from leanet.data.images import Dataset
from leanet.data.synthetic import SyntheticLeaves
from leanet.data.table import ImageTable
from leanet.errors import LeanetError

# By `_target_`. Only these classes are built, since a config.yaml may come from an untrusted source.
_DATASETS = {f"{kind.__module__}.{kind.__qualname__}": kind for kind in (ImageFolder, ImageTable, SyntheticLeaves)}


class Sample(NamedTuple):
    """Sample images.

    Args:
        images: (N, S, S, 3) uint8, sRGB.
        name: what they are, for people.
    """

    images: NDArray[np.uint8]
    name: str


def sample_of(settings: Settings, runs: Path, most: int = 32) -> Sample:
    """Choose evenly spaced images of a dataset.

    Args:
        settings: of the run, with its dataset.
        runs: `paths.runs`, in which decoded images are kept.
        most: the largest number of images.
    """
    dataset = _dataset(settings)
    try:
        if dataset is not None:
            return Sample(_some(dataset, runs, most), settings.dataset_name)
    except LeanetError:
        pass  # the images were moved or removed after the training
    leaves = SyntheticLeaves(image_size=settings.image_size, negatives=most // 2, positives=most // 2)
    return Sample(_some(leaves, runs, most), "painted leaves, since its own are not there")


def _dataset(settings: Settings) -> Dataset | None:
    kind = _DATASETS.get(settings.dataset["_target_"])
    if kind is None:
        return None
    names = [field.name for field in fields(kind) if field.name in settings.dataset]
    return kind(**{name: settings.dataset[name] for name in names})


def _some(dataset: Dataset, runs: Path, most: int) -> NDArray[np.uint8]:
    images = dataset.load(runs / "images").images
    rows = np.linspace(0, len(images) - 1, min(most, len(images))).round().astype(int)
    return np.ascontiguousarray(np.moveaxis(images[rows], 1, -1))
