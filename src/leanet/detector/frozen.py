"""An ADN that is not trained: pooled features of a frozen pretrained network, and a logistic regression of them."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from leanet.detector.adn import Adn
from leanet.detector.catalogue import timm_network
from leanet.detector.points import find_points, module_at
from leanet.detector.pretrained import expected
from leanet.detector.regression import LogisticRegression
from leanet.detector.taps import Taps


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

    Args:
        network: the frozen network.
        points: the names of its five points, as `Stages` has them.
        regression: of the features of all stages.
        model: the network's name in timm.
    """

    network: Stages

    def __init__(
        self, network: Stages, points: Sequence[str | None], regression: LogisticRegression, model: str
    ) -> None:
        prefixed = tuple(None if name is None else f"network.{name}" for name in points)
        super().__init__(network, prefixed, model=model)
        self.regression = regression

    @property
    def backbone(self) -> nn.Module:
        return self.network.network

    def forward(self, images: Tensor) -> Tensor:
        return self.classified(self.features(images))

    def features(self, images: Tensor) -> Tensor:
        """Images (B, 3, S, S) in 0…1 → (B, F) float32."""
        maps = self.network(self.normalize(images))
        return torch.cat([each.float().mean((2, 3)) for each in maps], dim=1)

    def classified(self, features: Tensor) -> Tensor:
        """(B, F) → (B, 2) logits."""
        logits: Tensor = self.regression(features)
        return logits

    def evidence_map(self, images: Tensor) -> Tensor:
        """Where the logit comes from: images (B, 3, S, S) in 0…1 → (B, 1, h, w), whose sum is the logit of anomalous.

        The mean of a feature over the image, times its weight, is a sum over positions; h × w is the first stage's
        size. A position of a deeper stage is shared evenly by the positions that it covers, and the bias by all.
        """
        maps = [each.double() for each in self.network(self.normalize(images))]
        size = maps[0].shape[-2:]
        found: Tensor = maps[0].new_zeros(len(images), 1, *size)
        weights, bias = self.regression.slopes()
        found += bias / (size[0] * size[1])
        for each, of_stage in zip(maps, torch.split(weights, [each.shape[1] for each in maps]), strict=True):
            parts = torch.einsum("bchw,c->bhw", each, of_stage)[:, None] / (each.shape[-2] * each.shape[-1])
            found += _spread(parts, size)
        return found

    @torch.no_grad()
    def fit(self, seen: Iterable[Tensor], labels: Tensor) -> None:
        """As `FitsItself`."""
        self.fit_features(torch.cat([self.features(batch) for batch in seen]), labels)

    def fit_features(self, features: Tensor, labels: Tensor) -> None:
        """Fit the regression to the features (N, F) of the training images and their labels (N,)."""
        self.regression.fit(features, labels)


def frozen(
    model: str,
    channels: int,
    image_size: int,
    stages: Sequence[int] = (3, 4, 5),
    strength: float = 0.1,
    pretrained: bool = False,
    points: Sequence[str] | None = None,
) -> Frozen:
    """A frozen network of timm's catalogue with a logistic regression of balanced classes.

    Args:
        model: the network's name in timm.
        channels: 3, since pretrained networks see RGB images.
        image_size: S.
        stages: the points, 1…5, whose features are used.
        strength: C of scikit-learn's LogisticRegression: the smaller, the simpler.
        pretrained: timm's ImageNet weights.
        points: five names of modules; without, those of its feature information.

    Raises:
        LeanetError: no such network or points, or weights that cannot be had.
    """
    network = timm_network(model, channels, image_size, pretrained)
    names = find_points(network, points)
    backbone = Stages(network, names, stages)
    with torch.no_grad():
        count = sum(each.shape[1] for each in backbone(torch.zeros(1, channels, image_size, image_size)))
    adn = Frozen(backbone, names, LogisticRegression(count, strength=strength, balanced=True), model)
    if pretrained:
        adn.normalize = expected(model, channels)
    return adn


def _spread(parts: Tensor, size: torch.Size) -> Tensor:
    """(B, 1, h, w) at a size H × W that h × w divides, each number shared evenly by the positions that it covers."""
    down, right = size[0] // parts.shape[-2], size[1] // parts.shape[-1]
    return parts.repeat_interleave(down, -2).repeat_interleave(right, -1) / (down * right)
