"""What happens at each epoch of a fit: its seed, the means of its losses, the curves of them, and the bar."""

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
from leanet.storage.files import write_text
from leanet.training.seeds import derive


class EpochSeed(Callback):
    """Draws whatever an epoch draws (order, dropout, augmentation) from the seed and the epoch's number."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        others: list[str | int] = [] if trainer.is_global_zero else ["process", trainer.global_rank]
        torch.manual_seed(derive(self.seed, "epoch", trainer.current_epoch, *others))
        trainer.datamodule.batches.epoch = trainer.current_epoch  # type: ignore[attr-defined]


class EpochMeans(Callback):
    """Logs the mean over an epoch's images of everything that a training step gave, once, when the epoch is over.

    Nothing waits for the device before that, and Lightning's own bookkeeping, which costs as much as all the rest of
    its loop, runs once in an epoch in place of at each step. Comes before the callbacks that read what was logged.

    Args:
        on_infinite: called with the numbers of epoch and batch (from 1) where a loss is not finite.
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
    """Keeps what each epoch logged, in the checkpoint, so that a fit that went on has every epoch once."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.rows.append({"epoch": trainer.current_epoch + 1, **figures})

    def write(self, file: Path) -> None:
        """As CSV, a row for each epoch."""
        out = io.StringIO()
        names = list(dict.fromkeys(name for row in self.rows for name in row)) or ["epoch"]
        # What an epoch lacks: a fit that an older version began logged less.
        writer = csv.DictWriter(out, names, restval="nan", lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: f"{value:.6g}" for name, value in row.items()} for row in self.rows)
        write_text(file, out.getvalue())

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]


class EpochBar(Callback):
    """One progress bar for the fit: which, which epoch, the loss, and the time that remains."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.bar: tqdm[Any] | None = None

    def on_train_start(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        if trainer.is_global_zero:
            whole, done = trainer.max_epochs, trainer.current_epoch
            self.bar = tqdm(desc=self.label, total=whole, initial=done, unit="epoch", disable=None)

    def on_train_epoch_end(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        figures = _figures(trainer.callback_metrics)  # by all processes, since they gather them together
        if self.bar is not None:
            self.bar.set_postfix_str(figures, refresh=False)
            self.bar.update()

    def teardown(self, trainer: lightning.Trainer, task: lightning.LightningModule, stage: str) -> None:
        if self.bar is not None:
            self.bar.close()

    def on_exception(
        self, trainer: lightning.Trainer, task: lightning.LightningModule, exception: BaseException
    ) -> None:
        self.teardown(trainer, task, "fit")


def _figures(metrics: Mapping[str, Tensor]) -> str:
    return ", ".join(f"{name} {float(value):.4g}" for name, value in metrics.items() if "/" not in name)
