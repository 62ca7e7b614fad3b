"""One fit in several processes, a GPU each: what differs from a fit in one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.multiprocessing.spawn import ProcessException

from leanet.allocator import keep_freed_memory
from leanet.errors import LeanetError
from leanet.quiet import quiet
from leanet.settings import TrainerSettings


def trainer_arguments(settings: TrainerSettings) -> dict[str, Any]:
    """What a Trainer of several devices is told besides."""
    return {
        "strategy": "ddp_spawn",  # not `ddp`, which would start the whole command once more for each process
        "sync_batchnorm": settings.accelerator != "cpu" and torch.cuda.is_available(),  # CPUs have none
    }


class WeighShares(Callback):
    """The processes' gradients are averaged: each must count by its share of the batch, which may not divide evenly."""

    def __init__(self) -> None:
        self._share = 1.0

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A process of its own begins here, where it is given its callbacks."""
        self.__dict__ |= state
        quiet()
        keep_freed_memory()

    def on_train_batch_start(
        self, trainer: lightning.Trainer, task: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._share = trainer.datamodule.batches.share(batch_idx)  # type: ignore[attr-defined]

    def on_before_backward(self, trainer: lightning.Trainer, task: lightning.LightningModule, loss: Tensor) -> None:
        loss.mul_(self._share)


@contextmanager
def errors_told() -> Iterator[None]:
    """A LeanetError of one of the processes, which comes as a text with its traceback, is one again."""
    try:
        yield
    except ProcessException as error:
        last = str(error).strip().splitlines()[-1]
        name, _, text = last.partition(": ")
        if name.rpartition(".")[2] == LeanetError.__name__:
            raise LeanetError(text) from None
        raise
