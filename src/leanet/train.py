"""python -m leanet.train: a detector on each fold of a dataset, judged by cross-validation."""

from typing import Any

from leanet.config.command_line import run_command
from leanet.config.effective import settings_of
from leanet.experiment.cross_validation import cross_validate
from leanet.report.tables import print_cell
from leanet.runs.cell import Cells


def train(config: dict[str, Any]) -> float:
    """Train what is missing of a cell, print its table, and return its mean F1."""
    cell = Cells().of(settings_of(config))
    cross_validate(cell)
    return print_cell(cell.runs)


def main() -> None:
    run_command(train, "train")


if __name__ == "__main__":
    main()
