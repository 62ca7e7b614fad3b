"""Features by which new images are compared with the training images: colours, and a shallow layer of the ADN."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from leanet.detector.adn import Adn
from leanet.detector.baselines import LabStatistics
from leanet.detector.taps import Taps

SHALLOW = (2, 3, 1, 4, 5)  # the first of these attention points that an ADN has; benchmarks/drift.py compares them

COLOUR_SIDE = 32  # colours are those of about 32 × 32 pixels of a grid, since L*a*b* of all takes as long as a layer


class ShallowFeatures:
    """Mean and SD of L*, a* and b*, and the channels' means at point 2, from the pass that classifies the images.

    Deep layers ignore light and white balance, as far as training has taught them to; shallow ones do not. An ADN
    without points has only the colours.

    Args:
        adn: a hook is added to one of its modules.
    """

    def __init__(self, adn: Adn) -> None:
        named = {point: name for point in SHALLOW if (name := adn.points[point - 1]) is not None}
        self._point = next(iter(named), None)
        self._taps = Taps(adn.network, {} if self._point is None else {self._point: named[self._point]})
        self._colours = LabStatistics()

    @contextmanager
    def open(self) -> Iterator[Mapping[int, Tensor]]:
        """A context for one forward pass of the ADN, whose value is the argument `seen` of `of`."""
        with self._taps.open() as seen:
            yield seen

    def of(self, images: Tensor, seen: Mapping[int, Tensor]) -> Tensor:
        """The features of a batch.

        Args:
            images: (B, 3, S, S) uint8, sRGB.
            seen: of the forward pass of these images.

        Returns:
            (B, F) float32.
        """
        step = max(1, images.shape[-1] // COLOUR_SIDE)
        colours: Tensor = self._colours(images[..., ::step, ::step] / 255)
        if self._point is None:
            return colours
        return torch.cat([colours, seen[self._point].float().mean((2, 3))], dim=1)
