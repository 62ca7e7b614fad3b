"""The frozen network whose features are modelled."""

import threading
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import timm
import torch
from timm.models import FeatureHookNet
from torch import Tensor, nn

from leanet.detector.catalogue import is_channels_last, timm_network, without_weights
from leanet.detector.pretrained import load_pretrained
from leanet.errors import LeanetError

_HOOKS = threading.Lock()  # timm keeps what its hooks find in the network, where another thread would take it


class Extractor(nn.Module):
    """Some layers' features of a network out of timm's catalogue, which is never trained.

    Args:
        network: its name there.
        layers: timm's numbers of the features, from shallow to deep; of a ResNet 1…4 are its four layers.
        image_size: S.
        pretrained: ImageNet weights in place of random ones.
        weights: those of `bundled` or of a file in place of timm's.

    Raises:
        LeanetError: no such network or features, or weights that cannot be had.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, network: str, layers: Sequence[int], image_size: int, pretrained: bool, weights: str | None = None
    ) -> None:
        super().__init__()
        self.network = _network(network, layers, image_size, pretrained and not weights).eval().requires_grad_(False)
        if weights:
            load_pretrained(self.network, network, weights)
        config = timm.get_pretrained_cfg(network, allow_unregistered=True)
        assert config is not None  # since timm has the network
        self.register_buffer("mean", torch.tensor(config.mean)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(config.std)[:, None, None], persistent=False)

    def forward(self, rgb: Tensor) -> list[Tensor]:
        """rgb: (B, 3, S, S), sRGB in 0…1 → the layers' features, (B, C, h, w) each."""
        with _HOOKS if isinstance(self.network, FeatureHookNet) else nullcontext():
            features: list[Tensor] = self.network((rgb - self.mean) / self.deviation)
        return [each.movedim(-1, 1) for each in features] if is_channels_last(self.network) else features


def _network(name: str, layers: Sequence[int], image_size: int, pretrained: bool) -> nn.Module:
    options: dict[str, Any] = {"features_only": True, "out_indices": tuple(layers)}
    try:
        with without_weights():  # first, so that nothing is fetched for layers that there are not
            network = timm_network(name, 3, image_size, **options)
    except LeanetError:
        raise
    except Exception as error:  # timm's networks refuse in many ways
        reason = str(error).splitlines()[0]
        raise LeanetError(f"map.network={name} map.layers={list(layers)}: no such features ({reason})") from error
    return timm_network(name, 3, image_size, pretrained, **options) if pretrained else network
