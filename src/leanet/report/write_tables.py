"""Tables of finished runs, printed and written: the paper's, or all cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from leanet.errors import LeanetError
from leanet.report.cells import cells_of, said, shared_of, tables_named
from leanet.report.figure_texts import OF_SEVERAL_POINTS, FigureTexts, notes
from leanet.report.lifts import PLAIN, Versus
from leanet.report.paper import paper_table
from leanet.report.paper_layout import MARKS, PaperLayout, belonging, counted
from leanet.report.tables import FORMATS
from leanet.storage.files import write_text

if TYPE_CHECKING:
    from pandas import DataFrame

_OF_CELLS = ("f1", "auroc", "ap", "floor", "collapsed", "seconds", "lift")  # of table=cells, where none are named


@dataclass(frozen=True)
class Wanted:
    """Which table: one of the paper's by its number, or `cells`; with which figures, of which datasets.

    columns, datasets: None for the usual figures, and for all datasets.
    """

    table: int | str
    columns: Sequence[str] | None = None
    datasets: Sequence[str] | None = None
    versus: Versus = PLAIN


def write_tables(home: Path, folds: DataFrame, wanted: Wanted) -> bool:
    """Print the table, one for each way in which its runs were trained, and write it to `home`/report.

    Returns:
        whether any of its runs is done.
    """
    name, title = "cells", "Cells"
    if isinstance(wanted.table, int):
        folds = belonging(folds, paper_table(wanted.table))
        name, title = f"table{wanted.table}", f"Table {wanted.table}"
    for file, members in tables_named(name, folds):
        heading = f"{title}: {said(shared_of(cells_of(members))[0])}"
        texts = of_cells(members, wanted) if wanted.table == "cells" else _of_the_paper(members, wanted)
        print(f"{heading}\n\n{texts['md']}\n")
        for ending, text in texts.items():
            write_text(home / "report" / f"{file}.{ending}", text if ending != "md" else f"# {heading}\n\n{text}\n")
        print(f"written: {home / 'report' / file}.{{{','.join(texts)}}}\n")
    return not folds.empty


def _of_the_paper(folds: DataFrame, wanted: Wanted) -> dict[str, str]:
    assert isinstance(wanted.table, int)
    figures = wanted.columns or ["f1"]
    layout = PaperLayout(paper_table(wanted.table), folds, wanted.versus, wanted.datasets)
    texts = {ending: to_text(layout.table(figures, MARKS[ending])) for ending, to_text in FORMATS.items()}
    return _with_notes(texts, notes(figures, folds, wanted.versus))


def of_cells(folds: DataFrame, wanted: Wanted) -> dict[str, str]:
    """A row for each cell, as text by its ending; LeanetError for figures that choose among points."""
    texts = FigureTexts(folds, wanted.versus)
    figures = wanted.columns or [*_OF_CELLS, *(["thresholded"] if texts.has("thresholded") else [])]
    for figure in OF_SEVERAL_POINTS:
        if figure in figures:
            raise LeanetError(f"columns=[{figure}]: it chooses among points, and table=cells has a row for each point")
    rows = [
        [cell.dataset, cell.model, counted(cell), f"{cell.done}/{cell.expected}"]
        + [texts.of(cell, figure) for figure in figures]
        for cell in texts.cells.itertuples()
    ]
    table = ["dataset", "model", "parameters (M)", "folds", *figures], rows
    told = [figure for figure in figures if figure in (wanted.columns or ["lift", "thresholded"])]
    told = [figure for figure in told if figure not in ("f1", "lift") or texts.lifts]
    found = notes(told, folds, wanted.versus)
    return _with_notes({ending: to_text(table) for ending, to_text in FORMATS.items()}, found)


def _with_notes(texts: dict[str, str], found: Sequence[str]) -> dict[str, str]:
    md = texts["md"] + "".join(f"\n\n{note}" for note in found)
    return {**texts, "md": md, "tex": texts["tex"] + "".join(f"% {note}\n" for note in found)}
