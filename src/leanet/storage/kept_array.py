"""Arrays on disk that one process computes and all others read."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from leanet.storage.files import read_array, write_array, write_json
from leanet.storage.locks import lock, tidy
from leanet.storage.run_files import MAKING


def kept_array(
    file: Path,
    shape: tuple[int, ...],
    make: Callable[[], Iterator[Tensor]],
    on_wait: Callable[[], object],
    dtype: DTypeLike = np.float16,
) -> Tensor:
    """Open an array on disk, memory-mapped. If there is no such file, one process makes it and the others wait.

    The seconds that `make` took are written to a file beside it.

    Args:
        file: a .npy file.
        shape: of the whole array, (N, …).
        make: returns an iterator over batches (B, …), in order. Work done before the first batch, such as training,
            happens before the file's space on the disk is allocated.
        on_wait: called when another process is making the array.
        dtype: of the array.
    """
    folder = file.parent
    if file.exists():
        tidy(folder)
        return torch.from_numpy(read_array(file))
    with lock(folder, on_wait):
        if not file.exists():
            begun = time.monotonic()
            batches = make()

            def fill(array: NDArray[np.generic]) -> None:
                _fill(array, batches)
                # Written before the array is renamed, so that no array is without it.
                write_json(file.with_suffix(MAKING), {"seconds": round(time.monotonic() - begun, 3)})

            write_array(file, shape, dtype, fill)
    return torch.from_numpy(read_array(file))


def _fill(array: NDArray[np.generic], batches: Iterator[Tensor]) -> None:
    done = 0
    for batch in batches:
        array[done : done + len(batch)] = batch.numpy()
        done += len(batch)
