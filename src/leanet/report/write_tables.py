"""Print and write tables of finished runs: the paper's tables, or all cells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from leanet.errors import LeanetError
from leanet.report.cells import cells_of, in_words, shared_of, tables_named
from leanet.report.figure_texts import OF_SEVERAL_POINTS, FigureTexts, notes
from leanet.report.lifts import PLAIN, Versus
from leanet.report.paper import paper_table
from leanet.report.paper_layout import MARKS, PaperLayout, belonging, counted
from leanet.report.selection import Selection
from leanet.report.tables import FORMATS
from leanet.storage.files import write_text

if TYPE_CHECKING:
    from pandas import DataFrame

_OF_CELLS = ("f1", "auroc", "ap", "floor", "collapsed", "seconds", "lift")  # the default columns of table=cells


def write_tables(selection: Selection, table: int | str, columns: Sequence[str] | None) -> bool:
    """Print a table and write it to paths.runs/report. Runs with different shared settings are in different tables.

    Args:
        selection: the finished folds.
        table: the number of one of the paper's tables, or `cells`.
        columns: the scores; None: the usual ones.

    Returns:
        whether any of its runs is finished.
    """
    folds, name, title = selection.folds, "cells", "Cells"
    if isinstance(table, int):
        folds, name, title = belonging(folds, paper_table(table)), f"table{table}", f"Table {table}"
    for file, members in tables_named(name, folds):
        heading = f"{title}: {in_words(shared_of(cells_of(members))[0])}"
        if isinstance(table, int):
            layout = PaperLayout(paper_table(table), members, selection.versus, selection.datasets)
            texts = _of_the_paper(layout, columns or ["f1"], members, selection.versus)
        else:
            texts = of_cells(members, columns, selection.versus)
        print(f"{heading}\n\n{texts['md']}\n")
        place = selection.home / "report" / file
        for ending, text in texts.items():
            write_text(Path(f"{place}.{ending}"), text if ending != "md" else f"# {heading}\n\n{text}\n")
        print(f"written: {place}.{{{','.join(texts)}}}\n")
    return not folds.empty


def _of_the_paper(layout: PaperLayout, figures: Sequence[str], folds: DataFrame, versus: Versus) -> dict[str, str]:
    texts = {ending: to_text(layout.table(figures, MARKS[ending])) for ending, to_text in FORMATS.items()}
    return _with_notes(texts, notes(figures, folds, versus))


def of_cells(folds: DataFrame, columns: Sequence[str] | None = None, versus: Versus = PLAIN) -> dict[str, str]:
    """A table with a row for each cell.

    Args:
        folds: of one table.
        columns: the scores; None: the usual ones.
        versus: what lifts compare.

    Returns:
        the text by file suffix: md, csv and tex.

    Raises:
        LeanetError: scores that choose among points.
    """
    texts = FigureTexts(folds, versus)
    figures = columns or [*_OF_CELLS, *(["thresholded"] if texts.has("thresholded") else [])]
    for figure in OF_SEVERAL_POINTS:
        if figure in figures:
            raise LeanetError(f"columns=[{figure}]: it chooses among points, and table=cells has a row for each point")
    rows = [
        [cell.dataset, cell.model, counted(cell), f"{cell.done}/{cell.expected}"]
        + [texts.of(cell, figure) for figure in figures]
        for cell in texts.cells.itertuples()
    ]
    table = ["dataset", "model", "parameters (M)", "folds", *figures], rows
    told = [figure for figure in figures if figure in (columns or ["lift", "thresholded"])]
    told = [figure for figure in told if figure not in ("f1", "lift") or texts.lifts]
    return _with_notes({ending: to_text(table) for ending, to_text in FORMATS.items()}, notes(told, folds, versus))


def _with_notes(texts: dict[str, str], found: Sequence[str]) -> dict[str, str]:
    md = texts["md"] + "".join(f"\n\n{note}" for note in found)
    return {**texts, "md": md, "tex": texts["tex"] + "".join(f"% {note}\n" for note in found)}
