"""Pairs of images that look nearly alike, such as a photograph that was saved twice, found by a perceptual hash."""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

_SIDE, _LOW = 32, 16  # the image is reduced to 32×32; of its cosine transform, 16×16 low frequencies are used
_BITS = _LOW * _LOW - 1
# Pairs that differ in at most this many bits. On five datasets (potato, hurricane, strawberry, hazelnut, leather),
# different photographs differ in 42 or more; copies that are compressed again, smaller, brighter or turned by 1° mostly
# in 32 or fewer.
MOST = 36
_CHUNK = 256


def near_duplicates(images: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Find pairs of images that look nearly alike.

    Args:
        images: (N, 3, S, S), where S is a multiple of 32.

    Returns:
        pairs of rows (i, j), i < j, in order.
    """
    signs = np.concatenate([_signs(images[start : start + _CHUNK]) for start in range(0, len(images), _CHUNK)])
    pairs = []
    for start in range(0, len(signs), _CHUNK):
        agreement = signs[start : start + _CHUNK] @ signs[start:].T  # bits that agree, less those that differ
        for row, other in np.argwhere(agreement >= _BITS - 2 * MOST).tolist():
            if other > row:
                pairs.append((start + row, start + other))
    return pairs


def _signs(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, 3, S, S) → (n, 255): 1 where a frequency of the grey image is above the median, −1 where below."""
    cell = images.shape[-1] // _SIDE
    means = images.reshape(len(images), 3, _SIDE, cell, _SIDE, cell).mean(axis=(3, 5), dtype=np.float32)
    grey = np.tensordot(means, np.array([0.299, 0.587, 0.114], np.float32), axes=(1, 0))
    low = dctn(grey, axes=(1, 2), norm="ortho")[:, :_LOW, :_LOW].reshape(len(images), -1)[:, 1:]
    low = low.round(2)  # an image of one colour has only rounding errors, and so no signs
    signs: NDArray[np.float32] = np.sign(low - np.median(low, axis=1, keepdims=True))
    return signs
