"""A model for use: trained on all images of a cell's dataset, with its card."""

from leanet.config.settings import Settings
from leanet.errors import LeanetError
from leanet.model.card import write_card
from leanet.model.find import colorizers_kept
from leanet.runs.cell import Cell, load
from leanet.runs.run import ALL, Run
from leanet.storage.files import write_bytes
from leanet.storage.locks import lock
from leanet.storage.run_files import COLORIZER_WEIGHTS, FEATURE_WEIGHTS


def check_usable(settings: Settings) -> None:
    """LeanetError if a model of `settings` could not be used on new images."""
    if settings.map.name == "folder":
        raise LeanetError("map=folder: a model must make the maps of new images itself; choose another map")


def fit_model(cell: Cell) -> Run:
    """Train a detector on all images of `cell`, and write its card with the cell's scores.

    What is done already is not done again.

    Raises:
        LeanetError: its maps come from a folder, so that a model could not make those of new images; or the weights of
            the map maker are gone.
    """
    check_usable(cell.settings)
    model = Run(cell.settings, cell.runs[0].fingerprint, ALL)
    _train(model, cell)
    with lock(model.folder, lambda: print(f"{model.folder}: another process is at it; waiting")):
        _keep_map_makers(model)
        write_card(model, cell)
    return model


def _train(model: Run, cell: Cell) -> None:
    if model.is_done:
        return print(f"{model.model} on all images of {cell.settings.dataset_name}: done before, nothing to train")
    images, fold_of = load(cell)

    from leanet.experiment.fold import run_fold  # imports torch, after mistakes in the images are reported

    run_fold(model, images, fold_of)


def _keep_map_makers(model: Run) -> None:
    """Put the weights of what makes its maps beside the networks', so that the folder can be moved."""
    name = COLORIZER_WEIGHTS if model.settings.has_colorizer else FEATURE_WEIGHTS
    folders = model.maker_folders
    for place, folder in zip(colorizers_kept(model.folder, len(folders)), folders, strict=True):
        kept, made = place / name, folder / name
        if kept.exists():
            continue
        if not made.exists():
            raise LeanetError(
                f"{made} is gone; remove the folders {model.maps_folder} and {model.folder}, and all is made again"
            )
        write_bytes(kept, made.read_bytes())
