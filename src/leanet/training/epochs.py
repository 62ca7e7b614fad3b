"""Callbacks for each epoch of a fit: random seed, mean losses, curves, and progress bar."""

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from tqdm import tqdm

from leanet.errors import LeanetError
from leanet.progress import is_due, progress
from leanet.storage.files import write_text
from leanet.training.seeds import derive


class EpochSeed(Callback):
    """Seeds everything random in an epoch (order, dropout, augmentation) by a seed and the epoch's number."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        others: list[str | int] = [] if trainer.is_global_zero else ["process", trainer.global_rank]
        torch.manual_seed(derive(self.seed, "epoch", trainer.current_epoch, *others))
        trainer.datamodule.batches.epoch = trainer.current_epoch  # type: ignore[attr-defined]


class EpochMeans(Callback):
    """Logs the mean over an epoch's images of all values that training steps return, once at the end of the epoch.

    Until then nothing waits for the device, and Lightning's logging, which takes as long as the rest of its loop, runs
    once in an epoch and not at each step. This callback must come before callbacks that read the logged values.

    Args:
        on_infinite: returns the error to raise if a loss is not finite, from the numbers of epoch and batch (from 1).
    """

    def __init__(self, on_infinite: Callable[[int, int], LeanetError]) -> None:
        self.on_infinite = on_infinite
        self._steps: list[dict[str, Tensor]] = []
        self._rows: list[int] = []

    def on_train_batch_end(
        self, trainer: lightning.Trainer, task: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._steps.append(outputs)
        self._rows.append(len(next(iter(batch.values()))))

    def on_train_epoch_end(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        steps = {name: torch.stack([step[name].detach() for step in self._steps]) for name in self._steps[0]}
        rows = torch.tensor(self._rows, device=task.device, dtype=torch.float32)
        self._steps, self._rows = [], []
        finite = steps["loss"].isfinite()
        if not finite.all():
            raise self.on_infinite(trainer.current_epoch + 1, int((~finite).nonzero()[0]) + 1)
        means = {name: (values.float() * rows).sum() / rows.sum() for name, values in steps.items()}
        task.log_dict(means, on_step=False, on_epoch=True, sync_dist=True, batch_size=int(rows.sum()))


class Curves(Callback):
    """Keeps the logged values of all epochs in the checkpoint, so that a resumed fit has every epoch once.

    Attributes:
        rows: for each epoch its number (from 1) and logged values.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.rows.append({"epoch": trainer.current_epoch + 1, **figures})

    def write(self, file: Path) -> None:
        """Write a CSV file with a row for each epoch."""
        out = io.StringIO()
        names = list(dict.fromkeys(name for row in self.rows for name in row)) or ["epoch"]
        # nan for missing values: a fit that an older version started logged fewer.
        writer = csv.DictWriter(out, names, restval="nan", lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: f"{value:.6g}" for name, value in row.items()} for row in self.rows)
        write_text(file, out.getvalue())

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]


class EpochBar(Callback):
    """Shows how far the whole fit is: epochs with one decimal, losses, and the remaining time.

    Args:
        label: of the fit.
    """

    def __init__(self, label: str) -> None:
        self.label = label
        self.bar: tqdm[Any] | None = None

    def on_train_start(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        if trainer.is_global_zero:
            whole, done = trainer.max_epochs, trainer.current_epoch
            self.bar = progress(label=self.label, total=whole, unit="epoch", initial=done)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, task: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.bar is None:
            return
        if is_due(self.bar) and not trainer.current_epoch:  # later epochs show the means of the one before
            self.bar.set_postfix_str(f"loss {float(outputs['loss']):.4g}", refresh=False)
        self.bar.n = round(trainer.current_epoch + (batch_idx + 1) / trainer.num_training_batches, 1)
        self.bar.update(0)

    def on_train_epoch_end(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        figures = _figures(trainer.callback_metrics)  # in all processes, since it synchronises them
        if self.bar is not None:
            self.bar.set_postfix_str(figures, refresh=False)

    def teardown(self, trainer: lightning.Trainer, task: lightning.LightningModule, stage: str) -> None:
        if self.bar is not None:
            self.bar.close()

    def on_exception(
        self, trainer: lightning.Trainer, task: lightning.LightningModule, exception: BaseException
    ) -> None:
        self.teardown(trainer, task, "fit")


def _figures(metrics: Mapping[str, Tensor]) -> str:
    return ", ".join(f"{name} {float(value):.4g}" for name, value in metrics.items() if "/" not in name)
