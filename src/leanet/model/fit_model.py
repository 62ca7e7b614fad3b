"""Train a model for use on all images of a dataset, and write its card."""

from dataclasses import replace

from leanet.config.settings import Settings
from leanet.errors import LeanetError
from leanet.model.card import write_card
from leanet.model.find import colorizers_kept
from leanet.runs.cell import Cell, load
from leanet.runs.run import ALL, Run
from leanet.storage.files import write_bytes
from leanet.storage.locks import lock
from leanet.storage.run_files import COLORIZER_WEIGHTS, FEATURE_WEIGHTS, REFERENCE


def check_usable(settings: Settings) -> None:
    """Raise LeanetError if a model with these settings cannot be used on new images."""
    if settings.map.name == "folder":
        raise LeanetError("map=folder: a model must make the maps of new images itself; choose another map")


def model_of(cell: Cell) -> Run:
    """The run that trains the cell's detector on all images."""
    return replace(cell.runs[0], fold=ALL)


def fit_model(cell: Cell) -> Run:
    """Train a detector on all images of a cell's dataset, and write its card with the cell's scores.

    Steps that are finished are not repeated.

    Args:
        cell: its settings are the model's, and its finished folds give the scores.

    Returns:
        the model, a run of fold `ALL`.

    Raises:
        LeanetError: the maps come from a folder, so that there are none for new images; or the weights of the map maker
            are gone.
    """
    check_usable(cell.settings)
    model = model_of(cell)
    _train(model, cell)
    with lock(model.folder, lambda: print(f"{model.folder}: waiting for the process that is making this model")):
        _keep_map_makers(model)
        _keep_reference(model, cell)
        write_card(model, cell)
    return model


def _train(model: Run, cell: Cell) -> None:
    if model.is_done:
        return print(f"{model.model} on all images of {cell.settings.dataset_name}: done before, nothing to train")
    images, fold_of = load(cell)

    from leanet.experiment.estimate import say_estimate  # imports torch, after mistakes in the images are reported
    from leanet.experiment.fold import run_fold

    say_estimate(cell, [model])
    run_fold(model, images, fold_of)


def _keep_reference(model: Run, cell: Cell) -> None:
    """Write the distribution of the training images' features, by which new images are compared with them."""
    if (model.folder / REFERENCE).exists():
        return
    images, fold_of = load(cell)

    from leanet.experiment.split import split_of
    from leanet.model.features import features_of_model  # import torch
    from leanet.model.reference import chosen, fit_reference

    train = split_of(model, images, fold_of).train
    train = train[chosen(images.labels[train])]
    reference = fit_reference(features_of_model(model, images.images, train), images.labels[train])
    if reference is not None:
        reference.write(model.folder)


def _keep_map_makers(model: Run) -> None:
    """Copy the weights of the map makers into the model's folder, so that the folder can be moved."""
    name = COLORIZER_WEIGHTS if model.settings.has_colorizer else FEATURE_WEIGHTS
    folders = model.maker_folders
    for place, folder in zip(colorizers_kept(model.folder, len(folders)), folders, strict=True):
        kept, made = place / name, folder / name
        if kept.exists():
            continue
        if not made.exists():
            raise LeanetError(
                f"{made} is gone; remove the folders {model.maps_folder} and {model.folder}, and repeat the command"
            )
        write_bytes(kept, made.read_bytes())
