"""Whether an exported file says what the networks say that it was made of, and how fast either is."""

import time

import numpy as np
import torch
from numpy.typing import NDArray

from leanet.errors import LeanetError
from leanet.model.program import PROBABILITY, Asked

TOLERANCE = 1e-4  # of a probability


def ensure_equal(found: Asked, expected: Asked, images: NDArray[np.uint8]) -> float:
    """The largest difference of two networks' probabilities on images (N, S, S, 3).

    Raises:
        LeanetError: it is above 1e-4.
    """
    difference = np.abs(found(images)[PROBABILITY] - expected(images)[PROBABILITY]).max()
    if not difference <= TOLERANCE:  # a comparison that NaN fails too
        raise LeanetError(
            f"the exported networks differ from PyTorch's by {difference:.2g} in the probability of an image "
            f"(of {len(images)}; allowed is {TOLERANCE:g}): nothing was written"
        )
    return float(difference)


def images_per_second(network: Asked, images: NDArray[np.uint8], seconds: float = 1.0) -> float:
    """How many images a second it gets through, over and over the same batch, on the CPU."""
    network(images)  # what is prepared at the first call does not count
    begin, batches = time.monotonic(), 0
    while (elapsed := time.monotonic() - begin) < seconds or not batches:
        network(images)
        batches += 1
    return batches * len(images) / elapsed


def threads() -> int:
    """Of PyTorch, and of ONNX Runtime as it is used here."""
    return torch.get_num_threads()
