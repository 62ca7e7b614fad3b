"""python -m leanet.fit: cross-validate as leanet.train does, then train a model for use on all images."""

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
from leanet.model.fit_model import check_usable, fit_model, model_of
from leanet.report.tables import print_cell
from leanet.runs.cell import Cells


@dataclass(frozen=True)
class FitSettings(Settings):
    """All settings of conf/fit.yaml: those of conf/train.yaml and `crossvalidate`."""

    crossvalidate: Annotated[bool, BOOLEAN] = True


def fit(config: dict[str, Any]) -> None:
    """Finish the cross-validation and the model, and write the model's card.

    Raises:
        LeanetError: settings or images that do not fit.
    """
    first: FitSettings = read_settings(FitSettings, config)
    settings = settings_of({name: value for name, value in config.items() if name != "crossvalidate"})
    if settings.fold is not None:
        raise LeanetError(f"fold={settings.fold}: leanet.fit trains on all images; leave it empty")
    check_usable(settings)
    cell = Cells().of(settings)
    if first.crossvalidate:
        cross_validate(cell, followed_by=[model_of(cell)])
        print_cell(cell.runs)
    model = fit_model(cell)
    print(f"\nmodel: {model.folder}\ncard:  {model.folder / 'card.md'}")
    print(f"next:  python -m leanet.predict run={shlex.quote(str(model.folder))} source=FILE_OR_FOLDER")


def main() -> None:
    run_command(fit, "fit", FitSettings)


if __name__ == "__main__":
    main()
