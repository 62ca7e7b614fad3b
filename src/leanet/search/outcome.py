"""What trials are worth: scores of their validation images, and the table of all trials. No test score is read."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from tabulate import tabulate

from leanet.grid.plan import Job
from leanet.grid.products import Words
from leanet.report.tables import spread
from leanet.storage.files import write_text

TABLE = "trials.csv"  # in the folder of the search


@dataclass(frozen=True)
class Judged:
    """A finished trial.

    words: overrides of the searched settings.
    cell: identity of the cell.
    scores: of the validation images of each fold, 0…1.
    seconds: of all fits, without the making of maps and features.
    """

    number: int
    words: Words
    cell: str
    scores: tuple[float, ...]
    seconds: float

    @property
    def score(self) -> float:
        """The mean over folds, by which trials are compared."""
        return fmean(self.scores)

    def told(self, metric: str, start: "Judged | None", equals: int) -> str:
        """This trial as the best one, beside the settings without search if they were tried.

        Args:
            metric: auroc, ap or f1.
            start: the trial of the settings without search.
            equals: how many other trials have the same score.
        """
        folds = f"mean of {len(self.scores)} folds" if len(self.scores) > 1 else "one fold"
        text = f"best: {' '.join(self.words)}: validation {metric.upper()} {self.score:.3f} ({folds})"
        if equals:
            text += f", the first of {equals + 1} trials with this score"
        if start is None:
            return text
        if start.number == self.number:
            return f"{text}; these are the settings without search"
        return f"{text}; without search: {start.score:.3f}"


def validated(metric: str, result: dict[str, Any]) -> str:
    """The score of a run's validation images for people."""
    return f"validation {metric.upper()} {result['validation'][metric]:.3f}"


def judged(number: int, words: Words, jobs: Sequence[Job], metric: str) -> Judged:
    """A trial whose runs are finished."""
    results = [result for job in jobs if (result := job.run.result)]
    scores = tuple(float(result["validation"][metric]) for result in results)
    return Judged(number, words, jobs[0].run.cell, scores, sum(result["seconds"] for result in results))


def line_of(one: Judged, place: int, trials: int, metric: str) -> str:
    """A line for a trial that has just finished."""
    return f"trial {place}/{trials}  {' '.join(one.words)}  validation {metric.upper()} {spread(one.scores)}"


def table_of(found: Sequence[Judged], metric: str) -> str:
    """All trials, the best ones first: mean ± SD over folds."""
    keys = [word.partition("=")[0] for word in found[0].words]
    rows = [
        [str(one.number), *_values(one), spread(one.scores), f"{one.seconds:.1f}"]
        for one in sorted(found, key=lambda one: (-one.score, one.number))
    ]
    headers = ["trial", *keys, f"validation {metric.upper()}", "seconds"]
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)


def write_table(folder: Path, found: Sequence[Judged], metric: str) -> None:
    """Write trials.csv: the trials in their order, with the score of each fold."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    folds = [f"{metric}_{place}" for place in range(1, len(found[0].scores) + 1)]
    keys = [word.partition("=")[0] for word in found[0].words]
    writer.writerow(["trial", *keys, metric, *folds, "seconds", "cell"])
    for one in found:
        writer.writerow([one.number, *_values(one), round(one.score, 6), *one.scores, round(one.seconds, 3), one.cell])
    write_text(folder / TABLE, out.getvalue())


def _values(one: Judged) -> list[str]:
    return [word.partition("=")[2] for word in one.words]
