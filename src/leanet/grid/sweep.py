"""Run a grid: give batches to the launcher, record failures, and print a line for each finished run."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from hydra.core.utils import JobStatus
from tqdm import tqdm

from leanet.errors import LeanetError
from leanet.grid.ctrl_c import raise_if_pressed
from leanet.grid.plan import (
    FAILURE,
    LOG,
    Job,
    State,
    failure_of,
    forget_failure,
    note_failure,
    state_of,
)
from leanet.grid.worker import DiedError, FailedError
from leanet.progress import is_due, progress

_POLL_SECONDS = 0.5
_TAIL = 1_000  # bytes of a log in which its last line is

Order = Callable[[Sequence[Job]], list[list[Job]]]
Shown = Callable[[dict[str, Any]], str]


class Launch(Protocol):
    """Hydra's `Launcher.launch`: starts jobs from their overrides, and returns the outcome of each."""

    def __call__(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[Any]: ...


def _test_scores(result: dict[str, Any]) -> str:
    return f"F1 {result['f1']:.3f}  AUROC {result['auroc']:.3f}"


class Sweep:
    """Runs the open jobs of a grid, and records their outcomes.

    A failed job does not stop the others. If a launcher loses its workers, the unfinished jobs are launched again; if
    that happens a second time, one by one, so that the job that causes it is found.

    Args:
        jobs: of the grid, finished or not.
        launch: of Hydra's launcher.
        order: divides jobs into batches, such as `batches`.
        label: of the progress bar.
        shown: the scores in the line of a finished run, from its result.json.
    """

    def __init__(
        self, jobs: Sequence[Job], launch: Launch, order: Order, label: str = "grid", shown: Shown = _test_scores
    ) -> None:
        self.jobs = jobs
        self._label, self._shown = label, shown
        self._order = order
        self._launch = launch
        self._launched = 0
        self._crashes = 0

    def work(self) -> None:
        """Run all jobs that are open or failed before. Jobs whose process died are tried again.

        They are tried first together, since the machine may have failed, then one by one, since the memory may not have
        been enough for all.
        """
        todo = [job for job in self.jobs if state_of(job.run) in (State.OPEN, State.FAILED)]
        with self._progress(todo):
            died = [job for batch in self._order(todo) for job in self._do(batch)]
            if len(died) > 1:
                died = self._do(died)
            for job in died:
                self._do([job])

    def _do(self, batch: Sequence[Job]) -> list[Job]:
        """Launch a batch, record failures, and return the jobs whose process died."""
        first, self._launched = self._launched, self._launched + len(batch)
        try:
            outcomes = self._launch([list(job.words) for job in batch], initial_job_idx=first)
        except Exception as error:  # of the launcher itself: its workers and their outcomes are lost
            raise_if_pressed()
            return self._after_a_crash(batch, error)
        return [job for job, outcome in zip(batch, outcomes, strict=True) if self._note(job, outcome)]

    def _note(self, job: Job, outcome: Any) -> bool:
        """Record the outcome of a job, unless it did so itself; True if its process died."""
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
    def _progress(self, jobs: Sequence[Job]) -> Iterator[None]:
        """A context that prints a line for each run that finishes or fails, on any machine, above a progress bar."""
        over = threading.Event()
        with progress(label=self._label, total=len(jobs), unit="run", dynamic_ncols=True) as bar:
            watcher = threading.Thread(target=_watch, args=(list(jobs), bar, over, self._shown), daemon=True)
            watcher.start()
            try:
                yield
            finally:
                over.set()
                watcher.join()


def _watch(jobs: list[Job], bar: "tqdm[Any]", over: threading.Event, shown: Shown) -> None:
    waiting, done = [(job, _stamp(job)) for job in jobs], 0
    while waiting:
        last = over.wait(_POLL_SECONDS)  # first, so that runs that ended just before are still reported
        still = []
        for job, before in waiting:
            if job.run.is_done:
                done += 1
                bar.update()
                tqdm.write(f"{_line(job, shown)}  ({done}/{len(jobs)})")
                continue
            stamp = _stamp(job)
            if stamp not in (before, None):
                tqdm.write(_line(job, shown))
            still.append((job, stamp))  # may be tried again
        waiting = still
        if last:
            return
        if is_due(bar):
            bar.set_postfix_str(_newest_line([job for job, _ in waiting]), refresh=False)
            bar.update(0)


def _newest_line(jobs: Sequence[Job]) -> str:
    """The last line that any of the runs wrote to its log: how far its training is."""
    times = {}
    for job in jobs:
        with suppress(FileNotFoundError):
            times[job.run.folder / LOG] = (job.run.folder / LOG).stat().st_mtime
    if not times:
        return ""
    with max(times, key=lambda log: times[log]).open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL))
        lines = log.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _stamp(job: Job) -> int | None:
    """A number that changes when a failure of the job is recorded; None without a failure."""
    with suppress(FileNotFoundError):
        return (job.run.folder / FAILURE).stat().st_mtime_ns
    return None


def _line(job: Job, shown: Shown) -> str:
    run = job.run
    name = f"{run.settings.dataset_name}  {run.model}  fold {run.fold}/{run.settings.folds}"
    try:
        result = run.result
    except LeanetError as error:  # a damaged result must not stop the watcher
        return f"{name}  {error}"
    if result is not None:
        return f"{name}  {shown(result)}"
    return f"{name}  failed: {(failure_of(run) or {}).get('reason', 'tried again')}"
