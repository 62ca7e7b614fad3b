"""python -m leanet.train: cross-validate a detector on a dataset."""

from typing import Any

from leanet.config.command_line import run_command
from leanet.config.effective import settings_of
from leanet.experiment.cross_validation import cross_validate
from leanet.report.tables import print_cell
from leanet.runs.cell import Cells


def train(config: dict[str, Any]) -> float:
    """Train the unfinished runs of a cell, and print its table.

    Args:
        config: resolved configuration of conf/train.yaml.

    Returns:
        the mean F1 over the folds.

    Raises:
        LeanetError: settings or images that do not fit.
    """
    cell = Cells().of(settings_of(config))
    cross_validate(cell)
    return print_cell(cell.runs)


def main() -> None:
    run_command(train, "train")


if __name__ == "__main__":
    main()
