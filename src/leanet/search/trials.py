"""The trials of a search in a file: Optuna's journal, which survives a killed process."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

STORAGE = "trials.log"
_NAME = "search"


def read_trials(folder: Path) -> list[FrozenTrial]:
    """The trials in a folder; none if there is no search yet."""
    return _study(folder).get_trials(deepcopy=False) if (folder / STORAGE).exists() else []


class Trials:
    """The trials of a search. The process that creates it must hold the lock of the folder.

    Each proposal depends on the earlier trials, the seed and its own number alone, so that a search that was killed and
    resumed proposes the same as an undisturbed one.

    Args:
        folder: of the search.
        space: distributions by setting.
        seed: of the sampler.
        start: values of the first trial.
    """

    def __init__(self, folder: Path, space: dict[str, BaseDistribution], seed: int, start: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        _repair(folder / STORAGE)
        self._study, self._space, self._seed = _study(folder), space, seed
        if not self.all:
            self.queue(start)

    @property
    def all(self) -> list[FrozenTrial]:
        """In the order in which they were proposed."""
        found: list[FrozenTrial] = self._study.get_trials(deepcopy=False)
        return found

    def queue(self, params: Mapping[str, Any]) -> None:
        """Let these values be the next that are proposed."""
        self._study.enqueue_trial(dict(params))

    def unfinished(self) -> list[FrozenTrial]:
        """The trials that a killed process has left."""
        left = [trial for trial in self.all if trial.state == TrialState.RUNNING]
        for trial in left:
            if not self._is_whole(trial):  # killed while it was proposed
                self.fail(trial)
        return [trial for trial in left if self._is_whole(trial)]

    def failed(self) -> list[FrozenTrial]:
        """The trials that have no score."""
        return [trial for trial in self.all if trial.state == TrialState.FAIL and self._is_whole(trial)]

    def _is_whole(self, trial: FrozenTrial) -> bool:
        return set(trial.params) == set(self._space)

    def propose(self, at_random: bool) -> FrozenTrial:
        """A new trial: by the tree-structured Parzen estimator (Bergstra et al. 2011), or drawn at random."""
        seed = (self._seed * 1_000_003 + len(self.all)) % 2**32
        sampler: BaseSampler = RandomSampler(seed=seed) if at_random else TPESampler(seed=seed)
        self._study.sampler = sampler
        number = self._study.ask(self._space).number
        return self.all[number]

    def finish(self, trial: FrozenTrial, score: float) -> None:
        """Record the score of a trial."""
        self._study.tell(trial.number, score)

    def fail(self, trial: FrozenTrial) -> None:
        """Record that a trial has no score."""
        self._study.tell(trial.number, state=TrialState.FAIL)


def _study(folder: Path) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = JournalStorage(JournalFileBackend(str(folder / STORAGE)))
    return optuna.create_study(storage=storage, study_name=_NAME, direction="maximize", load_if_exists=True)


def _repair(file: Path) -> None:
    """Remove what a killed process has left: Optuna's lock, and the beginning of a line."""
    file.with_name(f"{file.name}.lock").unlink(missing_ok=True)
    if file.exists():
        text = file.read_bytes()
        if not text.endswith(b"\n"):
            with file.open("r+b") as out:
                out.truncate(text.rfind(b"\n") + 1)
