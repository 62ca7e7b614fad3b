"""A cell's summary in W&B: one run, with the cell's id, whose figures are those of all its finished folds."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import wandb

from leanet.report.cell import FinishedCell
from leanet.report.finished import cell_of
from leanet.report.lifts import lifts
from leanet.report.statistics import Comparison, mean_sd
from leanet.report.wandb import session
from leanet.report.wandb.destination import Destination
from leanet.runs.run import Run
from leanet.storage.locks import lock

JOB = "cell"
FOLDS = "folds"
_COLUMNS = ("fold", "f1", "auroc", "ap", "floor", "collapsed", "seconds")


def log_cell_of(run: Run, to: Destination) -> None:
    """Log the cell of `run` as it stands now, and say so; of several processes that do, the last has all folds."""
    home = Path(run.settings.paths.runs)
    name = f"{run.settings.dataset_name} {run.model} {run.cell}"
    with lock(_folder(home, name)):  # read and told in one, or an older summary might come after a newer
        cells = [found for member in (run, run.plain) if (found := _finished(member))]
        where = log_cell(home, cells[0], to, lift_of(cells).get(run.cell))
    print(f"W&B: {name}, {cells[0].done}/{cells[0].folds} folds: {where}")


def log_cell(home: Path, cell: FinishedCell, to: Destination, lift: Comparison | None) -> str:
    """Log a cell's summary in place of what was there, and return where it is."""
    name = cell_name(cell)
    given = {"project": to.project, "entity": to.entity, "group": name, "name": name, "job_type": JOB}
    run = session.begin(_folder(home, name), to.offline, cell.id, config=_config(cell), **given)
    run.summary.update({**figures_of(cell, lift), FOLDS: _table(cell)})
    where = session.where(run)
    run.finish()
    return where


def cell_name(cell: FinishedCell) -> str:
    """What leanet.runs.loggers calls {cell}: the group of its runs."""
    return f"{cell.dataset_name} {cell.model} {cell.id}"


def figures_of(cell: FinishedCell, lift: Comparison | None = None) -> dict[str, float]:
    """Mean and sample SD over the folds that are done, how many those are, and what was added to the plain ADN's F1.

    There is no SD of one fold, and no lift without the plain ADN.
    """
    found: dict[str, float | None] = {}
    for name in ("f1", "auroc", "ap"):
        spread = mean_sd(cell.values(name))
        found |= {f"{name}/mean": spread.mean, f"{name}/sd": spread.sd}
    found["floor/mean"] = mean_sd(cell.values("floor")).mean
    found["collapsed"] = sum(result["collapsed"] for result in cell.results)
    found |= {"folds_done": cell.done, "folds_all": cell.folds}
    if lift is not None:
        found |= {"lift/mean": lift.mean, "lift/low": lift.low, "lift/high": lift.high}
    return {name: value for name, value in found.items() if value is not None}


def lift_of(cells: list[FinishedCell]) -> dict[str, Comparison]:
    """By their ids, the lifts of cells of one table over their plain ADN."""
    return {name: found.comparison for name, found in lifts(cells).items()}


def _finished(run: Run) -> FinishedCell | None:
    """The finished folds of the cell of `run`."""
    runs = [replace(run, fold=fold) for fold in range(1, run.settings.folds + 1)]
    done = [(member.folder, result) for member in runs if (result := member.result)]
    return cell_of(run.cell, done) if done else None


def _folder(home: Path, name: str) -> Path:
    """Where W&B's files of a cell lie: as deep as those of runs and colorizers."""
    return home / "report" / name.replace("@", "-point").replace(" ", "-")


def _config(cell: FinishedCell) -> Mapping[str, Any]:
    """What the cell's runs have in common; `point` where it has a meaning."""
    own = {"fold", "logger", "paths"} | ({"point"} if cell.point is None else set())
    kept = {name: value for name, value in cell.config.items() if name not in own}
    return {**kept, "model": cell.model, "row": cell.row, "fingerprint": cell.fingerprint}


def _table(cell: FinishedCell) -> wandb.Table:
    rows = [[result[name] for name in _COLUMNS] for result in cell.results]
    return wandb.Table(columns=list(_COLUMNS), data=rows)
