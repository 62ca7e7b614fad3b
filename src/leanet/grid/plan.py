"""What there is to do of a grid: its runs by what became of them, in the order in which to do them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from leanet.grid.products import Words
from leanet.runs.run import Run
from leanet.storage.files import read_json, write_json

TRIES = 2  # a run that fails as often in the same way is left alone
FAILURE = "failure.json"
LOG = "log.txt"  # what a run printed, in its folder


@dataclass(frozen=True)
class Job:
    """A run, the words that start it (`python -m leanet.train WORDS`), and how many images its dataset has.

    normals: how many of the images are negatives.
    """

    words: Words
    run: Run
    images: int
    normals: int


class State(Enum):
    """What became of a run so far."""

    DONE = "done"
    OPEN = "not started"
    FAILED = "failed"
    GIVEN_UP = "failed twice the same way"


def state_of(run: Run) -> State:
    """By the files in the run's folder."""
    if run.is_done:
        return State.DONE
    failure = failure_of(run)
    if failure is None:
        return State.OPEN
    return State.GIVEN_UP if failure["times"] >= TRIES else State.FAILED


def failure_of(run: Run) -> dict[str, Any] | None:
    """The `reason` of the last failure, and how many `times` in a row it was the same."""
    return read_json(run.folder / FAILURE)


def note_failure(run: Run, reason: str) -> None:
    before = failure_of(run)
    times = before["times"] + 1 if before and before["reason"] == reason else 1
    write_json(run.folder / FAILURE, {"reason": reason, "times": times})


def forget_failure(run: Run) -> None:
    (run.folder / FAILURE).unlink(missing_ok=True)


def distinct(jobs: Iterable[Job]) -> list[Job]:
    """One job for each run: words that come to the same (another point, where there is no attention) are one run."""
    found: dict[str, Job] = {}
    for job in jobs:
        found.setdefault(job.run.id, job)
    return list(found.values())


def by_maps(jobs: Iterable[Job]) -> dict[Path, list[Job]]:
    """The jobs whose maps are made here, by the folder of their maps."""
    found: defaultdict[Path, list[Job]] = defaultdict(list)
    for job in jobs:
        if job.run.settings.makes_maps:
            found[job.run.maps_folder].append(job)
    return dict(found)


def as_listed(jobs: Sequence[Job]) -> list[list[Job]]:
    """The order of the grid's products: a run may wait for the maps that another makes."""
    return [list(jobs)] if jobs else []


def batches(jobs: Sequence[Job], seconds: Callable[[Job], float | None]) -> list[list[Job]]:
    """The order of work: one run for each folder of maps that is not made, and those that need none; then all others.

    So no run waits for the maps that another makes, by a colorizer or by features. Within a batch long fits, by their
    expected `seconds`, come first, so that none is left alone at the end; of unknown ones the order stays.
    """
    unmade = [[job for job in sharing if not job.run.maps_file.exists()] for sharing in by_maps(jobs).values()]
    leaders = {sharing[0].run.id for sharing in unmade if sharing}
    waiting = {job.run.id for sharing in unmade for job in sharing} - leaders

    def urgency(job: Job) -> tuple[bool, float]:
        return job.run.id not in leaders, -(seconds(job) or 0.0)

    first = sorted((job for job in jobs if job.run.id not in waiting), key=urgency)
    rest = sorted((job for job in jobs if job.run.id in waiting), key=urgency)
    return [batch for batch in (first, rest) if batch]
