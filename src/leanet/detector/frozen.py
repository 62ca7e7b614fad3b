"""An ADN that is not trained by gradient descent: a logistic regression on features of a frozen pretrained network."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from leanet.detector.adn import Adn
from leanet.detector.catalogue import timm_network
from leanet.detector.map_statistics import STATISTICS
from leanet.detector.points import find_points, module_at
from leanet.detector.pretrained import expected
from leanet.detector.regression import LogisticRegression
from leanet.detector.taps import Taps

RGB = 3  # channels
MAP_STATISTICS = ("max", "q99", "mean")
LEAST_WEIGHT = 1e-6  # added to each position's weight, so that a map of zeros gives equal weights; maps are about 1


class Stages(nn.Module):
    """The features of a frozen network at some of its five attention points.

    Args:
        network: a timm network; its classifier is not used.
        points: the names of five of its modules, as in `Adn`.
        stages: the points that are used, 1…5, shallow to deep.
    """

    def __init__(self, network: nn.Module, points: Sequence[str | None], stages: Sequence[int]) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self.stages = tuple(stages)
        self._taps = Taps(network, {stage: module_at(tuple(points), stage) for stage in self.stages})

    def train(self, mode: bool = True) -> "Stages":
        """Stay in evaluation mode: batch norm keeps its pretrained statistics."""
        return super().train(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Compute the features.

        Args:
            images: (B, 3, S, S), normalised as the weights expect.

        Returns:
            (B, C, h, w) for each stage.
        """
        with self._taps.open() as found:
            self.network(images)
        return [found[stage] for stage in self.stages]


class Frozen(Adn):
    """Pool the features of each stage over the image, standardise them, and classify them by logistic regression.

    The input is images (B, 3, S, S), sRGB in 0…1; or (B, 4, S, S) with the scaled anomaly map as the last channel,
    which `pooling="map"` and `map_statistics` need.

    Args:
        network: the frozen network.
        points: the names of its five points, as in `Stages`.
        regression: of the pooled features of all stages and, with `map_statistics`, of the map's statistics.
        model: the network's name in timm.
        pooling: `mean`, the mean over the image; `map`, the mean weighted by the anomaly map, resized to the stage.
        map_statistics: whether the map's maximum, 99 % quantile and mean are features too.
    """

    network: Stages

    def __init__(
        self,
        network: Stages,
        points: Sequence[str | None],
        regression: LogisticRegression,
        model: str,
        pooling: str = "mean",
        map_statistics: bool = False,
    ) -> None:
        prefixed = tuple(None if name is None else f"network.{name}" for name in points)
        super().__init__(network, prefixed, model=model)
        self.regression = regression
        self.pooling = pooling
        self.map_statistics = map_statistics

    @property
    def backbone(self) -> nn.Module:
        return self.network.network

    def forward(self, seen: Tensor) -> Tensor:
        return self.classified(self.features(seen))

    def features(self, seen: Tensor) -> Tensor:
        """All features that the regression uses.

        Args:
            seen: the input, (B, 3 or 4, S, S).

        Returns:
            (B, F) float32.
        """
        pooled = self.pooled(seen)
        return torch.cat([pooled, map_statistics(seen[:, RGB:])], dim=1) if self.map_statistics else pooled

    def pooled(self, seen: Tensor) -> Tensor:
        """The pooled features of all stages, (B, F) float32, without the map's statistics. Arguments as `features`."""
        stages = [each.float() for each in self._stages(seen)]
        if self.pooling == "mean":
            return torch.cat([each.mean((2, 3)) for each in stages], dim=1)
        return torch.cat([(each * map_weights(seen[:, RGB:], each.shape[-2:])).sum((2, 3)) for each in stages], dim=1)

    def classified(self, features: Tensor) -> Tensor:
        """Classify features (B, F); returns (B, 2) logits of normal and anomalous."""
        logits: Tensor = self.regression(features)
        return logits

    def evidence_map(self, seen: Tensor) -> Tensor:
        """How much each position adds to the logit of anomalous.

        The logit is a weighted sum of pooled features, and each pooled feature is a sum over positions. A position of a
        deeper stage is divided evenly among the positions that it covers; the bias and the share of the map's
        statistics are divided evenly among all positions.

        Args:
            seen: the input, (B, 3 or 4, S, S).

        Returns:
            (B, 1, h, w) float64 at the size of the first stage; the sum over positions is the logit of anomalous.
        """
        stages = self._stages(seen)
        size = stages[0].shape[-2:]
        slopes, everywhere = self.regression.slopes()
        *of_stages, of_statistics = torch.split(slopes, [*(each.shape[1] for each in stages), self.statistics])
        if self.map_statistics:
            everywhere = everywhere + map_statistics(seen[:, RGB:]).double() @ of_statistics
        found = (everywhere / (size[0] * size[1])).reshape(-1, 1, 1, 1).expand(len(seen), 1, *size)
        for each, slope in zip(stages, of_stages, strict=True):
            parts = torch.einsum("bchw,c->bhw", each.double(), slope)[:, None]
            count = parts[0].numel()
            weights = map_weights(seen[:, RGB:], parts.shape[-2:]) if self.pooling == "map" else 1 / count
            found = found + _spread(parts * weights, size)
        return found

    @property
    def statistics(self) -> int:
        """The number of features that are statistics of the map: 3 or 0."""
        return len(MAP_STATISTICS) if self.map_statistics else 0

    @torch.no_grad()
    def fit(self, seen: Iterable[Tensor], labels: Tensor) -> None:
        """Fit the regression to batches of training images, as `FitsItself` describes.

        Args:
            seen: batches of inputs, (B, 3 or 4, S, S).
            labels: (N,) of all images, 0 normal and 1 anomalous.
        """
        self.fit_features(torch.cat([self.features(batch) for batch in seen]), labels)

    def fit_features(self, features: Tensor, labels: Tensor) -> None:
        """Fit the regression to features.

        Args:
            features: (N, F), as `features` computes them for the training images.
            labels: (N,), 0 normal and 1 anomalous.
        """
        self.regression.fit(features, labels)

    def _stages(self, seen: Tensor) -> list[Tensor]:
        found: list[Tensor] = self.network(self.normalize(seen)[:, :RGB])  # normalize does not change a map
        return found


def map_statistics(maps: Tensor) -> Tensor:
    """Maximum, 99 % quantile and mean of each map (B, 1, S, S); returns (B, 3)."""
    values = maps.flatten(1)
    return torch.stack([STATISTICS[name](values) for name in MAP_STATISTICS], dim=1)


def map_weights(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    """Resize maps to weights that sum to one for each image; a map of zeros gives equal weights.

    Args:
        maps: (B, 1, S, S), from 0 up.
        size: (h, w).

    Returns:
        (B, 1, h, w).
    """
    weights = adaptive_avg_pool2d(maps, (size[0], size[1])) + LEAST_WEIGHT
    return weights / weights.sum((2, 3), keepdim=True)


def frozen(
    model: str,
    channels: int,
    image_size: int,
    stages: Sequence[int] = (3, 4, 5),
    strength: float = 0.1,
    pretrained: bool = False,
    points: Sequence[str] | None = None,
    pooling: str = "mean",
    map_statistics: bool = False,
) -> Frozen:
    """Create a frozen timm network with a logistic regression, whose classes have the same total weight.

    Args:
        model: the network's name in timm.
        channels: 3 for RGB; 4 for RGB and an anomaly map.
        image_size: S.
        stages: the points, 1…5, whose features are used.
        strength: C of scikit-learn's LogisticRegression; smaller values regularise more.
        pretrained: whether to use timm's ImageNet weights.
        points: names of five modules; None: those in timm's feature information.
        pooling: as for `Frozen`.
        map_statistics: as for `Frozen`.

    Raises:
        LeanetError: no such network or points, or weights that cannot be loaded.
    """
    network = timm_network(model, RGB, image_size, pretrained)
    names = find_points(network, points)
    backbone = Stages(network, names, stages)
    with torch.no_grad():
        count = sum(each.shape[1] for each in backbone(torch.zeros(1, RGB, image_size, image_size)))
    count += len(MAP_STATISTICS) if map_statistics else 0
    regression = LogisticRegression(count, strength=strength, balanced=True)
    adn = Frozen(backbone, names, regression, model, pooling, map_statistics)
    if pretrained:
        adn.normalize = expected(model, channels)
    return adn


def _spread(parts: Tensor, size: torch.Size) -> Tensor:
    """Enlarge (B, 1, h, w) to `size`, a multiple of (h, w); each value is divided among the positions it covers."""
    down, right = size[0] // parts.shape[-2], size[1] // parts.shape[-1]
    return parts.repeat_interleave(down, -2).repeat_interleave(right, -1) / (down * right)
