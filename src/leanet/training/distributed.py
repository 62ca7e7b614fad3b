"""The processes of one fit: a GPU each, started by this program alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment, find_free_network_port
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor
from torch.multiprocessing.spawn import ProcessException

from leanet.config.settings import TrainerSettings
from leanet.errors import LeanetError
from leanet.training.allocator import keep_freed_memory
from leanet.training.quiet import quiet


class OwnProcesses(LightningEnvironment):
    """This program starts the processes of a fit, one for each device, on this machine.

    Lightning would take the number and the ranks of its processes from the variables that Slurm, torchrun, MPI and
    others set. Each process that they start is a command of its own here, and waits for the others' locks.
    """

    creates_processes_externally = False
    main_address = "127.0.0.1"

    @property
    def main_port(self) -> int:
        if self._main_port == -1:
            self._main_port = find_free_network_port()
        return self._main_port

    def node_rank(self) -> int:
        return 0


def lead() -> None:
    """Make this process the one that logs, whatever rank a launcher gave it."""
    rank_zero_only.rank = 0  # type: ignore[attr-defined]


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
