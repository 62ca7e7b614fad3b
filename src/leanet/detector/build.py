"""The detector that a configuration describes."""

from dataclasses import asdict

import torch
from hydra.utils import instantiate

from leanet.detector.attention import Attention
from leanet.detector.caan import ExternalNetwork, channels_at
from leanet.detector.inputs import CHANNELS
from leanet.detector.network import LeaNet
from leanet.seeds import derive
from leanet.settings import AttentionSettings, Settings


def detector_of(settings: Settings, fold: int) -> LeaNet:
    """New networks, each from a seed of its own: the ADN's weights do not depend on which CAAN stands beside it.

    Raises:
        LeanetError: a network, a module or a point that does not exist.
    """
    torch.manual_seed(derive(settings.seed, "adn", fold))
    channels = CHANNELS[settings.input.name]
    adn = instantiate(settings.adn.network, channels=channels, image_size=settings.image_size)
    torch.manual_seed(derive(settings.seed, "caan", fold))
    caan = instantiate(settings.caan.network) if settings.caan.network is not None else None
    if caan is None:
        return LeaNet(adn, sees=settings.input.name)
    attention = _attention(settings.attention, caan, settings.point, settings.image_size)
    return LeaNet(adn, caan, settings.point, settings.input.name, attention)


def _attention(settings: AttentionSettings, caan: ExternalNetwork, point: int, image_size: int) -> Attention:
    channels = channels_at(caan, point, image_size) if settings.reduce == "conv" else None
    return Attention(**asdict(settings), channels=channels)
