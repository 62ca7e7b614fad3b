"""Batches by indexing into tensors that already lie on the device (small sets need no workers)."""

import itertools
from collections.abc import Iterator

import lightning
import torch
from torch import Tensor

from leanet.seeds import derive

Tensors = dict[str, Tensor]  # all of one length N; a batch has the same keys


def batches(tensors: Tensors, batch_size: int) -> Iterator[Tensors]:
    """The rows in their order."""
    for rows in _slices(len(next(iter(tensors.values()))), batch_size):
        yield {key: value[rows] for key, value in tensors.items()}


class ShuffledBatches:
    """One epoch's batches each time it is iterated, in an order drawn from the seed and the epoch alone.

    So a fit that goes on from a checkpoint sees the batches it would have seen. A last batch of one image, on
    which batch norm cannot train, joins the batch before it. Of several processes each sees its share of every batch.
    """

    def __init__(self, tensors: Tensors, batch_size: int, seed: int) -> None:
        self.tensors = tensors
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0
        self.process, self.processes = 0, 1

    @property
    def rows(self) -> int:
        return len(next(iter(self.tensors.values())))

    def __len__(self) -> int:
        return len(self._slices)

    def __iter__(self) -> Iterator[Tensors]:
        generator = torch.Generator().manual_seed(derive(self.seed, "order", self.epoch))
        order = torch.randperm(self.rows, generator=generator)
        for rows in self._slices:
            chosen = order[rows][self.process :: self.processes]
            yield {key: value[chosen.to(value.device)] for key, value in self.tensors.items()}

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
    """Training tensors, moved to the trainer's device once."""

    def __init__(self, tensors: Tensors, batch_size: int, seed: int) -> None:
        super().__init__()
        self.batches = ShuffledBatches(tensors, batch_size, seed)

    def setup(self, stage: str) -> None:
        assert self.trainer is not None
        self.batches.process, self.batches.processes = self.trainer.global_rank, self.trainer.world_size
        device = self.trainer.strategy.root_device
        self.batches.tensors = {key: value.to(device) for key, value in self.batches.tensors.items()}

    def train_dataloader(self) -> ShuffledBatches:
        return self.batches


def _slices(rows: int, batch_size: int, smallest: int = 1) -> list[slice]:
    """Slices of `batch_size` rows; a last one of fewer than `smallest` joins the one before it."""
    starts = list(range(0, rows, batch_size))
    if len(starts) > 1 and rows - starts[-1] < smallest:
        starts.pop()
    return [slice(start, stop) for start, stop in itertools.pairwise([*starts, rows])]
