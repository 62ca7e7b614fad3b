"""A cell's summary in W&B: one run, with the cell's id, whose figures are those of all its finished folds."""

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
    """Log the cell of `run` as it stands now, and say so; of several processes that do, the last has all folds."""
    home = Path(run.settings.paths.runs)
    name = f"{run.settings.dataset_name} {run.model} {run.cell}"
    with lock(_folder(home, name)):  # read and told in one, or an older summary might come after a newer
        every = [replace(one, fold=fold) for one in (run, run.plain) for fold in range(1, run.settings.folds + 1)]
        results = {one.id: (one.folder, found) for one in every if (found := one.result)}
        folds = as_table(results.values())
        [cell] = [cell for cell in cells_of(folds).itertuples() if cell.cell == run.cell]
        where = log_cells(home, folds, to, [cell])
    print(f"W&B: {name}, {cell.done}/{cell.expected} folds: {where}")


def log_cells(home: Path, folds: DataFrame, to: Destination, cells: list[Cell] | None = None) -> str:
    """Log the summaries of these cells of a table, or of all, in place of what was there; return where one is."""
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
    """What leanet.runs.loggers calls {cell}: the group of its runs."""
    return f"{cell.dataset_name} {cell.model} {cell.cell}"


def figures_of(folds: DataFrame, lift: Comparison | None = None) -> dict[str, float]:
    """Mean and sample SD over a cell's finished folds, how many those are, and what was added to the plain ADN's F1.

    There is no SD of one fold, and no lift without the plain ADN.
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
    """Where W&B's files of a cell lie: as deep as those of runs and colorizers."""
    return home / "report" / name.replace("@", "-point").replace(" ", "-")


def _config(cell: Cell) -> dict[str, Any]:
    """What the cell's runs have in common; `point` where it has a meaning."""
    own = {"fold", "logger", "paths"} | ({"point"} if cell.point is None else set())
    kept = {name: value for name, value in read_config(Path(cell.folder)).items() if name not in own}
    return {**kept, "model": cell.model, "row": cell.row, "fingerprint": cell.fingerprint}
