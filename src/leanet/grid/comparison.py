"""The models of a grid compared with one of them: a table for each dataset, and which model to use."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import TYPE_CHECKING

from tabulate import tabulate

from leanet.config.differences import differences, flat, short
from leanet.errors import LeanetError
from leanet.grid.costs import Cost, cost_of, short_seconds
from leanet.grid.naming import labels_of, names_of, runs_by_cell
from leanet.grid.plan import Job, State, state_of
from leanet.report.cells import KEY, Key, scores
from leanet.report.lifts import Lift, Versus, lifts
from leanet.report.results import as_table
from leanet.report.statistics import TIE, standard_error
from leanet.report.tables import spread
from leanet.runs.model_name import model_name, size_name
from leanet.runs.run import Run

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Candidate:
    """A model that was cross-validated.

    Args:
        f1: of each fold, 0…1.
        test_shares: of each fold, the share of test images, as `standard_error` has it.
        seconds: per fold.
    """

    name: str
    f1: Sequence[float]
    test_shares: Sequence[float]
    seconds: float

    @property
    def mean(self) -> float:
        """Mean F1 over the folds."""
        return mean(self.f1)


@dataclass(frozen=True)
class Choice:
    """The model to use, the one with the largest mean F1, and the standard error of that mean."""

    chosen: Candidate
    best: Candidate
    error: float

    def is_near(self, f1: float) -> bool:
        """Whether a mean F1 is within one standard error of the best's, or above it."""
        return f1 >= self.best.mean - self.error - TIE

    def __str__(self) -> str:
        cost = f"{short_seconds(self.chosen.seconds)} s per fold"
        if self.chosen is self.best:
            return (
                f"{self.best.name} has the best F1, {self.best.mean:.3f}, and no cheaper model is within one standard "
                f"error ({self.error:.3f}) of it. It takes {cost}."
            )
        return (
            f"{self.chosen.name} is the cheapest model whose F1 is within one standard error ({self.error:.3f}) of the "
            f"best, {self.best.mean:.3f} by {self.best.name}: it has {self.chosen.mean:.3f} and takes {cost}."
        )


def cheapest(candidates: Sequence[Candidate]) -> Choice | None:
    """The cheapest of the candidates, all on the same folds, whose mean F1 is within one standard error of the best's.

    The one-standard-error rule (Breiman, Friedman, Olshen & Stone 1984, Classification and Regression Trees, §3.4.3),
    with the standard error corrected for overlapping training sets. None without candidates, or with a single fold,
    which has no standard error.
    """
    if not candidates:
        return None
    best = max(candidates, key=lambda candidate: (candidate.mean, -candidate.seconds))
    error = standard_error(best.f1, best.test_shares)
    if error is None:
        return None
    at_best = Choice(best, best, error)
    near = [candidate for candidate in candidates if at_best.is_near(candidate.mean)]
    return replace(at_best, chosen=min(near, key=lambda candidate: candidate.seconds))


@dataclass(frozen=True)
class Contender:
    """A cell of the grid, with what is finished of it.

    key: of its cell in the table of finished folds; None while none is finished.
    figures: f1, auroc, floor and test_share of each finished fold.
    is_whole: whether all folds of its table are finished.
    """

    name: str
    runs: list[Run]
    key: Key | None
    figures: dict[str, list[float]]
    cost: Cost | None
    is_whole: bool

    @property
    def folds(self) -> str:
        """5/5, or 3/5, failed."""
        failed = any(state_of(run) in (State.FAILED, State.GIVEN_UP) for run in self.runs)
        return f"{sum(run.is_done for run in self.runs)}/{len(self.runs)}{', failed' if failed else ''}"


def check_against(jobs: Sequence[Job], against: str) -> None:
    """LeanetError unless `against` names one model on each dataset of the grid."""
    told = f"hydra.sweeper.against={against}"
    for members in _tables(jobs).values():
        cells = runs_by_cell(members)
        found: dict[str, list[str]] = {}
        for cell, name in names_of(cells, labels_of(members)).items():
            run = cells[cell][0]
            if model_name(run.settings, rate=False) == against:
                found.setdefault(run.model, []).append(name)
        if not found:
            models = dict.fromkeys(job.run.model for job in members)
            raise LeanetError(f"{told}: no model of this grid; choose from {', '.join(models)}")
        for same in found.values():
            if len(same) > 1:
                raise LeanetError(f"{told}: several models have this name: {', '.join(same)}; keep one of them")


def comparison(jobs: Sequence[Job], against: str, command: Callable[[Job], str]) -> str:
    """A table for each dataset and split, a row for each cell, and the model to use with the `command` that fits it."""
    tables = _tables(jobs)
    return "\n\n".join(
        f"{title}\n\n{_section(members, against, command)}"
        for title, members in zip(_titles(jobs, tables), tables.values(), strict=True)
    )


def _tables(jobs: Sequence[Job]) -> dict[str, list[Job]]:
    """The jobs that have their images and their folds in common."""
    found: dict[str, list[Job]] = {}
    for job in jobs:
        facts = {name: job.run.cell_facts[name] for name in ("images", "split")}
        found.setdefault(json.dumps(facts, sort_keys=True), []).append(job)
    return found


def _titles(jobs: Sequence[Job], tables: dict[str, list[Job]]) -> list[str]:
    """The dataset and size of each table, and of its split what other tables do not share."""
    labels = labels_of(jobs)
    splits = [flat(json.loads(key)["split"]) for key in tables]
    differing = differences(splits)
    titles = []
    for (first, *_), split in zip(tables.values(), splits, strict=True):
        words = [f"{short(name)} {split[name]}" for name in differing if name in split]
        titles.append(", ".join([labels[first.run.fingerprint], size_name(first.run.settings), *words]))
    return titles


def _section(jobs: Sequence[Job], against: str, command: Callable[[Job], str]) -> str:
    folds = as_table((job.run.folder, result) for job in jobs if (result := job.run.result))
    contenders = _contenders(jobs, folds)
    found = {} if folds.empty else lifts(folds, Versus("f1", against))
    devices = [] if folds.empty else sorted(set(map(str, folds["device"])))
    parts = [_table(contenders, found, against), _notes(devices, found)]
    return "\n\n".join([*filter(None, parts), _advice(contenders, jobs, command)])


def _contenders(jobs: Sequence[Job], folds: "DataFrame") -> list[Contender]:
    cells, wanted = runs_by_cell(jobs), {job.run.fold for job in jobs}
    keys = {} if folds.empty else {key[1]: key for key in folds[KEY].itertuples(index=False, name=None)}
    figures = {name: scores(folds, name) for name in ("f1", "auroc", "floor", "test_share") if keys}
    found = []
    for cell, name in names_of(cells, labels_of(jobs)).items():
        runs, key = cells[cell], keys.get(cell)
        values = {figure: list(by_cell[key].values()) for figure, by_cell in figures.items() if key}
        is_whole = {run.fold for run in runs if run.is_done} == wanted
        found.append(Contender(name, runs, key, values, cost_of(runs), is_whole))
    return found


def _table(contenders: Sequence[Contender], found: dict[Key, Lift], against: str) -> str:
    rows = [_row(contender, found) for contender in contenders]
    floors = next((contender.figures["floor"] for contender in contenders if contender.key), None)
    if floors:
        rows.append(["always positive", spread(floors), "0.500", "", "", ""])
    header = ["", "F1", "AUROC", f"F1 less that of {against}", "seconds per fold", "folds"]
    return tabulate(rows, headers=header, tablefmt="github", disable_numparse=True)


def _row(contender: Contender, found: dict[Key, Lift]) -> list[str]:
    if contender.key is None:
        return [contender.name, "", "", "", "", contender.folds]
    figures = [spread(contender.figures[name]) for name in ("f1", "auroc")]
    return [contender.name, *figures, str(found.get(contender.key, "")), str(contender.cost), contender.folds]


def _notes(devices: Sequence[str], found: dict[Key, Lift]) -> str:
    """What the figures are, made on these devices; nothing where there are none."""
    if not devices:
        return ""
    tests = max((lift.tests for lift in found.values()), default=0)
    notes = [
        f"Figures: mean ± SD over folds. Seconds include the making of maps and features, on {' and '.join(devices)}."
    ]
    if tests:
        notes.append(
            "Differences: mean, 95 % interval and p of the corrected resampled t-test; p adjusted for "
            f"{tests} comparison{'s' if tests > 1 else ''} (Holm)."
        )
    return "\n".join(notes)


def _advice(contenders: Sequence[Contender], jobs: Sequence[Job], command: Callable[[Job], str]) -> str:
    """Which model to use, of those that are finished, and the command that fits it."""
    candidates = {
        contender.name: Candidate(contender.name, figures["f1"], figures["test_share"], contender.cost.seconds)
        for contender in contenders
        if contender.is_whole and (figures := contender.figures) and contender.cost
    }
    left = len(contenders) - len(candidates)
    lines = [f"{left} of {len(contenders)} models are not finished and are left out of the following."] if left else []
    choice = cheapest(list(candidates.values()))
    if choice is None:
        reason = "A single fold has no standard error" if candidates else "No model is finished"
        return "\n".join([*lines, f"{reason}, so no model is recommended."])
    chosen = next(contender for contender in contenders if contender.name == choice.chosen.name)
    job = next(job for job in jobs if job.run.cell == chosen.runs[0].cell)
    floor = mean(chosen.figures["floor"])
    if choice.is_near(floor):
        lines.append(f"To call every image positive has F1 {floor:.3f}, within one standard error of the best as well.")
    return "\n".join([*lines, f"{choice} Fit it on all images:\n\n{command(job)}"])
