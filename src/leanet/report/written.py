"""Tables of finished runs, printed and written: the paper's, or all cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from leanet.errors import LeanetError
from leanet.report import layout
from leanet.report.cell import FinishedCell
from leanet.report.finished import said, tables_named
from leanet.report.lifts import PLAIN, Versus, lifts
from leanet.report.paper import paper_table
from leanet.report.tables import FORMATS, pooled_spread
from leanet.storage.files import write_text

_OF_SEVERAL_POINTS = ("left_out", "nested")
_OF_CELLS = ("f1", "auroc", "ap", "floor", "collapsed", "seconds", "lift")  # of table=cells, where none are named


@dataclass(frozen=True)
class Page:
    """A table in the formats it is written in: by the file's ending, its text."""

    heading: str
    texts: dict[str, str]


@dataclass(frozen=True)
class Wanted:
    """Which table: one of the paper's by its number, or `cells`; with which figures, of which datasets.

    columns, datasets: None for the usual figures, and for all datasets.
    """

    table: int | str
    columns: Sequence[str] | None = None
    datasets: Sequence[str] | None = None
    versus: Versus = PLAIN


def write_tables(home: Path, cells: Sequence[FinishedCell], wanted: Wanted) -> bool:
    """Print the table, one for each way in which its runs were trained, and write it to `home`/report.

    Returns: whether any of its runs is done.
    """
    pages = _pages(cells, wanted)
    for name, page in pages.items():
        print(f"{page.heading}\n\n{page.texts['md']}\n")
        for ending, text in page.texts.items():
            write_text(
                home / "report" / f"{name}.{ending}", text if ending != "md" else f"# {page.heading}\n\n{text}\n"
            )
        print(f"written: {home / 'report' / name}.{{{','.join(page.texts)}}}\n")
    return bool(pages)


def _pages(cells: Sequence[FinishedCell], wanted: Wanted) -> dict[str, Page]:
    name, title, make = "cells", "Cells", of_cells
    if isinstance(wanted.table, int):
        paper = paper_table(wanted.table)
        cells = [cell for cell in cells if layout.belongs(cell, paper)]
        name, title, make = f"table{wanted.table}", f"Table {wanted.table}", _of_the_paper
    return {
        file: Page(f"{title}: {said(members[0].shared)}", make(members, wanted))
        for file, members in tables_named(name, cells)
    }


def _of_the_paper(cells: Sequence[FinishedCell], wanted: Wanted) -> dict[str, str]:
    assert isinstance(wanted.table, int)
    figures = wanted.columns or ["f1"]
    filled = layout.fill(paper_table(wanted.table), cells, wanted.versus, wanted.datasets)
    texts = {ending: to_text(layout.marked(filled, figures, ending)) for ending, to_text in FORMATS.items()}
    return _with_notes(texts, layout.notes(figures, cells, wanted.versus))


def of_cells(cells: Sequence[FinishedCell], wanted: Wanted) -> dict[str, str]:
    """A row for each cell."""
    lift_of = lifts(cells, wanted.versus)
    thresholded = ["thresholded"] if any(cell.by_fold("thresholded") for cell in cells) else []
    figures = wanted.columns or [*_OF_CELLS, *thresholded]
    for figure in _OF_SEVERAL_POINTS:
        if figure in figures:
            raise LeanetError(f"columns=[{figure}]: it chooses among points, and table=cells has a row for each point")
    rows = []
    for cell in cells:
        parameters = f"{cell.parameters / 1e6:.1f}" if cell.parameters else layout.NOTHING
        entry = layout.Entry(cell, [cell], lift_of.get(cell.id))
        texts = [pooled_spread(cell.repeats("f1")) if figure == "f1" else entry.text(figure) for figure in figures]
        rows.append([cell.dataset, cell.model, parameters, f"{cell.done}/{cell.folds}", *texts])
    table = ["dataset", "model", "parameters (M)", "folds", *figures], rows
    told = [figure for figure in figures if figure in (wanted.columns or ["lift", "thresholded"])]
    notes = layout.notes([figure for figure in told if figure not in ("f1", "lift") or lift_of], cells, wanted.versus)
    return _with_notes({ending: to_text(table) for ending, to_text in FORMATS.items()}, notes)


def _with_notes(texts: dict[str, str], notes: Sequence[str]) -> dict[str, str]:
    md = texts["md"] + "".join(f"\n\n{note}" for note in notes)
    return {**texts, "md": md, "tex": texts["tex"] + "".join(f"% {note}\n" for note in notes)}
