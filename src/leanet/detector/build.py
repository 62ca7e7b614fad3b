"""Build a detector from its settings."""

from dataclasses import asdict

import torch
from hydra.utils import instantiate

from leanet.config.settings import AttentionSettings, Settings
from leanet.detector.adn import Adn
from leanet.detector.attention import Attention
from leanet.detector.baselines import FitsItself
from leanet.detector.caan import ExternalNetwork, TimmCaan, channels_at
from leanet.detector.freeze import freeze
from leanet.detector.inputs import CHANNELS
from leanet.detector.lea_net import LeaNet
from leanet.detector.pretrained import expected, load_pretrained
from leanet.detector.tile_pooling import TilePooling
from leanet.errors import LeanetError
from leanet.training.batch_norm import set_batch_norm
from leanet.training.seeds import derive


def detector_of(settings: Settings, fold: int) -> LeaNet:
    """Create a detector with new weights.

    ADN and CAAN have their own random seeds, so that the ADN's first weights do not depend on the CAAN.

    Args:
        settings: of the run.
        fold: from 1; part of the seeds.

    Raises:
        LeanetError: a network, a module, a point or a stage to freeze that does not exist.
    """
    torch.manual_seed(derive(settings.seed, "adn", fold))
    channels = CHANNELS[settings.input.name]
    more = {"pooling": settings.adn.pooling, "map_statistics": settings.adn.map_statistics}
    more = more if settings.adn.is_frozen else {}
    adn = instantiate(settings.adn.network, channels=channels, image_size=settings.image_size, **more)
    if settings.adn.weights:
        _give_weights(adn, settings.adn.weights, channels)
    if settings.adn.fitted_to and not isinstance(adn, FitsItself):
        raise LeanetError(
            f"adn.fitted_to={settings.adn.fitted_to}: {settings.adn.name} has no `fit`, and trains in epochs"
        )
    if settings.adn.freeze:
        freeze(adn, settings.adn.freeze, torch.zeros(1, channels, settings.image_size, settings.image_size))
    torch.manual_seed(derive(settings.seed, "caan", fold))
    caan = instantiate(settings.caan.network) if settings.caan.network is not None else None
    if isinstance(caan, TimmCaan) and settings.caan.weights:
        load_pretrained(caan.network, caan.model, settings.caan.weights)
    network = _joined(settings, adn, caan)
    set_batch_norm(network, settings.adn.bn_momentum)
    return network


def _give_weights(adn: Adn, weights: str, channels: int) -> None:
    """Load pretrained weights into the backbone and set the normalisation that they expect."""
    assert adn.model is not None  # checked by settings_of
    load_pretrained(adn.backbone, adn.model, weights)
    adn.normalize = expected(adn.model, channels)


def _joined(settings: Settings, adn: Adn, caan: ExternalNetwork | None) -> LeaNet:
    pooling = TilePooling(settings.tile_pooling, settings.tile_top) if settings.has_tiles else None
    if caan is None:
        return LeaNet(adn, sees=settings.input.name, pooling=pooling)
    attentions = _attentions(settings.attention, caan, settings.points, settings.image_size)
    return LeaNet(adn, caan, settings.points, settings.input.name, attentions, pooling)


def _attentions(
    settings: AttentionSettings, caan: ExternalNetwork, points: list[int], image_size: int
) -> list[Attention]:
    """One `Attention` for each point."""
    channels = channels_at(caan, points, image_size) if settings.reduce == "conv" else [None] * len(points)
    options = {name: value for name, value in asdict(settings).items() if name != "points"}
    return [Attention(**options, channels=count) for count in channels]
