"""The models of a grid compared with one of them: a table for each dataset, and which model to use."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean

from tabulate import tabulate

from leanet.config.differences import differences, flat, short
from leanet.errors import LeanetError
from leanet.grid.costs import Cost, cost_of
from leanet.grid.naming import labels_of, names_of, runs_by_cell
from leanet.grid.plan import Job, State, state_of
from leanet.report.cell import FinishedCell
from leanet.report.choice import Candidate, cheapest
from leanet.report.finished import cell_of
from leanet.report.lifts import Lift, Versus, at_rate, lifts
from leanet.report.tables import spread
from leanet.runs.run import Run


@dataclass(frozen=True)
class Contender:
    """A cell of the grid, with what is finished of it.

    is_whole: whether all folds of its table are.
    """

    name: str
    runs: list[Run]
    cell: FinishedCell | None
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
            if run.model == at_rate(against, run.settings.positive_rate):
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
        size = f"{first.run.settings.image_size} px"
        titles.append(", ".join([labels[first.run.fingerprint], size, *words]))
    return titles


def _section(jobs: Sequence[Job], against: str, command: Callable[[Job], str]) -> str:
    contenders = _contenders(jobs)
    cells = [contender.cell for contender in contenders if contender.cell]
    found = lifts(cells, Versus("f1", against))
    parts = [_table(contenders, found, against), _notes(cells, found)]
    return "\n\n".join([*filter(None, parts), _advice(contenders, jobs, command)])


def _contenders(jobs: Sequence[Job]) -> list[Contender]:
    cells, wanted = runs_by_cell(jobs), {job.run.fold for job in jobs}
    found = []
    for cell, name in names_of(cells, labels_of(jobs)).items():
        runs = cells[cell]
        results = [(run.folder, result) for run in runs if (result := run.result)]
        is_whole = {run.fold for run in runs if run.is_done} == wanted
        finished = cell_of(cell, results) if results else None
        found.append(Contender(name, runs, finished, cost_of(runs), is_whole))
    return found


def _table(contenders: Sequence[Contender], found: dict[str, Lift], against: str) -> str:
    rows = [_row(contender, found) for contender in contenders]
    floors = next((contender.cell.values("floor") for contender in contenders if contender.cell), None)
    if floors:
        rows.append(["always positive", spread(floors), "0.500", "", "", ""])
    header = ["", "F1", "AUROC", f"F1 less that of {against}", "seconds per fold", "folds"]
    return tabulate(rows, headers=header, tablefmt="github", disable_numparse=True)


def _row(contender: Contender, found: dict[str, Lift]) -> list[str]:
    cell = contender.cell
    if cell is None:
        return [contender.name, "", "", "", "", contender.folds]
    figures = [spread(cell.values(name)) for name in ("f1", "auroc")]
    return [contender.name, *figures, str(found.get(cell.id, "")), str(contender.cost), contender.folds]


def _notes(cells: Sequence[FinishedCell], found: dict[str, Lift]) -> str:
    """What the figures are."""
    if not cells:
        return ""
    devices = sorted({str(result.get("device")) for cell in cells for result in cell.results})
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
        contender.name: Candidate(contender.name, cell.values("f1"), cell.test_shares, contender.cost.seconds)
        for contender in contenders
        if contender.is_whole and (cell := contender.cell) and contender.cost
    }
    left = len(contenders) - len(candidates)
    lines = [f"{left} of {len(contenders)} models are not finished and are left out of the following."] if left else []
    choice = cheapest(list(candidates.values()))
    if choice is None:
        reason = "A single fold has no standard error" if candidates else "No model is finished"
        return "\n".join([*lines, f"{reason}, so no model is recommended."])
    chosen = next(contender for contender in contenders if contender.name == choice.chosen.name)
    job = next(job for job in jobs if job.run.cell == chosen.runs[0].cell)
    floor = mean(chosen.cell.values("floor")) if chosen.cell else 0.0
    if choice.is_near(floor):
        lines.append(f"To call every image positive has F1 {floor:.3f}, within one standard error of the best as well.")
    return "\n".join([*lines, f"{choice} Fit it on all images:\n\n{command(job)}"])
