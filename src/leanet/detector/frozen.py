"""An ADN that is not trained: pooled features of a frozen pretrained network, and a logistic regression of them."""

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
LEAST_WEIGHT = 1e-6  # of a position, in map units of about 1


class Stages(nn.Module):
    """Images (B, 3, S, S), as the weights expect them → the features of some of a network's five points.

    Args:
        network: one of timm's catalogue, with a classifier, which is not used.
        points: the names of five of its modules, as an ADN has them.
        stages: which of them, 1…5, shallow to deep.
    """

    def __init__(self, network: nn.Module, points: Sequence[str | None], stages: Sequence[int]) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self.stages = tuple(stages)
        self._taps = Taps(network, {stage: module_at(tuple(points), stage) for stage in self.stages})

    def train(self, mode: bool = True) -> "Stages":
        """Never: batch norm keeps the statistics of its weights."""
        return super().train(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, C, h, w) of each stage."""
        with self._taps.open() as found:
            self.network(images)
        return [found[stage] for stage in self.stages]


class Frozen(Adn):
    """The means of each stage's features over the image, standardised, and a logistic regression of them.

    Its input is images (B, 3, S, S) in 0…1; where it uses maps (B, 4, S, S), with the scaled anomaly map as the last
    channel.

    Args:
        network: the frozen network.
        points: the names of its five points, as `Stages` has them.
        regression: of the features of all stages, and of the map's statistics where there are such.
        model: the network's name in timm.
        pooling: `mean`, over the image; or `map`, weighted by the anomaly map at the stage's size.
        map_statistics: whether the map's maximum, 99 % quantile and mean are features as well.
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
        """Its input → (B, F) float32."""
        pooled = self.pooled(seen)
        return torch.cat([pooled, map_statistics(seen[:, RGB:])], dim=1) if self.map_statistics else pooled

    def pooled(self, seen: Tensor) -> Tensor:
        """Its input → (B, F) float32, without the map's statistics."""
        stages = [each.float() for each in self._stages(seen)]
        if self.pooling == "mean":
            return torch.cat([each.mean((2, 3)) for each in stages], dim=1)
        return torch.cat([(each * map_weights(seen[:, RGB:], each.shape[-2:])).sum((2, 3)) for each in stages], dim=1)

    def classified(self, features: Tensor) -> Tensor:
        """(B, F) → (B, 2) logits."""
        logits: Tensor = self.regression(features)
        return logits

    def evidence_map(self, seen: Tensor) -> Tensor:
        """Where the logit comes from: its input → (B, 1, h, w), whose sum is the logit of anomalous.

        A pooled feature, times its weight in the regression, is a sum over positions; h × w is the first stage's size.
        A position of a deeper stage is shared evenly by the positions that it covers; the bias, and what the map's
        statistics add, by all.
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
        """How many of its features are statistics of the map."""
        return len(MAP_STATISTICS) if self.map_statistics else 0

    @torch.no_grad()
    def fit(self, seen: Iterable[Tensor], labels: Tensor) -> None:
        """As `FitsItself`."""
        self.fit_features(torch.cat([self.features(batch) for batch in seen]), labels)

    def fit_features(self, features: Tensor, labels: Tensor) -> None:
        """Fit the regression to the features (N, F) of the training images and their labels (N,)."""
        self.regression.fit(features, labels)

    def _stages(self, seen: Tensor) -> list[Tensor]:
        found: list[Tensor] = self.network(self.normalize(seen)[:, :RGB])  # which leaves a map as it is
        return found


def map_statistics(maps: Tensor) -> Tensor:
    """(B, 1, S, S) → (B, 3): maximum, 99 % quantile and mean."""
    values = maps.flatten(1)
    return torch.stack([STATISTICS[name](values) for name in MAP_STATISTICS], dim=1)


def map_weights(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    """Maps (B, 1, S, S) ≥ 0 as weights (B, 1, h, w) that sum to one; of a map without a value the same everywhere."""
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
    """A frozen network of timm's catalogue with a logistic regression of balanced classes.

    Args:
        model: the network's name in timm.
        channels: 3, RGB; 4 with an anomaly map.
        image_size: S.
        stages: the points, 1…5, whose features are used.
        strength: C of scikit-learn's LogisticRegression: the smaller, the simpler.
        pretrained: timm's ImageNet weights.
        points: five names of modules; without, those of its feature information.
        pooling, map_statistics: as `Frozen` has them.

    Raises:
        LeanetError: no such network or points, or weights that cannot be had.
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
    """(B, 1, h, w) at a size H × W that h × w divides, each number shared evenly by the positions that it covers."""
    down, right = size[0] // parts.shape[-2], size[1] // parts.shape[-1]
    return parts.repeat_interleave(down, -2).repeat_interleave(right, -1) / (down * right)
