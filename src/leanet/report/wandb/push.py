"""python -m leanet.report wandb: push finished runs to W&B, with a dashboard.

A W&B run has the id of the run that it shows and accepts each epoch once (see session.py), so that an interrupted push
can be repeated. W&B runs that are finished are not sent again, except for summaries, which change with every fold.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import wandb

from leanet.config.allowed_targets import read_config
from leanet.progress import progress
from leanet.report.cells import cells_of, tables_of
from leanet.report.wandb import session
from leanet.report.wandb.cell import cell_name, log_cells
from leanet.report.wandb.dashboard import publish
from leanet.report.wandb.destination import Destination
from leanet.storage.files import read_json
from leanet.storage.run_files import COLORIZER_FACTS, RESULT
from leanet.training.log_names import COLORIZER, FOLD, figures

if TYPE_CHECKING:
    from pandas import DataFrame

# Do not log facts about the machine that pushes.
_OFF = {"x_disable_stats": True, "x_disable_meta": True, "x_disable_machine_info": True, "x_save_requirements": False}


def push(home: Path, folds: DataFrame, to: Destination) -> None:
    """Push runs, colorizers, summaries of cells, and the dashboard.

    Args:
        home: the folder of the runs (`paths.runs`).
        folds: the finished folds to push.
        to: project and account.

    Raises:
        LeanetError: no account is known and `to` is not offline, or W&B cannot be reached.
    """
    session.check_account(to.offline)
    colorizers = _colorizers(home, set(folds["dataset_name"]))
    there = _finished_there(to)
    _push_runs(folds[~folds["run"].isin(there)], to)
    for folder in colorizers:
        if _id_of(folder) not in there:
            _push_colorizer(folder, to)
    for _, members in tables_of(folds):
        where = log_cells(home, members, to)
    shown = publish(home, to)
    counts = {"run": len(folds), "cell": len(cells_of(folds)), "colorizer": len(colorizers)}
    words = ", ".join(f"{count} {what}{'' if count == 1 else 's'}" for what, count in counts.items())
    print(f"W&B: {words}: {where}\ndashboard: {shown}")


def _push_runs(folds: DataFrame, to: Destination) -> None:
    for found in progress(list(folds.itertuples()), label="W&B", total=len(folds), unit="run"):
        folder = Path(found.folder)
        config = {**read_config(folder), "fingerprint": found.fingerprint}
        given = {"group": cell_name(found), "job_type": FOLD, "name": _name_of(folder), "config": config}
        run = _begin(folder, to, **given)
        run.summary.update(figures(read_json(folder / RESULT) or {}))
        session.log_folder(run, folder)
        run.finish()


def _push_colorizer(folder: Path, to: Destination) -> None:
    name = _name_of(folder)
    group = f"{name.rpartition('-fold')[0]} {COLORIZER}s"
    facts = {key: value for key, value in read_json(folder / COLORIZER_FACTS).items() if key != "seconds"}  # type: ignore[union-attr]
    run = _begin(folder, to, group=group, job_type=COLORIZER, name=f"{name}-{COLORIZER}", config=facts)
    session.log_folder(run, folder)
    run.finish()


def _begin(folder: Path, to: Destination, **given: Any) -> wandb.Run:
    places = {"project": to.project, "entity": to.entity}
    return session.begin(folder, to.offline, _id_of(folder), settings={"console": "off", **_OFF}, **places, **given)


def _colorizers(home: Path, datasets: Collection[str]) -> list[Path]:
    """The folders of the datasets' trained colorizers."""
    folders = sorted(file.parent for file in home.glob(f"colorizers/*/{COLORIZER_FACTS}"))
    return [folder for folder in folders if folder.name.rpartition("-fold")[0] in datasets]


def _id_of(folder: Path) -> str:
    """The identity at the end of a folder's name."""
    return folder.name.rpartition("-")[2]


def _name_of(folder: Path) -> str:
    return folder.name.rpartition("-")[0]


def _finished_there(to: Destination) -> set[str]:
    """The ids of W&B runs that are finished; empty if offline."""
    if session.is_offline(to.offline):
        return set()
    path = "/".join(filter(None, (to.entity, to.project)))
    try:
        return {run.id for run in wandb.Api().runs(path, filters={"state": "finished"}, per_page=1000)}
    except ValueError:  # the project does not exist yet
        return set()
