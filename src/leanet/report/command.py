"""python -m leanet.report: the paper's tables, or all cells, of the runs that are done."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tabulate import tabulate

from leanet import command
from leanet.errors import LeanetError
from leanet.report import layout
from leanet.report.finished import Facts, FinishedCell, differences, finished_cells, tables_of
from leanet.report.paper import TABLES, paper_table
from leanet.report.tables import spread
from leanet.settings import TEXT, Rule, read_settings
from leanet.store import write_text

_OF_A_CELL = ("auroc", "ap", "floor", "collapsed", "seconds")
_CHOICES = (*TABLES, "cells")
TABLE = Rule(lambda v: v in _CHOICES, ", ".join(map(str, TABLES)) + " or cells")
COLUMNS = Rule(
    lambda v: isinstance(v, list) and len(v) > 0 and all(part in layout.FIGURES for part in v),
    f"a list of some of {', '.join(layout.FIGURES)}, as in columns=[f1,auroc]",
)


@dataclass(frozen=True)
class RunPaths:
    runs: Annotated[str, TEXT]


@dataclass(frozen=True)
class ReportSettings:
    """The whole of conf/report.yaml."""

    table: Annotated[int | str, TABLE]
    columns: Annotated[list[str], COLUMNS]
    paths: RunPaths


@dataclass(frozen=True)
class Page:
    """A table in the formats it is written in: by the file's ending, its text."""

    heading: str
    texts: dict[str, str]


def report(config: dict[str, Any]) -> None:
    """Print the table, one for each way in which its runs were trained, and write it beside them."""
    settings: ReportSettings = read_settings(ReportSettings, config)
    home = Path(settings.paths.runs)
    cells = finished_cells(home)
    pages = _pages(settings, cells)
    if not pages:
        raise LeanetError(_nothing(settings, home, cells))
    for name, page in pages.items():
        print(f"{page.heading}\n\n{page.texts['md']}\n")
        for ending, text in page.texts.items():
            write_text(
                home / "report" / f"{name}.{ending}", text if ending != "md" else f"# {page.heading}\n\n{text}\n"
            )
        print(f"written: {home / 'report' / name}.{{{','.join(page.texts)}}}\n")


def _nothing(settings: ReportSettings, home: Path, cells: Sequence[FinishedCell]) -> str:
    if not cells:
        return f"paths.runs={home}: no run is done there"
    return f"table={settings.table}: none of its runs is done in {home}; table=cells shows what is"


def _pages(settings: ReportSettings, cells: Sequence[FinishedCell]) -> dict[str, Page]:
    make: Callable[[Sequence[FinishedCell]], dict[str, str]]
    if isinstance(settings.table, int):
        paper = paper_table(settings.table)
        rows = {row.model for row in paper.rows}
        cells = [cell for cell in cells if cell.dataset in paper.datasets and cell.row in rows]
        name, title = f"table{settings.table}", f"Table {settings.table}"

        def make(members: Sequence[FinishedCell]) -> dict[str, str]:
            filled = layout.fill(paper, members)
            formats = {"md": layout.markdown, "csv": layout.comma_separated, "tex": layout.latex}
            return {ending: to_text(filled, settings.columns) for ending, to_text in formats.items()}
    else:
        name, title = "cells", "Cells"

        def make(members: Sequence[FinishedCell]) -> dict[str, str]:
            return {"md": all_cells(members)}

    groups = tables_of(cells)
    differing = differences([shared for shared, _ in groups])
    return {
        "-".join([name, *(f"{_short(fact)}{shared[fact]}" for fact in differing)]): Page(
            f"{title}: {_said(shared)}", make(members)
        )
        for shared, members in groups
    }


def _said(shared: Facts) -> str:
    return ", ".join(f"{_short(name)} {value}" for name, value in shared.items())


def _short(name: str) -> str:
    return name.rpartition(".")[2].removeprefix("max_")


def all_cells(cells: Sequence[FinishedCell]) -> str:
    """A row for each cell, with every figure."""
    rows = []
    for cell in cells:
        point = f"@{cell.point}" if cell.point else ""
        folds = f"{len(cell.results)}/{cell.folds}"
        figures = [layout.Entry(cell, [cell]).text(figure) for figure in _OF_A_CELL]
        rows.append([cell.dataset, cell.row + point, folds, spread(cell.values("f1")), *figures])
    header = ["dataset", "model", "folds", "f1", *_OF_A_CELL]
    return tabulate(rows, headers=header, tablefmt="github", disable_numparse=True)


def main() -> None:
    command.run(report, "report", ReportSettings)


if __name__ == "__main__":
    main()
