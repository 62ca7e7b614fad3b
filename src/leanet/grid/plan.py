"""The plan of a grid: the state of its runs, and the order in which to do them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from leanet.grid.products import Words
from leanet.runs.cell import Cell
from leanet.runs.run import Run
from leanet.storage.files import read_json, write_json

TRIES = 2  # a run that failed as often with the same reason is not tried again
FAILURE = "failure.json"
LOG = "log.txt"  # the output of a run, in its folder


@dataclass(frozen=True)
class Job:
    """One run of a grid.

    Args:
        words: the overrides that start it: `python -m leanet.train WORDS`.
        run: the run.
        images: the number of images in its dataset.
        normals: the number of normal images.
    """

    words: Words
    run: Run
    images: int
    normals: int

    @property
    def pixels(self) -> int:
        """The pixels of all images in a batch."""
        return self.run.settings.trainer.batch_size * self.run.settings.image_size**2


def jobs_of(words: Words, cell: Cell) -> list[Job]:
    """The jobs of a cell, which is configured by `words`."""
    return [Job(with_fold(words, run.fold), run, cell.images, cell.normals) for run in cell.runs]


def with_fold(words: Words, fold: int) -> Words:
    """The overrides of one fold."""
    return (*(word for word in words if not word.startswith("fold=")), f"fold={fold}")


class State(Enum):
    """The state of a run."""

    DONE = "done"
    OPEN = "not started"
    FAILED = "failed"
    GIVEN_UP = "failed twice the same way"


def state_of(run: Run) -> State:
    """The state of a run, from the files in its folder."""
    if run.is_done:
        return State.DONE
    failure = failure_of(run)
    if failure is None:
        return State.OPEN
    return State.GIVEN_UP if failure["times"] >= TRIES else State.FAILED


def failure_of(run: Run) -> dict[str, Any] | None:
    """The `reason` of the last failure, and how many `times` in a row it occurred; None without a failure."""
    return read_json(run.folder / FAILURE)


def note_failure(run: Run, reason: str) -> None:
    """Record a failure in the run's folder."""
    before = failure_of(run)
    times = before["times"] + 1 if before and before["reason"] == reason else 1
    write_json(run.folder / FAILURE, {"reason": reason, "times": times})


def forget_failure(run: Run) -> None:
    """Remove the record of failures."""
    (run.folder / FAILURE).unlink(missing_ok=True)


def distinct(jobs: Iterable[Job]) -> list[Job]:
    """One job for each run. Overrides without effect, such as the point without attention, give the same run."""
    found: dict[str, Job] = {}
    for job in jobs:
        found.setdefault(job.run.id, job)
    return list(found.values())


def by_maps(jobs: Iterable[Job]) -> dict[Path, list[Job]]:
    """Group the jobs whose maps are made by leanet by the folder of their maps."""
    found: defaultdict[Path, list[Job]] = defaultdict(list)
    for job in jobs:
        if job.run.settings.makes_maps:
            found[job.run.maps_folder].append(job)
    return dict(found)


def as_listed(jobs: Sequence[Job]) -> list[list[Job]]:
    """The order of the grid's products, in which a run may wait for maps that another one makes."""
    return [list(jobs)] if jobs else []


def batches(jobs: Sequence[Job], seconds: Callable[[Job], float | None]) -> list[list[Job]]:
    """An order in which no run waits for maps that another one makes.

    The first batch has one run for each folder of missing maps, and all runs that need no missing maps. The second one
    has all others. In a batch, runs of long expected duration come first, so that none is left alone at the end.

    Args:
        jobs: the runs.
        seconds: returns the expected duration of a run; None if unknown.

    Returns:
        one or two batches.
    """
    unmade = [[job for job in sharing if not job.run.maps_file.exists()] for sharing in by_maps(jobs).values()]
    leaders = {sharing[0].run.id for sharing in unmade if sharing}
    waiting = {job.run.id for sharing in unmade for job in sharing} - leaders

    def urgency(job: Job) -> tuple[bool, float]:
        return job.run.id not in leaders, -(seconds(job) or 0.0)

    first = sorted((job for job in jobs if job.run.id not in waiting), key=urgency)
    rest = sorted((job for job in jobs if job.run.id in waiting), key=urgency)
    return [batch for batch in (first, rest) if batch]
