"""From settings to a cell: the dataset, its checks, and the runs, before an image is decoded."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from hydra.utils import instantiate
from numpy.typing import NDArray

from leanet.config.settings import Settings
from leanet.data.folds import check_counts, check_separation, read_folds, stratified_folds, write_folds
from leanet.data.images import NEGATIVE, Dataset, ImageSet, Index
from leanet.data.map_folder import MapFolder
from leanet.errors import LeanetError
from leanet.published.sources import check_made
from leanet.runs.run import Run


@dataclass(frozen=True)
class Cell:
    """The runs, one for each fold that is asked for, that differ in nothing but the fold; and their images."""

    dataset: Dataset
    images: int
    normals: int
    runs: list[Run]

    @property
    def settings(self) -> Settings:
        return self.runs[0].settings


@dataclass
class Cells:
    """Makes cells, and looks at each dataset once."""

    _indexed: dict[str, tuple[Dataset, Index]] = field(default_factory=dict)

    def of(self, settings: Settings, dataset: Dataset | None = None) -> Cell:
        """The cell of `settings`.

        Args:
            settings: checked ones.
            dataset: in place of the configured one, for images that a Python program gives.

        Raises:
            LeanetError: whatever is wrong and can be found without decoding an image.
        """
        key = json.dumps(settings.dataset, sort_keys=True)
        if key not in self._indexed:
            dataset = dataset or dataset_of(settings)
            self._indexed[key] = dataset, dataset.index()
        dataset, index = self._indexed[key]
        _check(settings, index)
        runs = [Run(settings, index.fingerprint, fold) for fold in settings.selected_folds]
        return Cell(dataset, len(index), int((index.labels == NEGATIVE).sum()), runs)


def dataset_of(settings: Settings) -> Dataset:
    """The configured source of images."""
    check_made(settings.dataset)
    node = {key: value for key, value in settings.dataset.items() if key not in ("folds_file", "origin")}
    dataset: Dataset = instantiate(node)
    return dataset


def load(cell: Cell) -> tuple[ImageSet, NDArray[np.int64]]:
    """The images of a cell, and the fold of each."""
    home = Path(cell.settings.paths.runs)
    images = cell.dataset.load(home / "images")
    return images, folds_of(cell.settings, images, home)


def folds_of(settings: Settings, images: ImageSet, home: Path) -> NDArray[np.int64]:
    """The fold of each image, from the folds file or by the split seed; kept as CSV under `home`/folds."""
    file = settings.dataset.get("folds_file")
    if file:
        fold_of = read_folds(Path(file), images.index)
        check_separation(fold_of, images.pixels, images.index.names)
        return fold_of
    fold_of = stratified_folds(images.labels, images.pixels, settings.folds, settings.split_seed)
    name = f"{settings.dataset_name}-{images.index.fingerprint[:12]}-{settings.folds}-{settings.split_seed}.csv"
    write_folds(home / "folds" / name, images.index, fold_of)
    return fold_of


def _check(settings: Settings, index: Index) -> None:
    if settings.map.name == "folder":
        for fold in settings.selected_folds:
            MapFolder.of_fold(str(settings.map.root), fold).files(index)
    file = settings.dataset.get("folds_file")
    if not file:
        return check_counts(index.labels, settings.folds)
    folds = int(read_folds(Path(file), index).max())
    if folds != settings.folds:
        raise LeanetError(f"folds={settings.folds}: {file} has {folds} folds; use folds={folds}")
