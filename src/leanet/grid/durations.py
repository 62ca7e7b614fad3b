"""How long fits and colorizers take, learnt from those that are done."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from leanet.config.settings import Settings
from leanet.grid.plan import Job, by_maps
from leanet.runs.model_name import variant_name
from leanet.runs.work import Rates, colorizer_work, fit_work
from leanet.storage.files import read_json
from leanet.storage.run_files import COLORIZER_FACTS


class Durations:
    """Seconds for an image, an epoch and a pixel: of fits by network, and of colorizers.

    Of networks that were never run the mean over all others is expected, of nothing nothing. A fit takes longer beside
    others: those that had as many beside them count alone, if there are any of the network.
    """

    def __init__(
        self,
        fits: Iterable[tuple[Settings, dict[str, Any]]],
        colorizers: Iterable[dict[str, Any]] = (),
        at_once: int = 1,
        measured: Iterable[tuple[Settings, Rates]] = (),
    ) -> None:
        """`fits`: settings, and what is in result.json; `colorizers`: what is in colorizer.json.

        `measured`: settings, and how long a few steps took, for what was never run.
        """
        rates: defaultdict[str, list[float]] = defaultdict(list)
        alike: defaultdict[str, list[float]] = defaultdict(list)
        for settings, fit in fits:
            if not settings.has_epochs:  # what takes none says nothing of the others
                continue
            images = sum(fit["images"]["train"].values())
            work = images * fit["epochs"] * fit["image_size"] ** 2
            rates[network_of(settings)].append(fit["seconds"] / work)
            if fit.get("at_once") == at_once:  # unknown of older results
                alike[network_of(settings)].append(fit["seconds"] / work)
        steps = {network_of(settings): rate for settings, rate in measured}
        self._fits = {network: rate.detector for network, rate in steps.items() if rate.detector}
        self._fits |= {network: fmean(found) for network, found in (rates | alike).items()}
        self._any_fit = fmean(self._fits.values()) if self._fits else None
        made = [
            facts["seconds"] / (facts["images"] * facts["max_epochs"] * facts["image_size"] ** 2)
            for facts in colorizers
        ]
        made = made or [rate.colorizer for rate in steps.values() if rate.colorizer]
        self._colorizer = fmean(made) if made else None
        self._at_once = at_once

    @classmethod
    def of(cls, jobs: Sequence[Job], at_once: int = 1, measured: Iterable[tuple[Settings, Rates]] = ()) -> "Durations":
        """Those of what is done of the jobs, for runs of which `at_once` share the machine."""
        folders = [folder for group in by_maps(jobs).values() for folder in group[0].run.maker_folders]
        colorizers = [facts for folder in folders if (facts := read_json(folder / COLORIZER_FACTS))]
        fits = ((job.run.settings, result) for job in jobs if (result := job.run.result))
        return cls(fits, colorizers, at_once, measured)

    def fit(self, job: Job) -> float | None:
        """Expected seconds for the job's fit; None if nothing like it was ever run, next to nothing without epochs."""
        if not job.run.settings.has_epochs:
            return 0.0
        rate = self._fits.get(network_of(job.run.settings), self._any_fit)
        return _expected(rate, job, fit_work(job.run.settings, job.images))

    def maps(self, job: Job) -> float | None:
        """Expected seconds for the colorizers of the job's maps; None if none was ever made. Maps by features: 0."""
        if not job.run.settings.has_colorizer:
            return 0.0
        return _expected(self._colorizer, job, colorizer_work(job.run.settings, job.normals))

    def altogether(self, jobs: Sequence[Job], todo: Sequence[Job]) -> float | None:
        """Expected seconds until all of `todo` is done, and the maps of `jobs`; None if unknown."""
        unmade = [
            sharing
            for sharing in by_maps(jobs).values()
            if not (sharing[0].run.maps_file.exists() or sharing[0].run.has_map_makers)
        ]
        fits = {job.run.id: self.fit(job) for job in todo}
        every = [*fits.values(), *(self.maps(sharing[0]) for sharing in unmade)]
        known = [seconds for seconds in every if seconds is not None]
        if len(known) < len(every):
            return None
        lines = [
            (self.maps(sharing[0]) or 0.0) + max(fits.get(job.run.id) or 0.0 for job in sharing) for sharing in unmade
        ]
        return max([sum(known) / self._at_once, *known, *lines])  # a fit and its maps are never side by side


def _expected(rate: float | None, job: Job, work: float) -> float | None:
    return None if rate is None or not job.images else rate * work  # without images if the dataset is not there yet


def network_of(settings: Settings) -> str:
    """The networks that are trained, whatever the point and the share of positives: resnet18+mobilenet."""
    return settings.adn.name + variant_name(settings)
