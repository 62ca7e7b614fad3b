"""python -m leanet.fit: cross-validate as leanet.train does, then train on all the images, for use."""

import shlex
from dataclasses import dataclass
from typing import Annotated, Any

from leanet.config.checked import read_settings
from leanet.config.command_line import run_command
from leanet.config.effective import settings_of
from leanet.config.rules import BOOLEAN
from leanet.config.settings import Settings
from leanet.errors import LeanetError
from leanet.experiment.cross_validation import cross_validate
from leanet.model.card import write_card
from leanet.model.find import colorizers_kept
from leanet.report.tables import print_cell
from leanet.runs.cell import Cell, Cells, load
from leanet.runs.run import ALL, Run
from leanet.storage.files import write_bytes
from leanet.storage.locks import lock
from leanet.storage.run_files import COLORIZER_WEIGHTS, FEATURE_WEIGHTS


@dataclass(frozen=True)
class FitSettings(Settings):
    """conf/train.yaml's, with what conf/fit.yaml adds."""

    crossvalidate: Annotated[bool, BOOLEAN] = True


def fit(config: dict[str, Any]) -> None:
    """Do what is missing of the cross-validation and of the model, and write the model's card."""
    first: FitSettings = read_settings(FitSettings, config)
    settings = settings_of({name: value for name, value in config.items() if name != "crossvalidate"})
    if settings.fold is not None:
        raise LeanetError(f"fold={settings.fold}: leanet.fit trains on all images; leave it empty")
    if settings.map.name == "folder":
        raise LeanetError("map=folder: a model must make the maps of new images itself; choose another map")
    cell = Cells().of(settings)
    if first.crossvalidate:
        cross_validate(cell)
        print_cell(cell.runs)
    model = Run(settings, cell.runs[0].fingerprint, ALL)
    _train(model, cell)
    with lock(model.folder, lambda: print(f"{model.folder}: another process is at it; waiting")):
        _keep_colorizer(model)
        write_card(model, cell)
    print(f"\nmodel: {model.folder}\ncard:  {model.folder / 'card.md'}")
    print(f"next:  python -m leanet.predict run={shlex.quote(str(model.folder))} source=FILE_OR_FOLDER")


def _train(model: Run, cell: Cell) -> None:
    if model.is_done:
        return print(f"{model.model} on all images of {cell.settings.dataset_name}: done before, nothing to train")
    images, fold_of = load(cell)

    from leanet.experiment.fold import (
        run_fold,  # here, since it imports torch: all mistakes of the images are told by now
    )

    run_fold(model, images, fold_of)


def _keep_colorizer(model: Run) -> None:
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


def main() -> None:
    run_command(fit, "fit", FitSettings)


if __name__ == "__main__":
    main()
