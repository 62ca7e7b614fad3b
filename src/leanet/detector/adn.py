"""Anomaly detection networks: ordinary classifiers with five named points for the attention (§3-3)."""

from collections.abc import Sequence

import timm
from torch import Tensor, nn


class Adn(nn.Module):
    """A classifier of images with names for its five attention points.

    Args:
        network: (B, 3, S, S) → (B, 2) logits of normal and anomalous.
        points: the names of five of its modules, from the shallowest to the deepest.
    """

    def __init__(self, network: nn.Module, points: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self.points = tuple(points)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)
        return logits


def timm_adn(model: str, points: Sequence[str]) -> Adn:
    """An ADN from timm's catalogue, with new weights."""
    return Adn(timm.create_model(model, pretrained=False, num_classes=2), points)
