"""The frozen network that computes features for PaDiM and PatchCore."""

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

_HOOKS = threading.Lock()  # timm's hooks store features in the network, where another thread could overwrite them


class Extractor(nn.Module):
    """A frozen timm network that returns the features of some of its layers.

    Args:
        network: the network's name in timm.
        layers: timm's indices of the features, from shallow to deep; for a ResNet, 1…4 are its four layers.
        image_size: S.
        pretrained: whether to use ImageNet weights; False: random ones.
        weights: `bundled` or a weight file, used in place of timm's weights.

    Raises:
        LeanetError: no such network or features, or weights that cannot be loaded.
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
        """Compute the features.

        Args:
            rgb: (B, 3, S, S), sRGB in 0…1.

        Returns:
            (B, C, h, w) for each layer.
        """
        with _HOOKS if isinstance(self.network, FeatureHookNet) else nullcontext():
            features: list[Tensor] = self.network((rgb - self.mean) / self.deviation)
        return [each.movedim(-1, 1) for each in features] if is_channels_last(self.network) else features


def _network(name: str, layers: Sequence[int], image_size: int, pretrained: bool) -> nn.Module:
    options: dict[str, Any] = {"features_only": True, "out_indices": tuple(layers)}
    try:
        with without_weights():  # first, so that no weights are downloaded for layers that do not exist
            network = timm_network(name, 3, image_size, **options)
    except LeanetError:
        raise
    except Exception as error:  # timm's networks raise different exceptions for wrong layers
        reason = str(error).splitlines()[0]
        raise LeanetError(f"map.network={name} map.layers={list(layers)}: no such features ({reason})") from error
    return timm_network(name, 3, image_size, pretrained, **options) if pretrained else network
