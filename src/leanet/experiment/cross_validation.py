"""Cross-validation: train the unfinished runs of a cell."""

from collections.abc import Sequence

from leanet.runs.cell import Cell, load
from leanet.runs.run import Run
from leanet.storage.locks import tidy


def cross_validate(cell: Cell, followed_by: Sequence[Run] = ()) -> None:
    """Train a detector on each fold of a cell that is not finished, and print a line for each fold.

    Args:
        cell: its runs are trained.
        followed_by: further runs that the caller will do, counted in the time that is announced.

    Raises:
        LeanetError: settings, images or maps that do not fit.
    """
    for run in cell.runs:
        tidy(run.folder)
    if all(run.result for run in cell.runs):
        return print(f"{cell.runs[0].model} on {cell.settings.dataset_name}: all done before, nothing to train")
    images, fold_of = load(cell)

    from leanet.experiment.estimate import say_estimate  # imports torch, after mistakes in the images are reported
    from leanet.experiment.fold import run_fold

    say_estimate(cell, [*cell.runs, *followed_by])
    for run in cell.runs:
        result = run.result or run_fold(run, images, fold_of)
        print(f"fold {run.fold}/{run.settings.folds}  {run.model}  F1 {result['f1']:.3f}  AUROC {result['auroc']:.3f}")
