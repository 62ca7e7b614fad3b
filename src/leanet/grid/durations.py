"""How long fits and colorizers take, learnt from those that are done."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from leanet.config.settings import Settings
from leanet.grid.plan import Job, by_maps
from leanet.runs.model_name import variant_name
from leanet.storage.files import read_json
from leanet.storage.run_files import COLORIZER_FACTS


class Durations:
    """Seconds for an image, an epoch and a pixel: of fits by network, and of colorizers.

    Of networks that were never run the mean over all others is expected, of nothing nothing.
    """

    def __init__(
        self, fits: Iterable[tuple[Settings, dict[str, Any]]], colorizers: Iterable[dict[str, Any]] = ()
    ) -> None:
        """`fits`: settings, and what is in result.json; `colorizers`: what is in colorizer.json."""
        rates: defaultdict[str, list[float]] = defaultdict(list)
        for settings, fit in fits:
            if not settings.has_epochs:  # what takes none says nothing of the others
                continue
            images = sum(fit["images"]["train"].values())
            work = images * fit["epochs"] * fit["image_size"] ** 2
            rates[_network(settings)].append(fit["seconds"] / work)
        self._fits = {network: fmean(found) for network, found in rates.items()}
        self._any_fit = fmean(self._fits.values()) if self._fits else None
        made = [
            facts["seconds"] / (facts["images"] * facts["max_epochs"] * facts["image_size"] ** 2)
            for facts in colorizers
        ]
        self._colorizer = fmean(made) if made else None

    @classmethod
    def of(cls, jobs: Sequence[Job]) -> "Durations":
        """Those of what is done of the jobs."""
        folders = [folder for group in by_maps(jobs).values() for folder in group[0].run.maker_folders]
        colorizers = [facts for folder in folders if (facts := read_json(folder / COLORIZER_FACTS))]
        return cls(((job.run.settings, result) for job in jobs if (result := job.run.result)), colorizers)

    def fit(self, job: Job) -> float | None:
        """Expected seconds for the job's fit; None if nothing like it was ever run, next to nothing without epochs."""
        if not job.run.settings.has_epochs:
            return 0.0
        rate = self._fits.get(_network(job.run.settings), self._any_fit)
        return _expected(rate, job, job.images, job.run.settings.trainer.max_epochs)

    def maps(self, job: Job) -> float | None:
        """Expected seconds for the colorizers of the job's maps; None if none was ever made. Maps by features: 0."""
        if not job.run.settings.has_colorizer:
            return 0.0
        times = job.run.settings.cross_fit - 1 if job.run.settings.cross_fit else 1  # K that each leave out a K-th
        return _expected(self._colorizer, job, times * job.normals, job.run.settings.colorizer.max_epochs)


def _expected(rate: float | None, job: Job, images: int, epochs: int) -> float | None:
    if rate is None or not job.images:  # a dataset that is not there yet
        return None
    folds = job.run.settings.folds
    return rate * images * (folds - 1) / folds * epochs * job.run.settings.image_size**2


def _network(settings: Settings) -> str:
    """The networks that are trained, whatever the point and the share of positives: resnet18+mobilenet."""
    return settings.adn.name + variant_name(settings)
