"""The kernels of training steps, as torch's profiler finds them on a GPU; those of CUDA graphs too."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import lightning
from gpu_fits import FitEndedError
from lightning.pytorch.callbacks import Callback
from timing import synchronize
from torch.autograd import DeviceType  # type: ignore[attr-defined]
from torch.profiler import ProfilerActivity, profile

STEPS = 5


@dataclass(frozen=True)
class Kernels:
    """What a device did in a step: how many kernels, copies included, and the seconds of each by name."""

    count: float
    seconds: dict[str, float]

    @property
    def busy(self) -> float:
        return sum(self.seconds.values())

    def largest(self, most: int = 5) -> list[tuple[str, float]]:
        """Names, and shares of the device's time."""
        return [(name, seconds / self.busy) for name, seconds in Counter(self.seconds).most_common(most)]


class KernelCounter(Callback):
    """Profiles the first steps of an epoch on a GPU, and ends the fit then: a graph after the profiler may crash.

    Args:
        epoch: from 0.
    """

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self._profile: Any = None
        self._steps = 0

    def on_train_batch_start(
        self, trainer: lightning.Trainer, task: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if trainer.current_epoch == self.epoch and batch_idx == 0 and task.device.type == "cuda":
            synchronize()
            self._profile = profile(activities=[ProfilerActivity.CUDA])
            self._profile.start()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, task: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        last = min(STEPS, int(trainer.num_training_batches)) - 1
        if self._profile is not None and batch_idx == last:
            synchronize()
            self._profile.stop()
            self._steps = batch_idx + 1
            raise FitEndedError

    def found(self) -> Kernels | None:
        """The kernels of a step; None where the profiler found none."""
        if self._profile is None:
            return None
        device = [event for event in self._profile.events() if event.device_type == DeviceType.CUDA]
        seconds: Counter[str] = Counter()
        events = [event for event in device if not event.is_user_annotation]  # a span of kernels, counted as those
        for event in events:
            seconds[event.name] += event.time_range.elapsed_us() / 1e6 / self._steps
        return Kernels(len(events) / self._steps, dict(seconds)) if events else None
