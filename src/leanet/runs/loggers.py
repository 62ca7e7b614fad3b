"""A run's logger: it is created for the run, receives settings and scores, and is closed.

Loggers may have further methods, which are called if they exist (report/wandb/logger.py has all):

    log_epochs(rows)    the epochs before a fit was resumed, each as {"epoch": 1, "loss": …}
    log_folder(folder)  the files of a run or a colorizer; the last call for it
    log_cell(run)       a fold of the run's cell is finished
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
    """Create the configured logger; names in braces in its settings are replaced by the run's."""
    cell = f"{run.settings.dataset_name} {run.model} {run.cell}"
    return _logger(run, run.folder, {"cell": cell, "id": run.id, "name": run.name, "job": FOLD})


def colorizer_logger_of(run: Run, folder: Path) -> Logger:
    """Create the logger of a colorizer.

    Args:
        run: a run that uses the colorizer's maps.
        folder: of the colorizer.
    """
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
    """At the start of a fit, logs the settings and, for a resumed fit, the earlier epochs.

    Args:
        settings: of the run.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings

    def on_fit_start(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        if trainer.logger is None:
            return
        trainer.logger.log_hyperparams(self.settings)
        curves = [callback.rows for callback in trainer.callbacks if isinstance(callback, Curves)]  # type: ignore[attr-defined]
        _tell(trainer.logger, "log_epochs", *curves)

    def teardown(self, trainer: lightning.Trainer, task: lightning.LightningModule, stage: str) -> None:
        """With several processes, close the logger here, since this process ends after the fit."""
        if trainer.world_size > 1 and trainer.is_global_zero and trainer.logger is not None:
            _finish(trainer.logger)


def close(logger: Logger, folder: Path, result: Mapping[str, Any]) -> None:
    """Log the scores and files of a finished run, and close the logger.

    Args:
        logger: of the run.
        folder: of the run.
        result: the content of result.json.
    """
    logger.log_metrics(figures(result))
    sheet = folder / "sheet.png"  # exists if there are test images
    if isinstance(logger, TensorBoardLogger) and sheet.exists():
        pixels = np.asarray(Image.open(sheet).convert("RGB"))
        logger.experiment.add_image("sheet", pixels, dataformats="HWC")
    logger.finalize("success")
    if not log_folder(logger, folder):
        _finish(logger)


def log_folder(logger: Logger | None, folder: Path) -> bool:
    """Log the files of a run or colorizer, as the last call for it; returns whether the logger supports this."""
    return _tell(logger, "log_folder", folder)


def log_cell(logger: Logger, run: Run) -> None:
    """Log that a run is finished, if the logger supports this."""
    _tell(logger, "log_cell", run)


def _tell(logger: Logger | None, what: str, *words: Any) -> bool:
    method = getattr(logger, what, None)
    if method is not None:
        method(*words)
    return method is not None


def _finish(logger: Logger) -> None:
    """Close the logger's experiment if it has such a method, as Lightning's W&B logger does."""
    finish = getattr(getattr(logger, "experiment", None), "finish", None)
    if finish is not None:
        finish()
