"""A cell: its dataset and its runs, checked before any image is decoded."""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from hydra.utils import instantiate
from numpy.typing import NDArray

from leanet.config.own_code import check_modules
from leanet.config.settings import Settings
from leanet.data.fold_checks import check_counts, check_groups, check_separation
from leanet.data.folds import (
    folds_by_kind,
    grouped_folds,
    kinds_of,
    stratified_folds,
)
from leanet.data.folds_file import read_folds, write_folds
from leanet.data.images import NEGATIVE, Dataset, ImageSet, Index
from leanet.data.map_folder import MapFolder
from leanet.data.tiled_dataset import TiledDataset
from leanet.data.tiles import Tiling
from leanet.errors import LeanetError
from leanet.published.sources import check_made
from leanet.runs.fold_notes import tell_folds
from leanet.runs.run import Run


@dataclass(frozen=True)
class Cell:
    """Runs that differ only in the fold, one for each selected fold, and their dataset.

    Args:
        dataset: the source of the images.
        images: the number of images.
        normals: the number of normal images.
        runs: in the order of folds.
    """

    dataset: Dataset
    images: int
    normals: int
    runs: list[Run]

    @property
    def settings(self) -> Settings:
        """The settings of all runs."""
        return self.runs[0].settings


@dataclass
class Cells:
    """Creates cells, and indexes each dataset only once."""

    _indexed: dict[str, tuple[Dataset, Index]] = field(default_factory=dict)

    def of(self, settings: Settings, dataset: Dataset | None = None) -> Cell:
        """Create a cell.

        Args:
            settings: as `settings_of` returns them.
            dataset: used in place of the configured one, for images from a Python program.

        Raises:
            LeanetError: a mistake in dataset, folds file or map folder that can be found without decoding images.
        """
        check_modules(settings)
        tiling = Tiling(settings.tiles, settings.tile_size, settings.tile_overlap) if settings.has_tiles else None
        key = json.dumps([settings.dataset, tiling and asdict(tiling)], sort_keys=True)
        if key not in self._indexed:
            dataset = dataset or dataset_of(settings)
            dataset = dataset if tiling is None else TiledDataset(dataset, tiling)
            self._indexed[key] = dataset, dataset.index()
        dataset, index = self._indexed[key]
        settings = _with_folds(settings, index)
        _check(settings, index)
        division = _division(settings, index)
        runs = [Run(settings, index.fingerprint, fold, division) for fold in settings.selected_folds]
        return Cell(dataset, len(index), int((index.labels == NEGATIVE).sum()), runs)


def dataset_of(settings: Settings) -> Dataset:
    """Create the configured dataset.

    Raises:
        MissingDatasetError: it is one of the paper's and has not been prepared.
    """
    check_made(settings.dataset)
    node = {key: value for key, value in settings.dataset.items() if key not in ("folds_file", "origin")}
    dataset: Dataset = instantiate(node)
    return dataset


def load(cell: Cell, images: ImageSet | None = None) -> tuple[ImageSet, NDArray[np.int64]]:
    """Load the images of a cell and the fold of each image.

    Args:
        cell: the cell.
        images: those of its dataset, if they are loaded already.

    Returns:
        the images, and (N,) folds from 1.

    Raises:
        LeanetError: images that cannot be decoded, or folds that do not fit them.
    """
    home = Path(cell.settings.paths.runs)
    images = images or cell.dataset.load(home / "images")
    fold_of = folds_of(cell.settings, images, home)
    tell_folds(images, fold_of, shows_balance=bool(cell.runs[0].division))
    return images, fold_of


def folds_of(settings: Settings, images: ImageSet, home: Path) -> NDArray[np.int64]:
    """Assign a fold to each image: from the folds file, by kind, from the dataset itself, or by the split seed.

    Args:
        settings: of the cell.
        images: all N images.
        home: `paths.runs`; folds that are not from a folds file are written to a CSV file in `home`/folds.

    Returns:
        (N,), from 1.

    Raises:
        LeanetError: folds that do not fit the images.
    """
    index, file = images.index, settings.dataset.get("folds_file")
    if file:
        fold_of = read_folds(Path(file), index)
    elif settings.leave_kind_out:
        fold_of = folds_by_kind(images.labels, index.kinds, images.units, settings.split_seed)
    elif index.folds:
        fold_of = np.array(index.folds, dtype=np.int64)
    else:
        divide = grouped_folds if index.groups else stratified_folds
        fold_of = divide(images.labels, images.units, settings.folds, settings.split_seed)
    check_separation(fold_of, images.pixels, index.names, "are the same picture")
    check_separation(fold_of, images.units, index.names, "are of one group")
    if not file:
        divided = "".join(f"-{name}{digest[:6]}" for name, digest in _division(settings, index).items())
        name = f"{settings.dataset_name}-{index.fingerprint[:12]}-{settings.folds}-{settings.split_seed}{divided}.csv"
        write_folds(home / "folds" / name, index, fold_of)
    return fold_of


def _division(settings: Settings, index: Index) -> dict[str, str]:
    """Digests of what divides the images beside the split seed and a folds file."""
    division = {"groups": index.grouping} if index.grouping else {}
    if settings.leave_kind_out:
        division["kinds"] = index.digest_of(index.kinds)
    elif index.folds and not settings.dataset.get("folds_file"):
        division["given"] = index.digest_of(index.folds)
    return division


def _with_folds(settings: Settings, index: Index) -> Settings:
    """The settings with the number of folds that the images have, where that is not free."""
    if settings.leave_kind_out:
        settings = replace(settings, folds=len(kinds_of(index.labels, index.kinds)))
    elif index.folds and not settings.dataset.get("folds_file"):
        settings = replace(settings, folds=max(index.folds))
    if settings.fold is not None and settings.fold > settings.folds:
        raise LeanetError(f"fold={settings.fold}: there are folds 1 to {settings.folds}; leave it empty for all")
    return settings


def _check(settings: Settings, index: Index) -> None:
    if settings.map.name == "folder":
        for fold in settings.selected_folds:
            MapFolder.of_fold(str(settings.map.root), fold).files(index)
    file = settings.dataset.get("folds_file")
    if file:
        folds = int(read_folds(Path(file), index).max())
        if folds != settings.folds:
            raise LeanetError(f"folds={settings.folds}: {file} has {folds} folds; use folds={folds}")
    elif index.groups and not (index.folds or settings.leave_kind_out):
        check_groups(index.labels, index.groups, settings.folds)
    else:
        check_counts(index.labels, settings.folds)
