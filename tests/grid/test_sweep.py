"""What a sweep makes of a launcher that fails in every way, with the launcher played."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra.core.utils import JobReturn, JobStatus

from leanet import progress
from leanet.config.effective import settings_of
from leanet.errors import LeanetError
from leanet.grid.plan import LOG, Job, State, as_listed, failure_of, state_of
from leanet.grid.sweep import _POLL_SECONDS, Sweep
from leanet.grid.worker import DiedError, FailedError
from leanet.runs.run import Run
from leanet.storage.files import write_json
from leanet.storage.run_files import RESULT

Configure = Callable[..., dict[str, Any]]
RUNS = 4

NAMES = ("run", "cell", "dataset", "model", "fold", "folds", "image_size")
DONE = {"f1": 1.0, "auroc": 1.0, **dict.fromkeys(NAMES, 1)}  # a result.json


class Launcher:
    """Does each job as `becomes` says for its turn: True, None for no result, or an exception, returned or raised."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = {job.words: job for job in jobs}
        self.becomes: dict[int, list[Any]] = {}
        self.batches: list[list[int]] = []

    def __call__(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        jobs = [self.jobs[tuple(words)] for words in job_overrides]
        assert initial_job_idx == sum(map(len, self.batches))
        self.batches.append([job.run.fold for job in jobs])
        return [self._outcome(job) for job in jobs]

    def _outcome(self, job: Job) -> JobReturn:
        turns = self.becomes.get(job.run.fold, [])
        what = turns.pop(0) if turns else True
        if isinstance(what, KeyboardInterrupt | MemoryError):
            raise what
        outcome = JobReturn()
        outcome.return_value, outcome.status = what, JobStatus.FAILED
        if what is True:
            write_json(job.run.folder / RESULT, DONE)
        if what is True or what is None:
            outcome.status = JobStatus.COMPLETED
        return outcome


@pytest.fixture
def jobs(configure: Configure, tmp_path: Path) -> list[Job]:
    settings = settings_of(configure(tmp_path, "caan=none", f"folds={RUNS}"))
    return [Job((f"fold={fold}",), Run(settings, "0" * 64, fold), 36, 24) for fold in range(1, RUNS + 1)]


def swept(jobs: Sequence[Job], becomes: dict[int, list[Any]]) -> list[list[int]]:
    """The batches, as folds, that a sweep gives to a launcher that does as `becomes` says."""
    launcher = Launcher(jobs)
    launcher.becomes = becomes
    Sweep(jobs, launcher, as_listed).work()
    return launcher.batches


def states(jobs: Sequence[Job]) -> list[State]:
    return [state_of(job.run) for job in jobs]


def test_what_is_done_is_left_out(jobs: list[Job]) -> None:
    write_json(jobs[1].run.folder / RESULT, DONE)
    assert swept(jobs, {}) == [[1, 3, 4]]
    assert swept(jobs, {}) == []


def test_a_failure_costs_itself_alone_and_is_not_tried_forever(jobs: list[Job]) -> None:
    wrong = LeanetError("the loss is not finite")
    assert swept(jobs, {2: [wrong]}) == [[1, 2, 3, 4]]
    assert states(jobs) == [State.DONE, State.FAILED, State.DONE, State.DONE]
    assert failure_of(jobs[1].run) == {"reason": "the loss is not finite", "times": 1}
    assert swept(jobs, {2: [wrong]}) == [[2]]
    assert states(jobs)[1] == State.GIVEN_UP
    assert swept(jobs, {}) == []


def test_another_failure_is_another_try(jobs: list[Job]) -> None:
    swept(jobs, {2: [LeanetError("one thing")]})
    swept(jobs, {2: [ValueError("another")]})
    assert failure_of(jobs[1].run) == {"reason": "ValueError: another", "times": 1}
    swept(jobs, {})
    assert states(jobs) == [State.DONE] * RUNS
    assert failure_of(jobs[1].run) is None


def test_runs_whose_process_died_are_tried_again_together_and_then_alone(jobs: list[Job]) -> None:
    died = DiedError("its process was killed (SIGKILL)")
    assert swept(jobs, {1: [died], 2: [died] * 2, 3: [died] * 3}) == [[1, 2, 3, 4], [1, 2, 3], [2], [3]]
    assert states(jobs) == [State.DONE, State.DONE, State.GIVEN_UP, State.DONE]


def test_one_whose_process_died_is_tried_again_once(jobs: list[Job]) -> None:
    died = DiedError("its process was killed (SIGKILL)")
    assert swept(jobs, {3: [died] * 3}) == [[1, 2, 3, 4], [3]]
    assert states(jobs) == [State.DONE, State.DONE, State.GIVEN_UP, State.DONE]


def test_a_failure_that_the_run_noted_itself_is_not_counted_twice(jobs: list[Job]) -> None:
    swept(jobs, {2: [FailedError("noted by the run")]})
    assert failure_of(jobs[1].run) is None


def test_a_result_that_never_came_is_a_failure(jobs: list[Job]) -> None:
    assert swept(jobs, {1: [None]}) == [[1, 2, 3, 4]]
    assert failure_of(jobs[0].run) == {"reason": "it ended without a result where one was planned", "times": 1}


def test_a_launcher_without_its_workers_gets_the_rest_again(jobs: list[Job]) -> None:
    assert swept(jobs, {3: [MemoryError()]}) == [[1, 2, 3, 4], [3, 4]]
    assert states(jobs) == [State.DONE] * RUNS


def test_a_run_that_takes_every_worker_with_it_is_found(jobs: list[Job]) -> None:
    assert swept(jobs, {2: [MemoryError(), MemoryError(), MemoryError()]}) == [[1, 2, 3, 4], [2, 3, 4], [2], [3], [4]]
    assert states(jobs) == [State.DONE, State.FAILED, State.DONE, State.DONE]
    assert failure_of(jobs[1].run) == {"reason": "the worker that had it is gone (MemoryError)", "times": 1}


def test_ctrl_c_stops(jobs: list[Job]) -> None:
    with pytest.raises(KeyboardInterrupt):
        swept(jobs, {3: [KeyboardInterrupt()]})
    assert states(jobs) == [State.DONE, State.DONE, State.OPEN, State.OPEN]


def test_while_runs_last_the_newest_line_of_their_logs_is_said(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)

    def launch(job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        jobs[2].run.folder.mkdir(parents=True, exist_ok=True)
        (jobs[2].run.folder / LOG).write_text("a warning\nfold 3/4: epoch 2.0 of 9, 00:05 left, loss 0.3\n")
        time.sleep(3 * _POLL_SECONDS)
        return Launcher(jobs)(job_overrides, initial_job_idx)

    Sweep(jobs, launch, as_listed).work()
    said = capsys.readouterr().err.splitlines()
    assert "grid: run 0 of 4, ? left, fold 3/4: epoch 2.0 of 9, 00:05 left, loss 0.3" in said
