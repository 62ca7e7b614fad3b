"""A search as it is typed: trials are proposed, run like cells of a grid, and judged by their validation images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import takewhile
from pathlib import Path
from typing import Any

from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial, TrialState

from leanet.config.checked import check
from leanet.config.effective import settings_of
from leanet.config.rules import one_of, whole
from leanet.errors import LeanetError
from leanet.grid import ctrl_c
from leanet.grid.launchers import ending_workers, fill_in, launch_of
from leanet.grid.plan import Job, batches, distinct, failure_of, forget_failure, jobs_of
from leanet.grid.products import Configurations, Words
from leanet.grid.share import checked_jobs_per_gpu, jobs_that_fit
from leanet.grid.sweep import Sweep
from leanet.grid.worker import do
from leanet.runs.cell import Cells
from leanet.search.best import command_of, write_best
from leanet.search.outcome import Judged, judged, line_of, table_of, validated, write_table
from leanet.search.space import Space
from leanet.search.trials import STORAGE, Trials, read_trials
from leanet.storage.files import identity
from leanet.storage.locks import lock, tidy

SEARCHES = "searches"  # in paths.runs
_FAILURES, _REPEATS = 3, 30  # in a row, after which a search ends


@dataclass(frozen=True)
class Search:
    """A search, and Hydra's launcher for its runs.

    configuration: the resolved configuration of overrides.
    start: values of the first trial.
    first: the runs of the first trial.
    """

    hydra_context: HydraContext
    config: DictConfig
    space: Space
    configuration: Callable[[Words], dict[str, Any]]
    start: dict[str, Any]
    first: list[Job]
    metric: str
    trials: int
    at_once: int
    seed: int
    retry: bool
    _cells: Cells = field(default_factory=Cells)
    _jobs: dict[Words, list[Job]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        hydra_context: HydraContext,
        config: DictConfig,
        params: Mapping[str, Any],
        arguments: Sequence[str],
        jobs_per_gpu: int | str,
        **options: Any,
    ) -> "Search":
        """The search of a space and of the words typed; LeanetError or a HydraException for a mistake in any of it."""
        check("hydra.sweeper.metric", options["metric"], one_of("auroc", "ap", "f1"))
        check("hydra.sweeper.seed", options["seed"], whole(0))
        for name in ("trials", "at_once"):
            check(f"hydra.sweeper.{name}", options[name], whole(1))
        given, space = checked_jobs_per_gpu(jobs_per_gpu), Space.of(params, arguments)
        loader = hydra_context.config_loader
        configurations = Configurations(
            partial(loader.load_sweep_config, config), lambda key: bool(loader.get_group_options(key))
        )
        configuration = partial(configurations.of, common=space.fixed)
        start = space.start(_defaults(loader.load_sweep_config(config, list(space.fixed)), space))
        search = cls(hydra_context, config, space, configuration, start, [], **options)
        search.first.extend(search.jobs(start))
        if not search.first[0].run.settings.validation:
            raise LeanetError("hydra/sweeper=optuna judges settings by validation images: give validation=0.2")
        fill_in(config, lambda: given or jobs_that_fit(search.first[0].pixels))
        return search

    @cached_property
    def folder(self) -> Path:
        """Named for people; it ends in a hash of everything that changes what a trial is worth."""
        first = self.first[0].run
        space = {key: distribution_to_json(values) for key, values in self.space.distributions.items()}
        facts = {"cell": first.cell_facts, "folds": [job.run.fold for job in self.first], "space": space}
        name = f"{first.settings.dataset_name}-{first.settings.adn.name}"
        place = f"{name}-{identity({**facts, 'metric': self.metric, 'seed': self.seed})}"
        return Path(first.settings.paths.runs) / SEARCHES / place

    def words(self, params: Mapping[str, Any]) -> Words:
        """The overrides of a trial."""
        return (*self.space.fixed, *self.space.words(params))

    def jobs(self, params: Mapping[str, Any]) -> list[Job]:
        """The runs of a trial, one for each fold; LeanetError if the values do not fit together."""
        words = self.words(params)
        if words in self._jobs:
            return self._jobs[words]
        found = jobs_of(words, self._cells.of(settings_of(self.configuration(words))))
        wanted = self.space.folds
        chosen = [job for job in found if wanted is None or job.run.fold in wanted]
        if wanted is not None and len(chosen) < len(wanted):
            raise LeanetError(f"fold={max(wanted)}: there are folds 1 to {len(found)}; leave it empty for all")
        self._jobs[words] = chosen
        return chosen

    def show(self) -> None:
        """Print the space, and how far the search is."""
        found = self._judged(read_trials(self.folder))
        print("\n".join(f"{key}={text}" for key, text in self.space.texts.items()))
        print(f"\ntrials: {self.trials}, of which {len(found)} done; {len(self.first)} folds each")
        print(f"judged by {self.metric.upper()} on validation images; trials in {self.folder / STORAGE}")
        if found:
            print(f"\n{table_of(found, self.metric)}")

    def do(self) -> None:
        """Try settings until there are `trials` different ones, then print and write what was found.

        Raises:
            LeanetError: several trials in a row failed.
        """
        with lock(self.folder, on_wait=lambda: print("waiting for the process that does this search")):
            trials = Trials(self.folder, self.space.distributions, self.seed, self.start)
            if self.retry:
                self._try_failed_again(trials)
            try:
                with ctrl_c.remembered(), ending_workers(self.config):
                    self._work(trials)
            finally:  # after Ctrl-C too
                self._tell(trials)

    def _work(self, trials: Trials) -> None:
        launch, failed = launch_of(self.hydra_context, self.config, do), 0
        while (left := self.trials - len(self._judged(trials.all))) > 0:
            repeats = self._repeats(trials.all)
            if repeats >= _REPEATS:
                return print(f"the last {repeats} proposals were tried before: the space has hardly any other settings")
            new = range(min(left, self.at_once))
            batch = trials.unfinished() or [trials.propose(at_random=repeats > 0) for _ in new]
            self._run([job for trial in batch for job in self._planned(trial)], launch)
            for trial in batch:
                failed = 0 if self._record(trials, trial) else failed + 1
            if failed >= _FAILURES:
                reason = self._reason(trials.all[-1])
                raise LeanetError(f"{failed} trials in a row failed: {reason}; the same command tries other settings")

    def _run(self, jobs: Sequence[Job], launch: Any) -> None:
        """Run what is not finished; only scores of validation images are printed."""
        todo = [job for job in distinct(jobs) if not job.run.is_done]
        if todo:
            Sweep(
                todo, launch, partial(batches, seconds=lambda job: None), "search", partial(validated, self.metric)
            ).work()
        for job in todo:
            tidy(job.run.folder)

    def _planned(self, trial: FrozenTrial) -> list[Job]:
        """The runs of a trial; none if its values do not fit together."""
        try:
            return self.jobs(trial.params)
        except LeanetError:
            return []

    def _record(self, trials: Trials, trial: FrozenTrial) -> bool:
        """Record the score of a trial whose runs have ended, and print it; False if it has none."""
        words, jobs = self.space.words(trial.params), self._planned(trial)
        if not jobs or not all(job.run.is_done for job in jobs):
            trials.fail(trial)
            print(f"trial {trial.number} failed  {' '.join(words)}  {self._reason(trial)}")
            return False
        found, before = judged(trial.number, words, jobs, self.metric), self._judged(trials.all)
        trials.finish(trial, found.score)
        if found.cell not in {other.cell for other in before}:
            print(line_of(found, len(before) + 1, self.trials, self.metric))
        return True

    def _judged(self, every: Sequence[FrozenTrial]) -> list[Judged]:
        """The finished trials, without those whose settings were tried before."""
        found: dict[str, Judged] = {}
        for trial in every:
            jobs = self._planned(trial) if trial.state == TrialState.COMPLETE else []
            if jobs and all(job.run.is_done for job in jobs):
                one = judged(trial.number, self.space.words(trial.params), jobs, self.metric)
                found.setdefault(one.cell, one)
        return list(found.values())

    def _repeats(self, every: Sequence[FrozenTrial]) -> int:
        """How many of the last trials had settings that were tried before."""
        new = {one.number for one in self._judged(every)}
        ended = [trial for trial in every if trial.state.is_finished()]
        repeated = takewhile(lambda one: one.state == TrialState.COMPLETE and one.number not in new, reversed(ended))
        return len(list(repeated))

    def _reason(self, trial: FrozenTrial) -> str:
        """Why a trial has no score."""
        try:
            failures = [failure_of(job.run) for job in self.jobs(trial.params)]
        except LeanetError as error:
            return str(error)
        return next((failure["reason"] for failure in failures if failure), "it was interrupted")

    def _try_failed_again(self, trials: Trials) -> None:
        for trial in trials.failed():
            for job in self._planned(trial):
                forget_failure(job.run)
            trials.queue(trial.params)

    def _tell(self, trials: Trials) -> None:
        """Write and print what was found: the table last but for the best settings and what to do with them."""
        found = self._judged(trials.all)
        if not found:
            return
        write_table(self.folder, found, self.metric)
        best = max(found, key=lambda one: (one.score, -one.number))  # of equal ones the first
        write_best(self.folder, self.hydra_context.config_loader, self.config, (*self.space.fixed, *best.words), best)
        start = next((one for one in found if one.cell == self.first[0].run.cell), None)
        print(f"\n{table_of(found, self.metric)}\n")
        print(best.told(self.metric, start, sum(one.score == best.score for one in found) - 1))
        print(f"on the test folds: {command_of(self.folder, self.space.fixed)}")


def _defaults(config: DictConfig, space: Space) -> dict[str, Any]:
    """The values of the searched settings without the search."""
    choices = config.hydra.runtime.choices
    plain: Any = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    found = {key: choices[key] if key in choices else OmegaConf.select(plain, key) for key in space.distributions}
    return {key: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value for key, value in found.items()}
