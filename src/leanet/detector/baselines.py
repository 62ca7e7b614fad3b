"""What stands in an ADN's place without a network: a few figures of an image, and a logistic regression of them.

They say how much of a dataset a network is needed for.
"""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from leanet.color import rgb_to_lab
from leanet.detector.adn import Adn
from leanet.detector.map_statistics import STATISTICS
from leanet.detector.points import POINTS
from leanet.detector.regression import LogisticRegression
from leanet.errors import LeanetError


@runtime_checkable
class FitsItself(Protocol):
    """What an ADN has that is trained in no epochs."""

    def fit(self, seen: Iterable[Tensor], labels: Tensor) -> None:
        """Fit itself to its inputs of N images, (B, C, S, S) at a time, and their labels (N,); the same each time."""


class Baseline(Adn):
    """Logistic regression on figures of the image; no points, since nothing in it has a place.

    Args:
        figures: (B, C, S, S) → (B, F).
        regression: of those F.
    """

    network: nn.Sequential

    def __init__(self, figures: nn.Module, regression: LogisticRegression) -> None:
        super().__init__(nn.Sequential(figures, regression), points=(None,) * POINTS)

    @torch.no_grad()
    def fit(self, seen: Iterable[Tensor], labels: Tensor) -> None:
        """As `FitsItself`."""
        figures, regression = self.network
        assert isinstance(regression, LogisticRegression)
        regression.fit(torch.cat([figures(batch) for batch in seen]), labels)


class LabStatistics(nn.Module):
    """Images (B, 3, S, S), sRGB in 0…1 → (B, 6): means of L*, a* and b* over the image, then their SDs."""

    def forward(self, images: Tensor) -> Tensor:
        lab = rgb_to_lab(images).flatten(2)
        mean = lab.mean(dim=2)
        deviation = (lab - mean[:, :, None]).square().mean(dim=2).sqrt()
        return torch.cat([mean, deviation], dim=1)


class MapStatistic(nn.Module):
    """Anomaly maps (B, 1, S, S) → (B, 1): one figure of each, of `STATISTICS`."""

    def __init__(self, statistic: str) -> None:
        super().__init__()
        self.statistic = statistic

    def forward(self, maps: Tensor) -> Tensor:
        return STATISTICS[self.statistic](maps.flatten(1))[:, None]


def lab_statistics(channels: int, image_size: int) -> Baseline:
    """Logistic regression on mean and SD of L*, a* and b*: 7 numbers, none of which knows where in the image."""
    _ensure(channels == 3, "lab_statistics is of images: adn.fitted_to=rgb")
    return Baseline(LabStatistics(), LogisticRegression(6))


def map_score(channels: int, image_size: int, statistic: str = "mean") -> Baseline:
    """A figure of the anomaly map, over the image, as P(anomalous).

    The score is the map's own, made without a positive. Labels have a say in where 0.5 is and how steeply P rises
    there, and none in the ranking.

    Raises:
        LeanetError: no such statistic.
    """
    _ensure(channels == 1, "map_score is of anomaly maps: adn.fitted_to=map")
    _ensure(statistic in STATISTICS, f"adn.statistic={statistic}: must be mean, max or q99")
    return Baseline(MapStatistic(statistic), LogisticRegression(1, rising=True))


def _ensure(holds: bool, words: str) -> None:
    if not holds:
        raise LeanetError(words)
