"""Training steps as CUDA graphs: all kernels of a step are started at once and not one after the other by Python."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch.optim import Optimizer
from tqdm import tqdm

from leanet.config.settings import TrainerSettings
from leanet.training.batches import Tensors

WARM_UP = 3  # ordinary steps of a shape before its graph; libraries choose their kernels and allocate in the first ones

Step = Callable[[], Tensors]


class Recorder(Protocol):
    """Runs steps in a way that allows to record them, and records them."""

    def run(self, step: Step) -> Tensors:
        """Run a step."""
        ...

    def record(self, step: Step) -> tuple[Callable[[], None], Tensors]:
        """Record a step without running it.

        Returns:
            a function that runs the step again, with the same tensors; and its results, which it overwrites each time.
        """
        ...


class CudaRecorder:
    """Records CUDA graphs on a stream of its own, in memory that all of them share, since only one runs at a time."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._memory = torch.cuda.graph_pool_handle()

    def run(self, step: Step) -> Tensors:
        # On the stream of the graphs, since autograd remembers the stream on which it first met a parameter.
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            found = step()
        torch.cuda.current_stream().wait_stream(self._stream)
        return found

    def record(self, step: Step) -> tuple[Callable[[], None], Tensors]:
        graph = torch.cuda.CUDAGraph()
        # The outer context goes back to this stream where recording fails, which the inner one then does not.
        # thread_local: other threads, such as loggers', may use the device meanwhile.
        with (
            torch.cuda.stream(torch.cuda.current_stream()),
            torch.cuda.graph(graph, self._memory, self._stream, capture_error_mode="thread_local"),
        ):
            found = step()
        return graph.replay, found


class GraphedSteps:
    """Whole training steps (augmentation, forward, loss, backward and optimizer), recorded and repeated.

    There is a graph for each shape of batch, so that the smaller last batch of an epoch has its own. The first steps of
    a shape are ordinary ones, and train as all others do.

    Args:
        training_step: of a task; returns `loss` and other values.
        optimizer: of the task.
        recorder: of the device.
    """

    def __init__(self, training_step: Callable[[Tensors, int], Tensors], optimizer: Optimizer, recorder: Recorder):
        self._training_step = training_step
        self._optimizer = optimizer
        self._recorder: Recorder | None = recorder
        self._met: Counter[tuple[Any, ...]] = Counter()
        self._graphs: dict[tuple[Any, ...], _Graph] = {}

    def step(self, batch: Tensors, batch_idx: int) -> Tensors:
        """Do a step, optimizer included, and return its values without gradients."""
        if self._recorder is None:
            return self._ordinary(batch)
        shape = tuple((name, value.shape) for name, value in batch.items())
        self._met[shape] += 1
        if self._met[shape] > WARM_UP and shape not in self._graphs:
            self._record(batch, shape)
        if shape in self._graphs:
            return self._graphs[shape].step(batch)
        return self._recorder.run(lambda: self._ordinary(batch)) if self._recorder else self._ordinary(batch)

    def _record(self, batch: Tensors, shape: tuple[Any, ...]) -> None:
        assert self._recorder is not None
        try:
            with _capturable(self._optimizer):
                self._graphs[shape] = _Graph(self._ordinary, batch, self._recorder)
        except RuntimeError as error:  # of a network with a step that cannot be recorded; nothing of it has run
            reason = str(error.__context__ or error).partition("\n")[0]
            tqdm.write(f"training without CUDA graphs, since a step cannot be recorded: {reason}", file=sys.stderr)
            self._recorder = None
            self._graphs.clear()

    def _ordinary(self, batch: Tensors) -> Tensors:
        self._optimizer.zero_grad(set_to_none=True)
        values = self._training_step(batch, 0)
        with torch.autocast(values["loss"].device.type, enabled=False):  # for the forward pass only
            values["loss"].backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
        return {name: value.detach() for name, value in values.items()}


@contextmanager
def _capturable(optimizer: Optimizer) -> Iterator[None]:
    """A context in which the optimizer may be recorded. Outside of it, and in checkpoints, it stays as it is."""
    for group in optimizer.param_groups:
        group["capturable"] = True
    try:
        yield
    finally:
        for group in optimizer.param_groups:
            group["capturable"] = False


class _Graph:
    """A recorded step, with the tensors that it reads and writes."""

    def __init__(self, ordinary: Callable[[Tensors], Tensors], batch: Tensors, recorder: Recorder) -> None:
        self._batch = {name: value.clone(memory_format=torch.preserve_format) for name, value in batch.items()}
        self._repeat, self._values = recorder.record(lambda: ordinary(self._batch))

    def step(self, batch: Tensors) -> Tensors:
        for name, value in batch.items():
            self._batch[name].copy_(value)
        self._repeat()
        return {name: value.clone() for name, value in self._values.items()}  # the next step overwrites them


class UseGraphs(Callback):
    """Replaces the steps of a task by recorded ones while it is trained, where the device can record.

    Args:
        settings: `compile` is `auto`, `true` or `false`; see conf/trainer/default.yaml.
    """

    def __init__(self, settings: TrainerSettings) -> None:
        self.settings = settings

    def on_train_start(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        recorder = recorder_of(task.device, self.settings)
        if recorder is None:
            return
        [optimizer] = trainer.optimizers
        step: Any = task.training_step
        if self.settings.compile is True:
            step = torch.compile(step, dynamic=False)
        task.automatic_optimization = False  # Lightning's term for steps that include the optimizer
        task.training_step = GraphedSteps(step, optimizer, recorder).step  # type: ignore[method-assign]

    def on_train_end(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        if not task.automatic_optimization:
            task.automatic_optimization = True
            del task.training_step


def recorder_of(device: torch.device, settings: TrainerSettings) -> Recorder | None:
    """What records the steps of a fit; None where they are done as usual.

    Steps of several processes wait for each other, and float16's scaling of the loss decides on the host.
    """
    can = device.type == "cuda" and settings.devices == 1 and settings.precision != "16-mixed"
    return CudaRecorder(device) if can and settings.compile is not False else None
