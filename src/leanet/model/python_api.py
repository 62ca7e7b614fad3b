"""leanet from Python: the commands leanet.train and leanet.fit as functions of images and labels."""

import os
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from leanet.config.command_line import composed
from leanet.config.effective import settings_of
from leanet.config.options import as_typed
from leanet.data.arrays import ImageArrays, Picture
from leanet.errors import LeanetError
from leanet.experiment.cross_validation import cross_validate
from leanet.model.fit_model import fit_model
from leanet.model.load import Model, load
from leanet.report import results as finished
from leanet.runs.cell import Cell, Cells

if TYPE_CHECKING:
    import pandas

Folder = str | PathLike[str]

# Settings that have an argument of their own.
_NAMED = {
    "dataset": "images",
    "dataset.root": "images",
    "dataset.name": "name",
    "dataset.image_size": "image_size",
    "dataset.fit": "fit",
    "paths.runs": "runs",
}


def crossvalidate(
    images: Folder | Sequence[Picture],
    labels: ArrayLike | None = None,
    *,
    name: str | None = None,
    image_size: int | None = None,
    fit: str | None = None,
    runs: Folder | None = None,
    adn: str = "frozen",
    **overrides: Any,
) -> "pandas.DataFrame":
    """Cross-validate a detector, as the command leanet.train does. Folds that are finished are only read.

    >>> import leanet
    >>> from leanet.data.synthetic import SyntheticLeaves
    >>> leaves = SyntheticLeaves(image_size=64, negatives=20, positives=10).load(Path())
    >>> images = list(leaves.images.transpose(0, 2, 3, 1))          # (H, W, 3) uint8 each
    >>> folds = leanet.crossvalidate(images, leaves.labels, image_size=64, adn="lab_statistics", folds=2)
    fold 1/2  lab_statistics  F1 0.571  AUROC 0.660
    fold 2/2  lab_statistics  F1 0.600  AUROC 0.660
    >>> list(folds[["model", "fold"]].itertuples(index=False, name=None))
    [('lab_statistics', 1), ('lab_statistics', 2)]

    Args:
        images: N images, each a file, a PIL image, an sRGB array (H, W, 3) uint8, or a tensor (3, H, W), uint8 or in
            0…1; or the folder that holds `Negative` and `Positive`, or MVTec AD's layout.
        labels: (N,), 0 normal and 1 anomalous; None for a folder.
        name: of the dataset, in names of runs and in reports; None: that of the folder, or `images`.
        image_size: S, to which images are resized; None: 256, or that of `effort`.
        fit: how images that are not square become square: `stretch` (also None), `pad` or `crop`, as for
            `leanet.data.resize.resized`.
        runs: the folder for all output; None: `LEANET_RUNS`, or `runs` where that is not set.
        adn: the classifier, such as `frozen`, `resnet18` or `vgg16`.
        overrides: any other setting of leanet.train, as `caan="mobilenet"`, `point=4` or `effort="quick"`. Two
            underscores stand for a dot: `trainer__max_epochs=20`.

    Returns:
        a table with a row for each fold, as `leanet.results` has it: f1, auroc, ap, floor, seconds and the settings.

    Raises:
        LeanetError: images, labels or settings that do not fit.
        ValueError: an array that is not (H, W, 3) uint8.
    """
    cell = _cell(images, labels, name, image_size, fit, runs, {"adn": adn, **overrides})
    cross_validate(cell)
    return finished.as_table((run.folder, run.result) for run in cell.runs if run.result)


def fit(
    images: Folder | Sequence[Picture],
    labels: ArrayLike | None = None,
    *,
    name: str | None = None,
    image_size: int | None = None,
    fit: str | None = None,
    runs: Folder | None = None,
    adn: str = "frozen",
    **overrides: Any,
) -> Model:
    """Train a detector on all images, for use, as the command leanet.fit does. A finished model is only read.

    The model's card, in its folder, has the scores of `crossvalidate` with the same arguments if that was called first.

    >>> import leanet
    >>> from leanet.data.synthetic import SyntheticLeaves
    >>> leaves = SyntheticLeaves(image_size=64, negatives=20, positives=10).load(Path())
    >>> images = list(leaves.images.transpose(0, 2, 3, 1))
    >>> model = leanet.fit(images, leaves.labels, image_size=64, adn="lab_statistics")
    >>> model.predict(images[:3]).probabilities.shape
    (3,)

    Args:
        images: as for `crossvalidate`, like all other arguments.

    Returns:
        the model, as `leanet.load` gives it.

    Raises:
        LeanetError: images, labels or settings that do not fit.
    """
    cell = _cell(images, labels, name, image_size, fit, runs, {"adn": adn, **overrides})
    if cell.settings.fold is not None:
        raise LeanetError(f"fold={cell.settings.fold}: a model is trained on all images; leave it out")
    return load(fit_model(cell).folder)


def results(folder: Folder | None = None) -> "pandas.DataFrame":
    """Read all finished folds under a folder of runs. The columns are listed in `leanet.report.results.results`.

    Args:
        folder: the folder of the runs; None: `LEANET_RUNS`, or `runs` where that is not set.

    Returns:
        a table with a row for each fold, sorted by dataset and model; empty if no run is done.

    Raises:
        LeanetError: there is no such folder.
    """
    home = Path(folder if folder is not None else os.environ.get("LEANET_RUNS", "runs")).expanduser()
    if not home.is_dir():
        raise LeanetError(f"{home}: no such folder; relative paths start at {Path.cwd()}")
    return finished.results(home)


def _cell(
    images: Folder | Sequence[Picture],
    labels: ArrayLike | None,
    name: str | None,
    image_size: int | None,
    fit: str | None,
    runs: Folder | None,
    overrides: dict[str, Any],
) -> Cell:
    dotted = {key.replace("__", "."): value for key, value in overrides.items()}
    for key in _NAMED.keys() & dotted.keys():
        raise LeanetError(f"{key.replace('.', '__')}: use the argument {_NAMED[key]}")
    given: dict[str, Any] = {"dataset": "folder", **dotted}
    named = {
        "dataset.image_size": image_size,
        "dataset.fit": fit,
        "dataset.name": name,
        "paths.runs": None if runs is None else Path(runs),
    }
    given |= {key: value for key, value in named.items() if value is not None}
    if isinstance(images, str | PathLike):
        if labels is not None:
            raise LeanetError("give a folder of images without labels, or images with their labels")
        return Cells().of(settings_of(_composed(given | {"dataset.root": Path(images)})))
    if labels is None:
        raise LeanetError("give images with their labels, or a folder of images without labels")
    config = _composed(given)
    size, fit = config["dataset"]["image_size"], config["dataset"]["fit"]
    dataset = ImageArrays(name or "images", size, list(images), labels, fit)
    node = {"_target_": f"{ImageArrays.__module__}.ImageArrays", "name": dataset.name, "image_size": size, "fit": fit}
    return Cells().of(settings_of(config | {"dataset": node}), dataset)


def _composed(given: dict[str, Any]) -> dict[str, Any]:
    return composed("train", [f"{key}={as_typed(value)}" for key, value in given.items()])
