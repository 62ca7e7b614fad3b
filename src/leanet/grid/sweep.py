"""Doing what there is to do of a grid: batches to the launcher, failures noted, a line for each run that ends."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from hydra.core.utils import JobStatus
from tqdm import tqdm

from leanet.errors import LeanetError
from leanet.grid.plan import (
    FAILURE,
    Job,
    State,
    failure_of,
    forget_failure,
    note_failure,
    state_of,
)
from leanet.grid.worker import DiedError, FailedError

_POLL_SECONDS = 0.5

Order = Callable[[Sequence[Job]], list[list[Job]]]


class Launch(Protocol):
    """Hydra's Launcher.launch: what became of each of the jobs that these words start."""

    def __call__(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[Any]: ...


class Sweep:
    """Does the open jobs of a grid by `launch`, in batches by `order`, and knows what became of them.

    A job that fails costs itself alone. If a launcher loses its workers, what it had not finished is given to it
    again; if that happens a second time, job by job, so that the one to blame is found.
    """

    def __init__(self, jobs: Sequence[Job], launch: Launch, order: Order) -> None:
        self.jobs = jobs
        self._order = order
        self._launch = launch
        self._launched = 0
        self._crashes = 0

    def work(self) -> None:
        """Do all jobs that are open or failed before; those whose process died are tried again.

        First together, since it may have been their machine; then one by one, since they may have been too many.
        """
        todo = [job for job in self.jobs if state_of(job.run) in (State.OPEN, State.FAILED)]
        with _progress(todo):
            died = [job for batch in self._order(todo) for job in self._do(batch)]
            if len(died) > 1:
                died = self._do(died)
            for job in died:
                self._do([job])

    def _do(self, batch: Sequence[Job]) -> list[Job]:
        """Launch `batch`, note failures, and return the jobs whose process died."""
        first, self._launched = self._launched, self._launched + len(batch)
        try:
            outcomes = self._launch([list(job.words) for job in batch], initial_job_idx=first)
        except Exception as error:  # the launcher's own: its workers are gone, and with them its answers
            return self._after_a_crash(batch, error)
        return [job for job, outcome in zip(batch, outcomes, strict=True) if self._note(job, outcome)]

    def _note(self, job: Job, outcome: Any) -> bool:
        """Keep what became of `job`, unless it did so itself; True if its process died."""
        if job.run.is_done:
            forget_failure(job.run)
            return False
        error = outcome._return_value if outcome.status != JobStatus.COMPLETED else None
        if error is None:
            note_failure(job.run, "it ended without a result where one was planned")
        elif not isinstance(error, FailedError):
            note_failure(job.run, str(error) if isinstance(error, LeanetError) else f"{type(error).__name__}: {error}")
        return isinstance(error, DiedError)

    def _after_a_crash(self, batch: Sequence[Job], error: Exception) -> list[Job]:
        left = [job for job in batch if not job.run.is_done]
        if len(batch) == 1:
            for job in left:
                note_failure(job.run, f"the worker that had it is gone ({type(error).__name__})")
            return []
        self._crashes += 1
        parts = [left] if self._crashes == 1 else [[job] for job in left]
        return [job for part in parts for job in self._do(part)]


@contextmanager
def _progress(jobs: Sequence[Job]) -> Iterator[None]:
    """While it lasts, a line for each run of `jobs` that is done or fails, wherever it ran, above a bar for all."""
    over = threading.Event()
    with tqdm(total=len(jobs), unit="run", disable=None, dynamic_ncols=True) as bar:
        watcher = threading.Thread(target=_watch, args=(list(jobs), bar, over), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


def _watch(jobs: list[Job], bar: "tqdm[Any]", over: threading.Event) -> None:
    waiting, done = [(job, _stamp(job)) for job in jobs], 0
    while waiting:
        last = over.wait(_POLL_SECONDS)  # first, so that what ended just before is still told
        still = []
        for job, before in waiting:
            if job.run.is_done:
                done += 1
                bar.update()
                tqdm.write(f"{_line(job)}  ({done}/{len(jobs)})")
                continue
            stamp = _stamp(job)
            if stamp not in (before, None):
                tqdm.write(_line(job))
            still.append((job, stamp))  # which may be tried again
        waiting = still
        if last:
            return


def _stamp(job: Job) -> int | None:
    """Changes when a failure of the job is noted."""
    with suppress(FileNotFoundError):
        return (job.run.folder / FAILURE).stat().st_mtime_ns
    return None


def _line(job: Job) -> str:
    run = job.run
    name = f"{run.settings.dataset_name}  {run.model}  fold {run.fold}/{run.settings.folds}"
    try:
        result = run.result
    except LeanetError as error:  # the watcher goes on to the other runs
        return f"{name}  {error}"
    if result is not None:
        return f"{name}  F1 {result['f1']:.3f}  AUROC {result['auroc']:.3f}"
    return f"{name}  failed: {(failure_of(run) or {}).get('reason', 'tried again')}"
