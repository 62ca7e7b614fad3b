"""Compare an exported file with the networks that it was made from: predictions and speed."""

import time

import numpy as np
import torch
from numpy.typing import NDArray

from leanet.errors import LeanetError
from leanet.model.program import PROBABILITY, Predictor

TOLERANCE = 1e-4  # of a probability


def ensure_equal(found: Predictor, expected: Predictor, images: NDArray[np.uint8]) -> float:
    """Check that two networks give equal probabilities.

    Args:
        found: the exported network.
        expected: the original network.
        images: (N, S, S, 3) uint8, sRGB.

    Returns:
        the largest absolute difference.

    Raises:
        LeanetError: it is above 1e-4.
    """
    difference = np.abs(found(images)[PROBABILITY] - expected(images)[PROBABILITY]).max()
    if not difference <= TOLERANCE:  # true also for NaN
        raise LeanetError(
            f"the exported networks differ from PyTorch's by {difference:.2g} in the probability of an image "
            f"(of {len(images)}; allowed is {TOLERANCE:g}): nothing was written"
        )
    return float(difference)


def images_per_second(network: Predictor, images: NDArray[np.uint8], seconds: float = 1.0) -> float:
    """Measure the speed on a CPU, in images per second.

    Args:
        network: a network as `asked` or `opened` returns it.
        images: (N, S, S, 3) uint8, the batch that is repeated.
        seconds: duration of the measurement.
    """
    network(images)  # warm-up
    begin, batches = time.monotonic(), 0
    while (elapsed := time.monotonic() - begin) < seconds or not batches:
        network(images)
        batches += 1
    return batches * len(images) / elapsed


def threads() -> int:
    """The number of CPU threads of PyTorch, which ONNX Runtime uses here too."""
    return torch.get_num_threads()
