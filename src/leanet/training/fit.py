"""A fit by Lightning's Trainer that can be killed at any time, and resumes from its last checkpoint."""

import io
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, Checkpoint
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins.io import TorchCheckpointIO

from leanet.config.settings import TrainerSettings
from leanet.errors import LeanetError
from leanet.storage.files import write_atomically
from leanet.storage.locks import ensure_held
from leanet.storage.run_files import CHECKPOINT, CURVES, RESULT
from leanet.storage.weights import give_weights, read_weights
from leanet.training import distributed
from leanet.training.allocator import keep_freed_memory
from leanet.training.batches import DeviceData
from leanet.training.device import UseDevice
from leanet.training.epochs import Curves, EpochBar, EpochMeans, EpochSeed
from leanet.training.graphs import UseGraphs
from leanet.training.quiet import quiet


@dataclass(frozen=True)
class FitPlan:
    """How to fit.

    Args:
        folder: for the checkpoint and curves.
        label: of the fit, in messages.
        max_epochs: number of epochs.
        seed: of everything random in the epochs.
        trainer: further settings.
    """

    folder: Path
    label: str
    max_epochs: int
    seed: int
    trainer: TrainerSettings


def fit(
    task: lightning.LightningModule,
    data: DeviceData,
    plan: FitPlan,
    logger: Logger | None = None,
    callbacks: list[Callback] | None = None,
) -> float:
    """Train a task, or resume it from the checkpoint in `plan.folder`.

    A fit that was killed and resumed gives the same numbers as one that was not: everything random in an epoch depends
    only on the seed and the epoch. The checkpoint is kept, without optimiser states, so that a finished fit is not
    repeated.

    Args:
        task: is trained in place, and is on the CPU at the end.
        data: the training data.
        plan: how to fit.
        logger: receives losses; None: no logger.
        callbacks: further callbacks, whose states are kept in the checkpoint.

    Returns:
        the seconds of all sessions together.

    Raises:
        LeanetError: a loss that is not finite, or a device or precision that this machine does not have.
    """
    quiet()
    keep_freed_memory()
    checkpoint = plan.folder / CHECKPOINT
    resumable, curves = Resumable(plan), Curves()
    kept = [*(callbacks or []), curves, resumable]
    if not _is_over(checkpoint):
        _train(task, data, plan, logger, kept)
        _leave_off_training(checkpoint)
    _take_back(checkpoint, task, kept)
    curves.write(plan.folder / CURVES)
    return resumable.seconds


def _train(
    task: lightning.LightningModule, data: DeviceData, plan: FitPlan, logger: Logger | None, callbacks: list[Callback]
) -> None:
    checkpoint = plan.folder / CHECKPOINT
    means = EpochMeans(partial(_not_finite, plan))
    first = [UseDevice(plan.max_epochs * len(data.batches)), UseGraphs(plan.trainer), means]
    trainer = _trainer(plan, logger, [*first, *callbacks, EpochSeed(plan.seed), EpochBar(plan.label)])
    try:
        with distributed.readable_errors():
            trainer.fit(task, datamodule=data, ckpt_path=checkpoint if checkpoint.exists() else None, weights_only=True)
    except SystemExit:
        if trainer.interrupted:  # Lightning turns Ctrl-C into a silent exit
            raise KeyboardInterrupt from None
        raise
    task.cpu()


def _is_over(checkpoint: Path) -> bool:
    """Whether a checkpoint is of a finished fit."""
    return checkpoint.exists() and "optimizer_states" not in read_weights(checkpoint)


def _leave_off_training(checkpoint: Path) -> None:
    """Reduce a checkpoint to weights and callbacks' states, a third of its size."""
    kept = read_weights(checkpoint)
    for name in ("optimizer_states", "lr_schedulers", "loops"):
        kept.pop(name, None)
    save_tensors(checkpoint, kept)


def _take_back(checkpoint: Path, task: lightning.LightningModule, callbacks: Iterable[Callback]) -> None:
    """Load the final weights and callbacks' states into this process, since the fit may have run in another one."""
    kept = read_weights(checkpoint)
    task.load_state_dict(kept["state_dict"])
    for callback in callbacks:
        if callback.state_key in kept["callbacks"]:
            callback.load_state_dict(kept["callbacks"][callback.state_key])


def load_weights(folder: Path, task: lightning.LightningModule) -> None:
    """Load the final weights of a fit.

    Args:
        folder: of the fit.
        task: changed in place.

    Raises:
        LeanetError: the checkpoint is gone or does not fit the task.
    """
    checkpoint = folder / CHECKPOINT
    if not checkpoint.exists():
        raise LeanetError(f"{checkpoint} is gone: remove {RESULT} beside it, and repeat the training")
    give_weights(task, read_weights(checkpoint).get("state_dict"), checkpoint)


def _trainer(plan: FitPlan, logger: Logger | None, callbacks: list[Callback]) -> lightning.Trainer:
    accelerator, devices = plan.trainer.accelerator, plan.trainer.devices
    precision: Any = plan.trainer.precision  # one of Lightning's values, checked in settings.py
    several = distributed.trainer_arguments(plan.trainer) if devices > 1 else {}
    try:
        return lightning.Trainer(
            max_epochs=plan.max_epochs,
            accelerator=accelerator,
            precision=precision,
            devices=devices,
            logger=logger or False,
            callbacks=[*callbacks, distributed.WeighShares()] if devices > 1 else callbacks,
            plugins=[AtomicCheckpointIO(), distributed.OwnProcesses()],
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
            default_root_dir=plan.folder,
            **several,
        )
    except MisconfigurationException as error:  # an accelerator or a precision that this machine does not have
        reason = str(error).partition(". ")[0]
        given = f"trainer.accelerator={accelerator} trainer.devices={devices} trainer.precision={precision}"
        raise LeanetError(f"{given}: {reason}") from None


def save_tensors(file: Path, value: Any) -> None:
    """`torch.save` atomically, by way of memory, so that a full disk raises an ordinary OSError."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    write_atomically(file, lambda out: out.write(buffer.getbuffer()))


def _not_finite(plan: FitPlan, epoch: int, batch: int) -> LeanetError:
    kept = plan.folder / CHECKPOINT
    told = f"the checkpoint before it is kept in {kept}" if kept.exists() else "no checkpoint was made before it"
    return LeanetError(
        f"{plan.label}: the loss is not finite in epoch {epoch}, batch {batch}; {told}; "
        "try a lower learning rate or trainer.precision=32-true"
    )


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints atomically, and reads them with `weights_only=True`, so that no code is executed."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        save_tensors(Path(path), checkpoint)

    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = True
    ) -> dict[str, Any]:
        loaded: dict[str, Any] = torch.load(path, map_location=map_location, weights_only=True)
        return loaded


class Resumable(Checkpoint):
    """Saves a checkpoint after an epoch, at most every `trainer.checkpoint_seconds`, and at the end of the fit.

    Attributes:
        stopped: whether the fit was ended early.
        seconds: the time of all sessions together.
    """

    def __init__(self, plan: FitPlan) -> None:
        self.plan = plan
        self.stopped = False
        self.seconds = 0.0
        self._saved = self._clock = time.monotonic()

    def on_train_start(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        self._saved = self._clock = time.monotonic()
        # A fit that early stopping ended must not start another epoch.
        trainer.should_stop = self.stopped

    def on_train_epoch_end(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        ensure_held(self.plan.folder)  # at every epoch and not only at checkpoints, since loggers write here too
        now = time.monotonic()
        self.seconds += now - self._clock
        self._clock = now
        self.stopped = trainer.should_stop
        last = self.stopped or trainer.current_epoch + 1 == self.plan.max_epochs
        due = now - self._saved >= self.plan.trainer.checkpoint_seconds
        if last or trainer.strategy.reduce_boolean_decision(due, all=False):  # all processes take part in it
            trainer.save_checkpoint(self.plan.folder / CHECKPOINT)
            self._saved = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        return {"stopped": self.stopped, "seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.stopped, self.seconds = state_dict["stopped"], state_dict["seconds"]
