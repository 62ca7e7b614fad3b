"""The features of all images of a dataset, computed once and shared by all folds and kinds of maps."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leanet.maps.features.extractor import Extractor
from leanet.storage.kept_array import kept_array
from leanet.training.batches import batches

BATCH = 16  # images whose features are processed together


class Layers:
    """Features of N images.

    Args:
        values: (N, F) float32, may be memory-mapped: for each image, the flattened features of all layers in order.
        shapes: (C, h, w) of each layer; F is the sum of their products.
    """

    def __init__(self, values: Tensor, shapes: Sequence[tuple[int, ...]]) -> None:
        self.values = values
        self.shapes = shapes

    def batches(self, rows: NDArray[np.int64] | None, device: torch.device) -> Iterator[list[Tensor]]:
        """Iterate over the features in batches.

        Args:
            rows: the images; None: all.
            device: on which the batches are.

        Yields:
            (B, C, h, w) for each layer.
        """
        chosen = torch.arange(len(self.values)) if rows is None else torch.from_numpy(rows)
        sizes = [math.prod(shape) for shape in self.shapes]
        for part in torch.split(chosen, BATCH):
            layers = torch.split(self.values[part].to(device), sizes, dim=1)
            yield [layer.reshape(-1, *shape) for layer, shape in zip(layers, self.shapes, strict=True)]


def layers_of(
    folder: Path, extractor: Extractor, images: NDArray[np.uint8], device: torch.device, on_wait: Callable[[], object]
) -> Layers:
    """Compute the features of all images, or read them if they are already kept.

    If several processes need the same features, one computes them and the others wait.

    Args:
        folder: in which the features are kept.
        extractor: the frozen network, on `device`.
        images: (N, 3, S, S) uint8.
        device: on which features are computed.
        on_wait: called once before waiting for another process.
    """
    with torch.inference_mode():
        shapes = [tuple(layer.shape[1:]) for layer in extractor(torch.zeros(1, *images.shape[1:], device=device))]

    def make() -> Iterator[Tensor]:
        for features in extracted(extractor, torch.from_numpy(images), device):
            yield torch.cat([layer.flatten(1) for layer in features], dim=1).cpu()

    shape = (len(images), sum(math.prod(shape) for shape in shapes))
    return Layers(kept_array(folder / "layers.npy", shape, make, on_wait, np.float32), shapes)


def extracted(extractor: Extractor, images: Tensor, device: torch.device) -> Iterator[list[Tensor]]:
    """Compute features of images (N, 3, S, S) uint8 in batches; yields (B, C, h, w) for each layer."""
    for batch in batches({"images": images}, BATCH):
        rgb = batch["images"].to(device).contiguous(memory_format=torch.channels_last) / 255  # twice as fast on a CPU
        with torch.inference_mode():
            yield extractor(rgb)
