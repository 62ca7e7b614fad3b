"""The detector that a configuration describes."""

import torch
from hydra.utils import instantiate

from leanet.batch_norm import set_batch_norm
from leanet.detector.inputs import CHANNELS
from leanet.detector.network import LeaNet
from leanet.seeds import derive
from leanet.settings import Settings


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
    network = LeaNet(adn, caan, settings.point if caan is not None else None, settings.input.name)
    set_batch_norm(network, settings.adn.bn_momentum)
    return network
