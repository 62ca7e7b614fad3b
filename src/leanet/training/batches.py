"""Batches by indexing into tensors, which are on the device if they fit there, or else memory-mapped and read ahead."""

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import lightning
import torch
from torch import Tensor

from leanet.training.seeds import derive

Tensors = dict[str, Tensor]  # all of the same length N; a batch has the same keys


class SelectedRows:
    """Rows of a tensor (N, …), read only when they are indexed. It can be indexed like a tensor.

    Args:
        tensor: (N, …), may be memory-mapped.
        rows: (n,) int64.
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
        """The size of the rows in bytes."""
        return self.tensor.element_size() * self.shape.numel()

    def to(self, device: torch.device) -> Tensor:
        """Read all rows to a device."""
        return self.tensor[self.rows].to(device)

    def of(self, rows: Tensor) -> "SelectedRows":
        """Some of these rows, without reading them."""
        return SelectedRows(self.tensor, self.rows[rows])


Parts = Mapping[str, Tensor | SelectedRows]  # all of the same length; the source of batches


def choose(tensors: Tensors, rows: Tensor) -> dict[str, SelectedRows]:
    """Select rows of all tensors, without reading them."""
    return {key: SelectedRows(value, rows) for key, value in tensors.items()}


def batches(tensors: Parts, batch_size: int) -> Iterator[Tensors]:
    """Iterate over all rows in order, in batches; the last one may be smaller."""
    for rows in _slices(len(next(iter(tensors.values()))), batch_size):
        yield {key: value[rows] for key, value in tensors.items()}


class ShuffledBatches:
    """The shuffled batches of one epoch. The order depends only on seed and epoch, so that a resumed fit repeats it.

    A last batch of one image, on which batch norm cannot train, is joined to the one before it. With several processes,
    each gets its share of every batch.

    Args:
        tensors: the training data.
        batch_size: of all processes together.
        seed: of the order.

    Attributes:
        epoch: from 0; set before each iteration.
        on_host: whether the tensors are in the CPU's memory, so that a thread reads batches ahead.
        process: the number of this process, from 0.
        processes: the number of processes.
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
        """The number of images."""
        return len(next(iter(self.tensors.values())))

    def __len__(self) -> int:
        return len(self._slices)

    def __iter__(self) -> Iterator[Tensors]:
        generator = torch.Generator().manual_seed(derive(self.seed, "order", self.epoch))
        order = torch.randperm(self.rows, generator=generator).to(next(iter(self.tensors.values())).device)
        chosen = [order[rows][self.process :: self.processes] for rows in self._slices]
        yield from read_ahead(self._batch, chosen) if self.on_host else map(self._batch, chosen)

    def _batch(self, chosen: Tensor) -> Tensors:
        return {key: value[chosen] for key, value in self.tensors.items()}

    def share(self, batch: int) -> float:
        """The weight of this process's mean loss, so that the mean over processes is the mean over the whole batch.

        It is 1 if the batch is divided evenly.
        """
        size = len(range(self.rows)[self._slices[batch]])
        return len(range(self.process, size, self.processes)) * self.processes / size

    @property
    def _slices(self) -> list[slice]:
        return _slices(self.rows, self.batch_size, smallest=max(2, self.processes))


class DeviceData(lightning.LightningDataModule):
    """Training data, moved to the trainer's device once if it takes at most half of the free memory there.

    Otherwise each batch is moved, while a thread reads the next one from memory or disk.

    Args:
        tensors: the training data.
        batch_size: of all processes together.
        seed: of the order of images.
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
    """Slices of `batch_size` rows; a last one with fewer than `smallest` rows is joined to the one before it."""
    starts = list(range(0, rows, batch_size))
    if len(starts) > 1 and rows - starts[-1] < smallest:
        starts.pop()
    return [slice(start, stop) for start, stop in itertools.pairwise([*starts, rows])]


def _room(device: torch.device) -> int:
    """The bytes that training tensors may take on a device; 0 for a CPU, where nothing needs to be moved."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] // 2
    return 0 if device.type == "cpu" else 2 << 30


def read_ahead(read: Callable[[Tensor], Tensors], wanted: Sequence[Tensor], ahead: int = 2) -> Iterator[Tensors]:
    """Yield `read(rows)` for each entry of `wanted`, while a thread reads the next ones.

    Args:
        read: returns a batch.
        wanted: rows of each batch.
        ahead: number of batches to read ahead.
    """
    with ThreadPoolExecutor(1) as thread:
        waiting = deque(thread.submit(read, each) for each in wanted[:ahead])
        for following in [*wanted[ahead:], *[None] * min(ahead, len(wanted))]:
            found = waiting.popleft().result()
            if following is not None:
                waiting.append(thread.submit(read, following))
            yield found
