"""How much there is to train: images · epochs · pixels, to which the time on one machine is proportional."""

from dataclasses import dataclass

from leanet.config.settings import Settings
from leanet.runs.run import ALL, Run

MEASURED_FROM = 8e6  # of a run: less takes about a minute at most on a CPU, and needs no estimate


@dataclass(frozen=True)
class Rates:
    """Seconds for an image, an epoch and a pixel, of colorizer and detector; 0 for what is not trained."""

    colorizer: float
    detector: float


def fit_work(settings: Settings, images: int, fold: int | None = None) -> float:
    """Of the detector of one fold, or of all images if `fold` is `ALL`; 0 without epochs.

    Args:
        settings: of the run.
        images: of the whole dataset.
        fold: of the run.
    """
    if not settings.has_epochs:
        return 0.0
    if settings.tiles is None:
        return images * settings.trainer.max_epochs * _pixels(settings, fold)
    # All tiles are seen, about a third of a step, to choose those that are trained on.
    trained_on = 1 if settings.tile_pooling == "max" else settings.tile_top
    return images * settings.trainer.max_epochs * _pixels(settings, fold) * (_tiles(settings) / 3 + trained_on)


def colorizer_work(settings: Settings, normals: int, fold: int | None = None) -> float:
    """Of all colorizers of one fold, at most, since they stop early; 0 without a colorizer.

    Args:
        settings: of the run.
        normals: of the whole dataset.
        fold: as for `fit_work`.
    """
    if not settings.has_colorizer:
        return 0.0
    times = settings.cross_fit - 1 if settings.cross_fit else 1  # K that each leave out a K-th
    trained_on = normals * (1 - settings.colorizer.held_out)
    return times * trained_on * _tiles(settings) * settings.colorizer.max_epochs * _pixels(settings, fold)


def is_long(run: Run, images: int) -> bool:
    """Whether a run is worth measuring steps to estimate its time, and there is a way to know it."""
    if run.settings.tile_size is not None:  # the number of tiles depends on the sizes of images
        return False
    return fit_work(run.settings, images) + colorizer_work(run.settings, images) >= MEASURED_FROM


def _tiles(settings: Settings) -> int:
    """The tiles of a square image."""
    return 1 if settings.tiles is None else settings.tiles**2


def _pixels(settings: Settings, fold: int | None) -> float:
    """S², weighted by the share of the images that are trained on."""
    return float(settings.image_size**2 * (1 if fold == ALL else 1 - 1 / settings.folds))
