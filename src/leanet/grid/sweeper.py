"""A grid as it is typed: planned, shown or done, and summed up."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

from hydra.types import HydraContext
from omegaconf import DictConfig
from tabulate import tabulate

from leanet.config.effective import settings_of
from leanet.config.settings import Settings
from leanet.errors import LeanetError, MissingDatasetError
from leanet.grid import ctrl_c
from leanet.grid.comparison import check_against, comparison
from leanet.grid.durations import Durations
from leanet.grid.first_estimate import first_estimate
from leanet.grid.fit_command import fit_command
from leanet.grid.launchers import ending_workers, fill_in, launch_of
from leanet.grid.mps import shared_gpus
from leanet.grid.naming import labels_of, names_of, runs_by_cell
from leanet.grid.plan import (
    LOG,
    Job,
    State,
    as_listed,
    batches,
    by_maps,
    distinct,
    failure_of,
    forget_failure,
    jobs_of,
    state_of,
    with_fold,
)
from leanet.grid.products import Configurations, Words, expand
from leanet.grid.share import checked_jobs_per_gpu, jobs_that_fit, workers_of
from leanet.grid.sweep import Order, Sweep
from leanet.grid.worker import do
from leanet.progress import in_words
from leanet.report.tables import cell_table
from leanet.runs.cell import Cells
from leanet.runs.model_name import size_name
from leanet.runs.run import Run
from leanet.storage.locks import tidy


@dataclass(frozen=True)
class Grid:
    """The jobs of a grid, a run each, and Hydra's launcher for them.

    missing: a sentence for each dataset that is still to be prepared; its jobs can be planned, and not done.
    configuration: the resolved configuration of words.
    against: the model that the others are compared with; None for a grid that compares nothing.
    """

    jobs: list[Job]
    missing: list[str]
    hydra_context: HydraContext
    config: DictConfig
    configuration: Callable[[Words], dict[str, Any]]
    against: str | None

    @classmethod
    def of(
        cls,
        hydra_context: HydraContext,
        config: DictConfig,
        products: Sequence[Mapping[str, Any]],
        arguments: Sequence[str],
        jobs_per_gpu: int | str,
        against: str | None = None,
    ) -> "Grid":
        """The grid of `products` and of the words typed; LeanetError or a HydraException for a mistake in any of it."""
        given = checked_jobs_per_gpu(jobs_per_gpu)
        loader = hydra_context.config_loader
        configurations = Configurations(
            partial(loader.load_sweep_config, config), lambda key: bool(loader.get_group_options(key))
        )
        everywhere = expand(products, arguments)
        common = set.intersection(*map(set, everywhere))
        configuration = partial(configurations.of, common=common)
        jobs, missing = _jobs(everywhere, configuration)
        if against is not None:
            check_against(jobs, against)
        fill_in(config, lambda: given or jobs_that_fit(max(job.pixels for job in jobs)))
        return cls(jobs, missing, hydra_context, config, configuration, against)

    def show(self) -> None:
        """Print what there is to do."""
        print(f"{_plan_table(self.jobs)}\n\n{self._counts()}")
        for sentence in self.missing:
            print(f"to be prepared: {sentence}")

    def do(self, retry: bool, mps: bool) -> None:
        """Do what is open; LeanetError if a dataset is missing, or at the end if not all of it could be done.

        Args:
            retry: whether to try runs again that failed twice in the same way.
            mps: whether runs share GPUs by NVIDIA's MPS.
        """
        if self.missing:
            raise LeanetError("; ".join(self.missing))
        before = {job.run.id for job in self.jobs if job.run.is_done}
        if retry:
            for job in self.jobs:
                forget_failure(job.run)
        self._say_time()
        with shared_gpus(self.config.hydra.launcher) if mps else nullcontext():
            self._work(before)
        left = [job for job in self.jobs if not job.run.is_done]
        if left:
            raise LeanetError(f"{len(left)} of {len(self.jobs)} runs are not done; the same command resumes them")

    def _say_time(self) -> None:
        """Say how long it will take, if the plan could not."""
        todo = [job for job in self.jobs if not job.run.is_done]
        unknown = self._durations.altogether(self.jobs, todo) is None
        if unknown and (told := first_estimate(self.jobs, todo, self.config.hydra.launcher)):
            print(told)

    def _work(self, before: set[str]) -> None:
        """Do what is open, and print what there is then."""
        launch = launch_of(self.hydra_context, self.config, do)
        try:
            with ctrl_c.remembered(), ending_workers(self.config):
                Sweep(self.jobs, launch, self._order).work()
        finally:  # after Ctrl-C too
            for job in self.jobs:
                tidy(job.run.folder)
            print(f"\n{self._tables()}\n\n{self._summary(before)}")

    @property
    def _order(self) -> Order:
        """As listed where models are compared, so that cheap ones answer first; else what is done sooner in all."""
        return as_listed if self.against else partial(batches, seconds=self._durations.fit)

    @property
    def _durations(self) -> Durations:
        return Durations.of(self.jobs, workers_of(self.config.hydra.launcher))

    def _tables(self) -> str:
        if self.against is None:
            return _cell_tables(self.jobs)
        return comparison(self.jobs, self.against, partial(fit_command, configuration=self.configuration))

    def _counts(self) -> str:
        """A line each on runs, colorizers and time."""
        states = Counter(state_of(job.run) for job in self.jobs)
        todo = [job for job in self.jobs if state_of(job.run) in (State.OPEN, State.FAILED)]
        makers = [sharing[0] for sharing in by_maps(self.jobs).values()]
        seconds = self._durations.altogether(self.jobs, todo)
        before = "the datasets are there" if self.missing else "a first run is done"
        time = f"unknown before {before}" if seconds is None else in_words(seconds)
        at_once = workers_of(self.config.hydra.launcher)
        how = "one after the other" if at_once == 1 else f"{at_once} side by side"
        return "\n".join(
            [
                f"runs: {len(self.jobs)}, of which {', '.join(f'{states[state]} {state.value}' for state in State)}",
                *_map_makers(makers),
                f"time for the rest, {how}: {time}",
            ]
        )

    def _summary(self, before: set[str]) -> str:
        now = [job for job in self.jobs if job.run.is_done and job.run.id not in before]
        failed = [job for job in self.jobs if state_of(job.run) in (State.FAILED, State.GIVEN_UP)]
        open_ = [job for job in self.jobs if state_of(job.run) == State.OPEN]
        lines = [
            f"{len(self.jobs)} runs: {len(before)} done before, {len(now)} done now, {len(failed)} failed, "
            f"{len(open_)} not started"
        ]
        return "\n".join([*lines, *map(_failure, failed)])


def _jobs(everywhere: Sequence[Words], configuration: Callable[[Words], dict[str, Any]]) -> tuple[list[Job], list[str]]:
    """The distinct runs of all cells, and what is to be said of datasets that are not there yet.

    Raises:
        LeanetError: one for all that is wrong with the cells otherwise.
    """
    cells = Cells()
    jobs: list[Job] = []
    mistakes: dict[str, None] = {}
    missing: dict[str, None] = {}
    for words in everywhere:
        try:
            settings = settings_of(configuration(words))
            jobs += jobs_of(words, cells.of(settings))
        except MissingDatasetError as error:
            missing[str(error)] = None
            jobs += [Job(with_fold(words, run.fold), run, 0, 0) for run in _unidentified(settings)]
        except LeanetError as error:
            mistakes[str(error)] = None
    if mistakes:
        raise LeanetError("; ".join(mistakes))
    return distinct(jobs), list(missing)


def _unidentified(settings: Settings) -> list[Run]:
    """Runs on images that nobody has seen yet, known by where these will be."""
    place = json.dumps(settings.dataset, sort_keys=True)
    return [Run(settings, place, fold) for fold in settings.selected_folds]


def _map_makers(jobs: Sequence[Job]) -> list[str]:
    """A line on the colorizers of these jobs, no two of which share any, and one on their maps by features."""
    lines = []
    for name, is_of_features in (("colorizers", False), ("maps by features", True)):
        these = [job for job in jobs if job.run.settings.map.is_of_features == is_of_features]
        made = sum(len(job.run.maker_folders) for job in these if job.run.maps_file.exists() or job.run.has_map_makers)
        if these or not is_of_features:
            lines.append(f"{name}: {sum(len(job.run.maker_folders) for job in these)}, of which {made} made")
    return lines


def _failure(job: Job) -> str:
    run, failure = job.run, failure_of(job.run) or {"reason": "", "times": 1}
    again = "; twice the same, hydra.sweeper.retry=true tries it again" if failure["times"] > 1 else ""
    return (
        f"failed: {run.settings.dataset_name} {run.model} fold {run.fold}: {failure['reason']}{again} "
        f"({run.folder / LOG})"
    )


def _plan_table(jobs: Sequence[Job]) -> str:
    cells, labels = runs_by_cell(jobs), labels_of(jobs)
    rows = []
    for cell, name in names_of(cells, labels).items():
        runs = cells[cell]
        rows.append([labels[runs[0].fingerprint], name, f"{sum(run.is_done for run in runs)}/{len(runs)}"])
    return tabulate(rows, headers=["dataset", "model", "folds done"], tablefmt="github", disable_numparse=True)


def _cell_tables(jobs: Sequence[Job]) -> str:
    """A table for each dataset and size of images, a row for each cell of which anything is done."""
    cells, labels = runs_by_cell(jobs), labels_of(jobs)
    datasets: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for cell, name in names_of(cells, labels).items():
        settings = cells[cell][0].settings
        results = [result for run in cells[cell] if (result := run.result)]
        if results:
            label = labels[cells[cell][0].fingerprint]
            datasets.setdefault(f"{label}, {size_name(settings)}", {})[name] = results
    return "\n\n".join(f"{name}\n\n{cell_table(found)}" for name, found in datasets.items())
