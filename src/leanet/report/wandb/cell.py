"""The summary of a cell in W&B: a W&B run with the cell's id and the scores of all its finished folds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import wandb

from leanet.config.allowed_targets import read_config
from leanet.report.cells import Cell, cells_of, of_keys, scores
from leanet.report.lifts import lifts
from leanet.report.results import as_table
from leanet.report.statistics import Comparison, mean_sd
from leanet.report.wandb import session
from leanet.report.wandb.destination import Destination
from leanet.runs.run import Run
from leanet.storage.locks import lock

if TYPE_CHECKING:
    from pandas import DataFrame

JOB = "cell"
FOLDS = "folds"
_COLUMNS: list[str | int] = ["fold", "f1", "auroc", "ap", "floor", "collapsed", "seconds"]


def log_cell_of(run: Run, to: Destination) -> None:
    """Log the summary of a run's cell with the folds that are finished now, and print its address.

    Args:
        run: of the cell.
        to: project and account.
    """
    home = Path(run.settings.paths.runs)
    name = f"{run.settings.dataset_name} {run.model} {run.cell}"
    with lock(_folder(home, name)):  # reading and logging together, so that no older summary replaces a newer one
        every = [replace(one, fold=fold) for one in (run, run.plain) for fold in range(1, run.settings.folds + 1)]
        results = {one.id: (one.folder, found) for one in every if (found := one.result)}
        folds = as_table(results.values())
        [cell] = [cell for cell in cells_of(folds).itertuples() if cell.cell == run.cell]
        where = log_cells(home, folds, to, [cell])
    print(f"W&B: {name}, {cell.done}/{cell.expected} folds: {where}")


def log_cells(home: Path, folds: DataFrame, to: Destination, cells: list[Cell] | None = None) -> str:
    """Log the summaries of cells; earlier ones are replaced.

    Args:
        home: the folder of the runs (`paths.runs`).
        folds: of one table.
        to: project and account.
        cells: rows of `cells_of`; None: all cells of the table.

    Returns:
        the address of the last summary.
    """
    of_cell, where = lifts(folds), ""
    for cell in cells or cells_of(folds).itertuples():
        name, runs, lift = cell_name(cell), of_keys(folds, [cell.key]), of_cell.get(cell.key)
        given = {"project": to.project, "entity": to.entity, "group": name, "name": name, "job_type": JOB}
        run = session.begin(_folder(home, name), to.offline, cell.cell, config=_config(cell), **given)
        table = wandb.Table(columns=_COLUMNS, data=[list(row) for row in runs[_COLUMNS].itertuples(index=False)])
        run.summary.update({**figures_of(runs, lift.comparison if lift else None), FOLDS: table})
        where = session.where(run)
        run.finish()
    return where


def cell_name(cell: Cell) -> str:
    """The group of the cell's runs in W&B, as {cell} in leanet.runs.loggers."""
    return f"{cell.dataset_name} {cell.model} {cell.cell}"


def figures_of(folds: DataFrame, lift: Comparison | None = None) -> dict[str, float]:
    """The values of a cell's summary: mean and SD over finished folds, numbers of folds, and the lift.

    Args:
        folds: of the cell.
        lift: over the plain ADN; None if that is not finished.
    """
    [cell] = cells_of(folds).itertuples()
    spreads = {name: mean_sd(list(scores(folds, name)[cell.key].values())) for name in ("f1", "auroc", "ap", "floor")}
    found: dict[str, float | None] = {f"{name}/mean": spread.mean for name, spread in spreads.items()}
    found |= {f"{name}/sd": spread.sd for name, spread in spreads.items() if name != "floor"}
    found |= {"collapsed": cell.collapsed, "folds_done": cell.done, "folds_all": cell.expected}
    if lift is not None:
        found |= {"lift/mean": lift.mean, "lift/low": lift.low, "lift/high": lift.high}
    return {name: value for name, value in found.items() if value is not None}


def _folder(home: Path, name: str) -> Path:
    """The folder of W&B's files of a cell, as deep as those of runs and colorizers."""
    return home / "report" / name.replace("@", "-point").replace(" ", "-")


def _config(cell: Cell) -> dict[str, Any]:
    """The settings that a cell's runs have in common; `point` only if it has an effect."""
    own = {"fold", "logger", "paths"} | ({"point"} if cell.point is None else set())
    kept = {name: value for name, value in read_config(Path(cell.folder)).items() if name not in own}
    return {**kept, "model": cell.model, "row": cell.row, "fingerprint": cell.fingerprint}
