"""Open a W&B run in one process, without prompts, and log each epoch once.

A W&B run has the id of the run that it shows, and W&B's step is the epoch. W&B accepts each step only once, in
ascending order, so that logging an epoch again, after a kill or by another process, has no effect. Nothing is lost,
since a resumed fit gives the same numbers.

Offline, a process does not know what others have logged, and `wandb sync` replaces earlier folders of a run by the
last one. So an offline process removes the folder of the previous one and logs everything from the start.
"""

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import wandb

from leanet.data.images import POSITIVE, THRESHOLD
from leanet.errors import LeanetError
from leanet.report.csv_files import csv_rows, read_curves
from leanet.storage.private_folder import private_folder
from leanet.training.log_names import FOLD

os.environ.setdefault("WANDB_SILENT", "true")  # instead of a banner for each run, one line is printed for all


def _has_home() -> bool:
    """Whether W&B can write to the user's home folder. If there is none, HOME is set, since W&B needs one."""
    try:
        home = Path.home()
    except RuntimeError:
        os.environ["HOME"] = str(private_folder("home"))
        return False
    return home.is_dir() and os.access(home, os.W_OK)


_HAS_HOME = _has_home()

SHEET, CONFUSION, PREDICTIONS = "sheet", "confusion", "predictions"
CLASSES = ["normal", "anomalous"]  # by label


def is_offline(offline: bool) -> bool:
    """Whether W&B's files are only written and not sent, by configuration, WANDB_MODE or `wandb offline`."""
    return offline or _mode() == "offline"


def is_trial_of_a_sweep() -> bool:
    """Whether an agent of a W&B sweep has started this process, for one W&B run."""
    return bool(os.environ.get("WANDB_SWEEP_ID"))


def check_account(offline: bool) -> None:
    """Raise LeanetError if W&B would ask for a key."""
    if not offline and _mode() in ("online", "shared") and not wandb.login(prompt=False, verify=False):
        raise LeanetError("W&B: no account is known here; run `wandb login`, or go on without: WANDB_MODE=offline")


def begin(folder: Path, offline: bool, run_id: str, **given: Any) -> wandb.Run:
    """Open a W&B run, or resume it if W&B has it.

    Args:
        folder: W&B's files are written to `folder`/wandb.
        offline: whether to write files for `wandb sync`.
        run_id: of the W&B run.
        given: further arguments of wandb.init.

    Raises:
        LeanetError: no account, or W&B cannot be reached.
    """
    check_account(offline)
    if is_offline(offline):
        for earlier in folder.glob(f"wandb/offline-run-*-{run_id}"):
            shutil.rmtree(earlier, ignore_errors=True)  # a killed process's service may still be ending
    folder.mkdir(parents=True, exist_ok=True)
    if not _HAS_HOME:  # `wandb sync` needs these files later, so not in a temporary folder
        os.environ.setdefault("HOME", str(private_folder("home")))  # a grid takes back what an earlier run has set
        os.environ.setdefault("WANDB_DATA_DIR", str(folder.absolute() / "wandb"))
        os.environ.setdefault("WANDB_CACHE_DIR", str(private_folder("wandb")))
    given |= {"mode": "offline"} if offline else {}
    if is_trial_of_a_sweep() and given.get("job_type") != FOLD:  # W&B would give it the id of the trial
        given["mode"] = "disabled"
    try:
        # A failed run may have left an open W&B run in this process.
        return wandb.init(dir=str(folder), id=run_id, resume="allow", reinit="finish_previous", **given)
    except wandb.Error as error:
        raise LeanetError(f"W&B: {str(error).splitlines()[0]}; WANDB_MODE=offline continues without W&B") from None


def log_epochs(run: wandb.Run, rows: Iterable[Mapping[str, float]]) -> None:
    """Log the epochs that W&B does not have yet.

    Args:
        run: the W&B run.
        rows: {"epoch": 1, "loss": …} for each epoch, in order.
    """
    following = run.step
    for row in rows:
        if row["epoch"] >= following:
            run.log(dict(row), step=int(row["epoch"]), commit=True)


def log_folder(run: wandb.Run, folder: Path) -> None:
    """Log the files of a run or a colorizer: curves, then sheet and predictions in a last step."""
    curves = read_curves(folder)
    log_epochs(run, curves)
    last = int(curves[-1]["epoch"]) + 1 if curves else 1
    found = {**_sheet(folder), **_predictions(folder)}
    if found and run.step <= last:
        run.log(found, step=last, commit=True)


def where(run: wandb.Run) -> str:
    """The address of a W&B run; offline, the command that sends it and all others."""
    if run.offline:
        home = Path(run.dir).parents[4]
        return f"wandb sync {home}/*/*/wandb/offline-run-*"
    return str(run.url)


def _sheet(folder: Path) -> dict[str, Any]:
    file = folder / "sheet.png"
    return {SHEET: wandb.Image(str(file))} if file.exists() else {}


def _predictions(folder: Path) -> dict[str, Any]:
    """The predictions as a table, and the ADN's confusion matrix as a chart."""
    rows = csv_rows(folder / "predictions.csv")
    if not rows:
        return {}
    heads = [head for head in ("adn", "caan") if head in rows[0]]
    data = [[row["file"], row["sha256"], int(row["label"]), *(float(row[head]) for head in heads)] for row in rows]
    labels = [int(row["label"]) for row in rows]
    answers = [POSITIVE if float(row["adn"]) > THRESHOLD else 1 - POSITIVE for row in rows]
    chart = wandb.plot.confusion_matrix(y_true=labels, preds=answers, class_names=CLASSES, title="Confusion")
    return {PREDICTIONS: wandb.Table(columns=["file", "sha256", "label", *heads], data=data), CONFUSION: chart}


def _mode() -> str:
    """W&B's mode (online, offline, disabled or shared), from the environment or W&B's settings."""
    mode = wandb.setup().settings.mode
    return "offline" if mode == "dryrun" else mode
