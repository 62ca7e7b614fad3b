"""A run's logger, whichever it is: made for the run, told its settings and its figures, and ended.

Some loggers can be told more, and are if they have the methods for it (report/wandb/logger.py has all):

    log_epochs(rows)    the epochs before the one that a fit goes on with, {"epoch": 1, "loss": …} each
    log_folder(folder)  what a run or a colorizer left in its folder; the last that is told of it
    log_cell(run)       that a fold of the run's cell was finished
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning
import numpy as np
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from PIL import Image

from leanet.runs.run import Run
from leanet.training.epochs import Curves
from leanet.training.log_names import COLORIZER, FOLD, figures


def logger_of(run: Run) -> Logger:
    """The configured logger, with the names in braces replaced by the run's."""
    cell = f"{run.settings.dataset_name} {run.model} {run.cell}"
    return _logger(run, run.folder, {"cell": cell, "id": run.id, "name": run.name, "job": FOLD})


def colorizer_logger_of(run: Run, folder: Path) -> Logger:
    """The same for the colorizer in `folder`, whose maps the run uses."""
    dataset = run.settings.dataset_name
    name, _, identity = folder.name.rpartition("-")
    names = {"cell": f"{dataset} {COLORIZER}s", "id": identity, "name": f"{name}-{COLORIZER}", "job": COLORIZER}
    return _logger(run, folder, names)


def _logger(run: Run, folder: Path, names: Mapping[str, str]) -> Logger:
    folder.mkdir(parents=True, exist_ok=True)
    given = {"folder": str(folder), **names}
    node = {k: v.format(**given) if isinstance(v, str) else v for k, v in run.settings.logger.items()}
    logger: Logger = instantiate(node)
    return logger


class LogSettings(Callback):
    """Tells the logger the settings, and what a fit that goes on had logged, in the process that logs."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings

    def on_fit_start(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        if trainer.logger is None:
            return
        trainer.logger.log_hyperparams(self.settings)
        curves = [callback.rows for callback in trainer.callbacks if isinstance(callback, Curves)]  # type: ignore[attr-defined]
        _tell(trainer.logger, "log_epochs", *curves)

    def teardown(self, trainer: lightning.Trainer, task: lightning.LightningModule, stage: str) -> None:
        """Of several processes this one ends, and with it what it has of the logger."""
        if trainer.world_size > 1 and trainer.is_global_zero and trainer.logger is not None:
            _finish(trainer.logger)


def close(logger: Logger, folder: Path, result: Mapping[str, Any]) -> None:
    """Log the test fold's figures and what lies in the run's folder, and end the logger's run."""
    logger.log_metrics(figures(result))
    sheet = folder / "sheet.png"  # of test images, where there are any
    if isinstance(logger, TensorBoardLogger) and sheet.exists():
        pixels = np.asarray(Image.open(sheet).convert("RGB"))
        logger.experiment.add_image("sheet", pixels, dataformats="HWC")
    logger.finalize("success")
    if not log_folder(logger, folder):
        _finish(logger)


def log_folder(logger: Logger | None, folder: Path) -> bool:
    """Tell a logger that can take it what lies in a run's or colorizer's folder, its last; whether it could be told."""
    return _tell(logger, "log_folder", folder)


def log_cell(logger: Logger, run: Run) -> None:
    """Tell a logger that can take it that `run` is done."""
    _tell(logger, "log_cell", run)


def _tell(logger: Logger | None, what: str, *words: Any) -> bool:
    method = getattr(logger, what, None)
    if method is not None:
        method(*words)
    return method is not None


def _finish(logger: Logger) -> None:
    """Lightning's own W&B run would go on otherwise; others have none to finish."""
    finish = getattr(getattr(logger, "experiment", None), "finish", None)
    if finish is not None:
        finish()
