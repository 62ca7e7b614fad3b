"""python -m leanet.train: a detector on each fold of a dataset, judged by cross-validation."""

from pathlib import Path
from typing import Any

import numpy as np
from hydra.utils import instantiate
from numpy.typing import NDArray

from leanet import command
from leanet.data.folds import check_counts, check_separation, read_folds, stratified_folds, write_folds
from leanet.data.images import Dataset, ImageSet, Index
from leanet.data.sources import check_made
from leanet.errors import LeanetError
from leanet.report.tables import cell_table
from leanet.runs import Run
from leanet.settings import Settings, settings_of


def train(config: dict[str, Any]) -> float:
    """Do what is missing of a cell, print its table, and return its mean F1."""
    settings = settings_of(config)
    dataset = dataset_of(settings)
    index = dataset.index()
    _check(settings, index)
    runs = [Run(settings, index.fingerprint, fold) for fold in settings.selected_folds]
    missing = [run for run in runs if run.result is None]
    if missing:
        _do(missing, dataset)
    else:
        print(f"{runs[0].model} on {settings.dataset_name}: all done before, nothing to train")
    return _report(runs)


def dataset_of(settings: Settings) -> Dataset:
    """The configured source of images."""
    check_made(settings.dataset)
    node = {key: value for key, value in settings.dataset.items() if key not in ("folds_file", "origin")}
    dataset: Dataset = instantiate(node)
    return dataset


def _check(settings: Settings, index: Index) -> None:
    """What can be seen without decoding an image."""
    file = settings.dataset.get("folds_file")
    if not file:
        return check_counts(index.labels, settings.folds)
    folds = int(read_folds(Path(file).expanduser(), index).max())
    if folds != settings.folds:
        raise LeanetError(f"folds={settings.folds}: {file} has {folds} folds; use folds={folds}")


def _do(runs: list[Run], dataset: Dataset) -> None:
    settings = runs[0].settings
    home = Path(settings.paths.runs)
    images = dataset.load(home / "images")
    fold_of = folds_of(settings, images, home)

    from leanet.experiment import run_fold  # here, since it imports torch: all mistakes of the images are told by now

    for run in runs:
        result = run_fold(run, images, fold_of)
        print(f"fold {run.fold}/{settings.folds}  {run.model}  F1 {result['f1']:.3f}  AUROC {result['auroc']:.3f}")


def folds_of(settings: Settings, images: ImageSet, home: Path) -> NDArray[np.int64]:
    """The fold of each image, from the folds file or by the split seed; kept as CSV under `home`/folds."""
    file = settings.dataset.get("folds_file")
    if file:
        fold_of = read_folds(Path(file).expanduser(), images.index)
        check_separation(fold_of, images.pixels, images.index.names)
        return fold_of
    fold_of = stratified_folds(images.labels, images.pixels, settings.folds, settings.split_seed)
    name = f"{settings.dataset_name}-{images.index.fingerprint[:12]}-{settings.folds}-{settings.split_seed}.csv"
    write_folds(home / "folds" / name, images.index, fold_of)
    return fold_of


def _report(runs: list[Run]) -> float:
    """Print the cell's table, the plain ADN's row above it where that was run, and where the picture is."""
    results = [result for run in runs if (result := run.result)]
    cells = [results]
    if runs[0].has_attention:
        plain = [result for run in runs if (result := run.plain.result)]
        cells = [plain, results] if plain else [results]
    print(f"\n{runs[0].settings.dataset_name}, {runs[0].settings.image_size} px\n\n{cell_table(cells)}\n")
    print(f"picture: {runs[0].folder / 'sheet.png'}")
    return float(sum(result["f1"] for result in results) / len(results))


def main() -> None:
    command.run(train, "train")


if __name__ == "__main__":
    main()
