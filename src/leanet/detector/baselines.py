"""Baselines without a network: logistic regression on a few statistics of an image or of its anomaly map.

They show how much a network adds on a dataset.
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
    """The method of an ADN that is fitted in one step, without epochs."""

    def fit(self, seen: Iterable[Tensor], labels: Tensor) -> None:
        """Fit to the training images; deterministic.

        Args:
            seen: the ADN's inputs, in batches (B, C, S, S).
            labels: (N,), 0 normal and 1 anomalous.
        """


class Baseline(Adn):
    """Logistic regression on statistics of the input; it has no attention points.

    Args:
        figures: computes the statistics, (B, C, S, S) → (B, F).
        regression: on those F.
    """

    network: nn.Sequential

    def __init__(self, figures: nn.Module, regression: LogisticRegression) -> None:
        super().__init__(nn.Sequential(figures, regression), points=(None,) * POINTS)

    @torch.no_grad()
    def fit(self, seen: Iterable[Tensor], labels: Tensor) -> None:
        """As `FitsItself`."""
        self.fit_features(torch.cat([self.features(batch) for batch in seen]), labels)

    def features(self, seen: Tensor) -> Tensor:
        """The statistics (B, F) of inputs (B, C, S, S)."""
        found: Tensor = self.network[0](seen)
        return found

    def fit_features(self, features: Tensor, labels: Tensor) -> None:
        """Fit the regression to statistics (N, F) and labels (N,)."""
        regression = self.network[1]
        assert isinstance(regression, LogisticRegression)
        regression.fit(features, labels)

    def classified(self, features: Tensor) -> Tensor:
        """The logits (B, 2) of normal and anomalous for statistics (B, F)."""
        logits: Tensor = self.network[1](features)
        return logits


class LabStatistics(nn.Module):
    """Means of L*, a* and b* over an image, then their SDs: (B, 3, S, S), sRGB in 0…1 → (B, 6)."""

    def forward(self, images: Tensor) -> Tensor:
        lab = rgb_to_lab(images).flatten(2)
        mean = lab.mean(dim=2)
        deviation = (lab - mean[:, :, None]).square().mean(dim=2).sqrt()
        return torch.cat([mean, deviation], dim=1)


class MapStatistic(nn.Module):
    """One statistic of each anomaly map, a key of `STATISTICS`: (B, 1, S, S) → (B, 1)."""

    def __init__(self, statistic: str) -> None:
        super().__init__()
        self.statistic = statistic

    def forward(self, maps: Tensor) -> Tensor:
        return STATISTICS[self.statistic](maps.flatten(1))[:, None]


def lab_statistics(channels: int, image_size: int) -> Baseline:
    """Logistic regression on mean and SD of L*, a* and b*; 7 parameters. `channels` must be 3."""
    _ensure(channels == 3, "lab_statistics is of images: adn.fitted_to=rgb")
    return Baseline(LabStatistics(), LogisticRegression(6))


def map_score(channels: int, image_size: int, statistic: str = "mean") -> Baseline:
    """P(anomalous) from one statistic of the anomaly map.

    The ranking of images is that of the map, which is made without anomalous images. Labels only determine which value
    gets P = 0.5 and how steep P is there.

    Args:
        channels: must be 1.
        image_size: S.
        statistic: mean, max or q99.

    Raises:
        LeanetError: no such statistic.
    """
    _ensure(channels == 1, "map_score is of anomaly maps: adn.fitted_to=map")
    _ensure(statistic in STATISTICS, f"adn.statistic={statistic}: must be mean, max or q99")
    return Baseline(MapStatistic(statistic), LogisticRegression(1, rising=True))


def _ensure(holds: bool, words: str) -> None:
    if not holds:
        raise LeanetError(words)
