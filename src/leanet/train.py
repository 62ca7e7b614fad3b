"""python -m leanet.train: a detector on each fold of a dataset, judged by cross-validation."""

from typing import Any

from leanet import command
from leanet.cells import Cell, Cells, load
from leanet.effective import settings_of
from leanet.locks import tidy
from leanet.report.tables import cell_table
from leanet.runs import Run


def train(config: dict[str, Any]) -> float:
    """Do what is missing of a cell, print its table, and return its mean F1."""
    return crossvalidate(Cells().of(settings_of(config)))


def crossvalidate(cell: Cell) -> float:
    """The same for a cell whose settings are checked."""
    for run in cell.runs:
        tidy(run.folder)
    if all(run.result for run in cell.runs):
        print(f"{cell.runs[0].model} on {cell.settings.dataset_name}: all done before, nothing to train")
    else:
        _do(cell)
    return _report(cell.runs)


def _do(cell: Cell) -> None:
    images, fold_of = load(cell)

    from leanet.experiment import run_fold  # here, since it imports torch: all mistakes of the images are told by now

    for run in cell.runs:
        result = run.result or run_fold(run, images, fold_of)
        print(f"fold {run.fold}/{run.settings.folds}  {run.model}  F1 {result['f1']:.3f}  AUROC {result['auroc']:.3f}")


def _report(runs: list[Run]) -> float:
    """Print the cell's table, the plain ADN's row above it where that was run, and where the picture is."""
    results = [result for run in runs if (result := run.result)]
    plain = [result for run in runs if (result := run.plain.result)]
    cells = {runs[0].plain.model: plain} if plain else {}
    cells[runs[0].model] = results  # the same where it is the plain ADN
    print(f"\n{runs[0].settings.dataset_name}, {runs[0].settings.image_size} px\n\n{cell_table(cells)}\n")
    print(f"picture: {runs[0].folder / 'sheet.png'}")
    return float(sum(result["f1"] for result in results) / len(results))


def main() -> None:
    command.run(train, "train")


if __name__ == "__main__":
    main()
