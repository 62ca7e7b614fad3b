"""A run's logger, whichever it is: made for the run, told its settings and its figures, and ended."""

from typing import Any

import lightning
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger

from leanet.runs import Run


def logger_of(run: Run) -> Logger:
    """The configured logger, with the names in braces replaced by the run's."""
    run.folder.mkdir(parents=True, exist_ok=True)
    names = {"folder": str(run.folder), "cell": run.cell, "id": run.id, "name": run.name}
    node = {k: v.format(**names) if isinstance(v, str) else v for k, v in run.settings.logger.items()}
    logger: Logger = instantiate(node)
    return logger


class LogSettings(Callback):
    """Tells the logger the run's settings, in the process that logs."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings

    def on_fit_start(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        if trainer.logger is not None:
            trainer.logger.log_hyperparams(self.settings)

    def teardown(self, trainer: lightning.Trainer, task: lightning.LightningModule, stage: str) -> None:
        """Of several processes this one ends, and with it what it has of the logger."""
        if trainer.world_size > 1 and trainer.is_global_zero and trainer.logger is not None:
            _finish(trainer.logger)


def close(logger: Logger, result: dict[str, Any]) -> None:
    """Log the test fold's figures and end the logger's run."""
    heads = {"adn": result, "caan": result["caan"]}
    logger.log_metrics(
        {f"test/{head}_{key}": found[key] for head, found in heads.items() if found for key in ("f1", "auroc", "ap")}
    )
    logger.finalize("success")
    _finish(logger)


def _finish(logger: Logger) -> None:
    """W&B's run would go on otherwise; others have none to finish."""
    finish = getattr(getattr(logger, "experiment", None), "finish", None)
    if finish is not None:
        finish()
