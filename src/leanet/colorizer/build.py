"""The colorizer that a configuration describes."""

from hydra.utils import instantiate

from leanet.colorizer.network import Colorizer
from leanet.config.settings import ColorizerSettings
from leanet.training.batch_norm import set_batch_norm


def colorizer_of(settings: ColorizerSettings, image_size: int) -> Colorizer:
    """A new colorizer for images of `image_size` pixels, with random weights."""
    given = {} if settings.upsampling == "transposed" else {"upsampling": settings.upsampling}
    colorizer: Colorizer = instantiate(settings.network, image_size=image_size, **given)
    set_batch_norm(colorizer, settings.bn_momentum)
    return colorizer
