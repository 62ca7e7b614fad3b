"""Averages of the weights over the training, used in place of the last weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn, get_swa_multi_avg_fn

DECAY = 0.99  # of `ema`, for each batch: it reaches some hundred batches back
LAST_SHARE = 0.25  # of the epochs, whose mean `swa` is, as in the article


class WeightAverage(Callback):
    """Averages the weights and batch norm's running statistics, and stores the average in the checkpoint.

    Lightning's own WeightAveraging stores the average as the checkpoint's weights and uses it in the validation loop
    only. Here it is also evaluated at the end of epochs, and the best epoch may replace it.

    Args:
        averaging: `ema`, an exponential moving average over batches; `swa`, the mean of the weights after each of the
            last quarter of the epochs (Izmailov et al. 2018, arXiv 1803.05407; with a constant learning rate).
    """

    def __init__(self, averaging: str) -> None:
        self.averaging = averaging
        self._weights: dict[str, Tensor] = {}
        self._averaged = 0

    def on_train_start(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        self._weights = {name: value.to(task.device) for name, value in self._weights.items()}

    def on_train_batch_end(
        self, trainer: lightning.Trainer, task: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.averaging == "ema":
            self._add(task)

    def on_train_epoch_end(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        assert trainer.max_epochs is not None
        if self.averaging == "swa" and trainer.current_epoch >= int((1 - LAST_SHARE) * trainer.max_epochs):
            self._add(task)

    @contextmanager
    def shown(self, task: nn.Module) -> Iterator[None]:
        """A context in which `task` has the average weights, if there are any yet."""
        trained = _copy(task.state_dict()) if self._weights else {}
        if self._weights:
            task.load_state_dict(self._weights)
        yield
        if trained:
            task.load_state_dict(trained)

    def hand_over(self, task: nn.Module) -> None:
        """Give `task` the average weights for good, at the end of the training."""
        task.load_state_dict(self._weights)
        self._weights = {}

    @torch.no_grad()
    def _add(self, task: nn.Module) -> None:
        new = task.state_dict()
        if not self._weights:
            self._weights = _copy(new)
        else:
            floats = [name for name, value in new.items() if value.is_floating_point()]
            add = get_ema_multi_avg_fn(DECAY) if self.averaging == "ema" else get_swa_multi_avg_fn()  # type: ignore[no-untyped-call]
            add([self._weights[name] for name in floats], [new[name] for name in floats], self._averaged)
            self._weights |= _copy({name: value for name, value in new.items() if name not in floats})  # of counters
        self._averaged += 1

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self._weights, "averaged": self._averaged}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._weights, self._averaged = state_dict["weights"], state_dict["averaged"]


def _copy(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in weights.items()}
