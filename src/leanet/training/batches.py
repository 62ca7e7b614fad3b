"""Batches by indexing: into tensors on the device where they fit, otherwise into memory-mapped files, read ahead."""

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import lightning
import torch
from torch import Tensor

from leanet.training.seeds import derive

Tensors = dict[str, Tensor]  # all of one length N; a batch has the same keys


class SelectedRows:
    """Some rows of a tensor (N, …), which may lie in a memory-mapped file: read when they are asked for, never before.

    As far as indexing goes it is a tensor.
    """

    def __init__(self, tensor: Tensor, rows: Tensor) -> None:
        self.tensor = tensor
        self.rows = rows
        self.shape = torch.Size((len(rows), *tensor.shape[1:]))
        self.device = tensor.device

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, places: slice | Tensor | list[int]) -> Tensor:
        return self.tensor[self.rows[places]]

    @property
    def nbytes(self) -> int:
        return self.tensor.element_size() * self.shape.numel()

    def to(self, device: torch.device) -> Tensor:
        return self.tensor[self.rows].to(device)


Parts = Mapping[str, Tensor | SelectedRows]  # all of one length: what batches are taken of


def choose(tensors: Tensors, rows: Tensor) -> dict[str, SelectedRows]:
    """The `rows` of all tensors, of which none is read yet."""
    return {key: SelectedRows(value, rows) for key, value in tensors.items()}


def batches(tensors: Parts, batch_size: int) -> Iterator[Tensors]:
    """The rows in their order."""
    for rows in _slices(len(next(iter(tensors.values()))), batch_size):
        yield {key: value[rows] for key, value in tensors.items()}


class ShuffledBatches:
    """One epoch's batches each time it is iterated, in an order drawn from the seed and the epoch alone.

    So a fit that goes on from a checkpoint sees the batches it would have seen. A last batch of one image, on
    which batch norm cannot train, joins the batch before it. Of several processes each sees its share of every batch.
    """

    def __init__(self, tensors: Parts, batch_size: int, seed: int) -> None:
        self.tensors = tensors
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0
        self.on_host = all(value.device.type == "cpu" for value in tensors.values())
        self.process, self.processes = 0, 1

    @property
    def rows(self) -> int:
        return len(next(iter(self.tensors.values())))

    def __len__(self) -> int:
        return len(self._slices)

    def __iter__(self) -> Iterator[Tensors]:
        generator = torch.Generator().manual_seed(derive(self.seed, "order", self.epoch))
        order = torch.randperm(self.rows, generator=generator)
        chosen = [order[rows][self.process :: self.processes] for rows in self._slices]
        yield from read_ahead(self._batch, chosen) if self.on_host else map(self._batch, chosen)

    def _batch(self, chosen: Tensor) -> Tensors:
        return {key: value[chosen.to(value.device)] for key, value in self.tensors.items()}

    def share(self, batch: int) -> float:
        """How much a mean over this process's part of the batch counts in the mean over the processes' means.

        1, unless the batch cannot be divided evenly.
        """
        size = len(range(self.rows)[self._slices[batch]])
        return len(range(self.process, size, self.processes)) * self.processes / size

    @property
    def _slices(self) -> list[slice]:
        return _slices(self.rows, self.batch_size, smallest=max(2, self.processes))


class DeviceData(lightning.LightningDataModule):
    """Training tensors, moved to the trainer's device once where they take at most half of its free memory.

    Otherwise each batch is moved; a thread reads the next one from the memory or the disk in the meantime.
    """

    def __init__(self, tensors: Parts, batch_size: int, seed: int) -> None:
        super().__init__()
        self.batches = ShuffledBatches(tensors, batch_size, seed)

    def setup(self, stage: str) -> None:
        assert self.trainer is not None
        batches, device = self.batches, self.trainer.strategy.root_device
        batches.process, batches.processes = self.trainer.global_rank, self.trainer.world_size
        if sum(value.nbytes for value in batches.tensors.values()) <= _room(device):
            batches.tensors = {key: value.to(device) for key, value in batches.tensors.items()}
            batches.on_host = False

    def train_dataloader(self) -> ShuffledBatches:
        return self.batches


def _slices(rows: int, batch_size: int, smallest: int = 1) -> list[slice]:
    """Slices of `batch_size` rows; a last one of fewer than `smallest` joins the one before it."""
    starts = list(range(0, rows, batch_size))
    if len(starts) > 1 and rows - starts[-1] < smallest:
        starts.pop()
    return [slice(start, stop) for start, stop in itertools.pairwise([*starts, rows])]


def _room(device: torch.device) -> int:
    """How many bytes the training tensors may take on a device of its own memory; a CPU's need not be moved."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] // 2
    return 0 if device.type == "cpu" else 2 << 30


def read_ahead(read: Callable[[Tensor], Tensors], wanted: Sequence[Tensor], ahead: int = 2) -> Iterator[Tensors]:
    """read(each of `wanted`) in order; a thread is always at the next ones, so that a disk's time passes beside."""
    with ThreadPoolExecutor(1) as thread:
        waiting = deque(thread.submit(read, each) for each in wanted[:ahead])
        for following in [*wanted[ahead:], *[None] * min(ahead, len(wanted))]:
            found = waiting.popleft().result()
            if following is not None:
                waiting.append(thread.submit(read, following))
            yield found
