"""A fit on several GPUs of one machine, with one process for each."""

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
from leanet.errors import OUT_OF_MEMORY, LeanetError
from leanet.training.allocator import keep_freed_memory
from leanet.training.quiet import quiet


class OwnProcesses(LightningEnvironment):
    """Start the processes of a fit on this machine, one for each device, and ignore launchers such as Slurm.

    Lightning would take number and ranks of processes from environment variables of Slurm, torchrun, MPI and others.
    Here, each process that such a launcher starts is a command of its own, and waits for the others' locks.
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
    """Make this process the one that logs, independently of the rank that a launcher gave it."""
    rank_zero_only.rank = 0  # type: ignore[attr-defined]


def trainer_arguments(settings: TrainerSettings) -> dict[str, Any]:
    """Additional arguments of a Trainer with several devices."""
    return {
        "strategy": "ddp_spawn",  # not `ddp`, which would start the whole command again for each process
        "sync_batchnorm": settings.accelerator != "cpu" and torch.cuda.is_available(),  # CPUs have none
    }


class WeighShares(Callback):
    """Weigh the loss of each process by its share of the batch, since DDP averages gradients with equal weights."""

    def __init__(self) -> None:
        self._share = 1.0

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Set up a new process, which receives its callbacks here."""
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
def readable_errors() -> Iterator[None]:
    """Raise a LeanetError of another process, which arrives as a text with its traceback, as a LeanetError."""
    try:
        yield
    except ProcessException as error:
        last = str(error).strip().splitlines()[-1]
        name, _, text = last.partition(": ")
        known = {LeanetError.__name__: text, "OutOfMemoryError": OUT_OF_MEMORY}
        if name.rpartition(".")[2] in known:
            raise LeanetError(known[name.rpartition(".")[2]]) from None
        raise
