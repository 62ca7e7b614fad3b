"""Early stopping of a colorizer by normal images that it is not trained on."""

import math
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from leanet.colorizer.task import ColorizerTask
from leanet.training.batches import SelectedRows, batches

LOSS = "held_out_loss"


class HeldOutLoss(Callback):
    """Logs the loss of held-out normals after each epoch, and keeps the weights that were best on them.

    A colorizer that is trained for long knows its training images: their maps become fainter, those of other normals do
    not. Stopping before that keeps both alike.

    Args:
        images: (n, 3, S, S) uint8.

    Attributes:
        epoch: the best so far, from 1.
    """

    def __init__(self, images: SelectedRows) -> None:
        self.images = images
        self.epoch = 0
        self._loss = math.inf
        self._weights: dict[str, Tensor] = {}

    def on_train_epoch_end(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        assert isinstance(task, ColorizerTask)
        loss = self._mean_loss(task)
        task.log(LOSS, loss, on_step=False, on_epoch=True)
        if loss < self._loss:
            self.epoch, self._loss = trainer.current_epoch + 1, loss
            self._weights = {name: value.detach().cpu().clone() for name, value in task.colorizer.state_dict().items()}

    @torch.no_grad()
    def _mean_loss(self, task: ColorizerTask) -> float:
        task.eval()
        found = batches({"images": self.images}, task.settings.batch_size)
        sums = [float(task.loss(batch["images"].to(task.device) / 255)) * len(batch["images"]) for batch in found]
        task.train()
        return sum(sums) / len(self.images)

    def hand_over(self, task: ColorizerTask) -> None:
        """Give the colorizer the best weights for good, at the end of the training."""
        task.colorizer.load_state_dict(self._weights)
        self._weights = {}

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "loss": self._loss, "weights": self._weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.epoch, self._loss, self._weights = (state_dict[name] for name in ("epoch", "loss", "weights"))
