"""python -m leanet.report: tables, figures and a page of the runs that are done; or W&B told of them."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from leanet.config.checked import read_settings
from leanet.config.command_line import run_command
from leanet.config.path_options import list_as_texts
from leanet.config.rules import BOOLEAN, TEXT, Rule, one_of
from leanet.config.settings import PathSettings
from leanet.errors import LeanetError
from leanet.report import layout
from leanet.report.cell import FinishedCell
from leanet.report.figures.selection import Chosen
from leanet.report.finished import finished_cells, pooled
from leanet.report.lifts import FIGURES, Versus
from leanet.report.paper import TABLES
from leanet.report.wandb.destination import Destination
from leanet.report.written import Wanted, write_tables

WORDS = ("page", "wandb")  # what may stand without a value

_CHOICES = (*TABLES, "cells")
_FIGURES = (3, 4, 5, 6, "points", "lifts", "curves", "mistakes")
TABLE = Rule(lambda v: v in _CHOICES, ", ".join(map(str, TABLES)) + " or cells")
FIGURE = Rule(lambda v: v in _FIGURES, ", ".join(map(str, _FIGURES[:-1])) + f" or {_FIGURES[-1]}")
NAMES = Rule(
    lambda v: isinstance(v, list) and len(v) > 0 and all(isinstance(name, str) for name in v),
    "a list of names, as in datasets=[strawberry]",
)
COLUMNS = Rule(
    lambda v: isinstance(v, list) and len(v) > 0 and all(part in layout.FIGURES for part in v),
    f"a list of some of {', '.join(layout.FIGURES)}, as in columns=[f1,auroc]",
)
LIFT_OF = one_of(*FIGURES)


@dataclass(frozen=True)
class ReportSettings:
    """The whole of conf/report.yaml."""

    table: Annotated[int | str, TABLE]
    columns: Annotated[list[str] | None, COLUMNS]
    lift_of: Annotated[str, LIFT_OF]
    against: Annotated[str | None, TEXT]
    pool: Annotated[bool, BOOLEAN]
    figure: Annotated[int | str | None, FIGURE]
    page: Annotated[bool, BOOLEAN]
    wandb: Annotated[bool, BOOLEAN]
    push: Destination
    datasets: Annotated[list[str] | None, NAMES]
    models: Annotated[list[str] | None, NAMES]
    trust: Annotated[bool, BOOLEAN]
    paths: PathSettings


def report(config: dict[str, Any]) -> None:
    """Do what is asked for with the finished runs; LeanetError where there are none for it."""
    settings: ReportSettings = read_settings(ReportSettings, config)
    home = Path(settings.paths.runs)
    if settings.wandb:
        from leanet.report.wandb.push import push  # here, since it imports wandb

        return push(home, _chosen(replace(settings, pool=False), home), settings.push)
    cells = _chosen(settings, home)
    versus = _versus(settings, cells)
    chosen = Chosen(home, cells, Path(settings.paths.data), settings.trust, versus=versus)
    if settings.figure is not None:
        from leanet.report.figures.draw import write_figures  # here, since tables do without matplotlib

        return write_figures(replace(chosen, datasets=settings.datasets, models=settings.models), settings.figure)
    if settings.page:
        from leanet.report.page.write import write_page

        return print(f"written: {write_page(chosen)}")
    if not write_tables(home, cells, Wanted(settings.table, settings.columns, settings.datasets, versus)):
        raise LeanetError(f"table={settings.table}: none of its runs is done in {home}; table=cells shows what is")


def _versus(settings: ReportSettings, cells: Sequence[FinishedCell]) -> Versus:
    there = {cell.model.partition("-pos")[0] for cell in cells}
    if settings.against is not None and settings.against not in there:
        raise LeanetError(
            f"against={settings.against}: no run of it is among them; there are {', '.join(sorted(there))}"
        )
    return Versus(settings.lift_of, settings.against)


def _chosen(settings: ReportSettings, home: Path) -> Sequence[FinishedCell]:
    """The finished cells of the datasets and models that are asked for; of all where none are."""
    cells = pooled(finished_cells(home)) if settings.pool else finished_cells(home)
    if not cells:
        raise LeanetError(f"paths.runs={home}: no run is done there")
    for kind, names in (("dataset", ("dataset", "dataset_name")), ("model", ("model",))):
        wanted, there = getattr(settings, f"{kind}s"), {getattr(cell, kind) for cell in cells}
        unknown = sorted({*(wanted or ())} - {getattr(cell, name) for cell in cells for name in names})
        if unknown:
            raise LeanetError(
                f"{kind}s=[{unknown[0]}]: no run of it is done in {home}; there are {', '.join(sorted(there))}"
            )
        cells = [cell for cell in cells if not wanted or {getattr(cell, name) for name in names} & {*wanted}]
    return cells


def main() -> None:
    words = [f"{word}=true" if word in WORDS else word for word in sys.argv[1:]]
    sys.argv[1:] = [list_as_texts(word, frozenset({"datasets", "models"})) for word in words]
    run_command(report, "report", ReportSettings)


if __name__ == "__main__":
    main()
