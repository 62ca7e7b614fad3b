"""Print and write tables of finished runs: the paper's tables, or all cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from leanet.errors import LeanetError
from leanet.report.cells import cells_of, in_words, shared_of, tables_named
from leanet.report.figure_texts import OF_SEVERAL_POINTS, FigureTexts, notes
from leanet.report.kinds import NOTE, kinds_table
from leanet.report.latex import latex
from leanet.report.lifts import PLAIN, Versus
from leanet.report.paper import paper_table
from leanet.report.paper_layout import ENDINGS, MARKS, MEANINGS, PaperLayout, belonging, counted
from leanet.report.selection import Selection
from leanet.report.tables import Table, comma_separated, markdown
from leanet.storage.files import write_text

if TYPE_CHECKING:
    from pandas import DataFrame

_OF_CELLS = ("f1", "auroc", "ap", "floor", "collapsed", "seconds", "lift")  # the default columns of table=cells


def write_tables(selection: Selection, table: int | str, columns: Sequence[str] | None, siunitx: bool = False) -> bool:
    """Print a table and write it to paths.runs/report. Runs with different shared settings are in different tables.

    Args:
        selection: the finished folds.
        table: the number of one of the paper's tables, `cells` or `kinds`.
        columns: the scores; None: the usual ones.
        siunitx: whether numbers in LaTeX are those of the package siunitx.

    Returns:
        whether any of its runs is finished.
    """
    folds, name, title = selection.folds, str(table), str(table).capitalize()
    if isinstance(table, int):
        folds, name, title = belonging(folds, paper_table(table)), f"table{table}", f"Table {table}"
    written = False
    for file, members in tables_named(name, folds):
        heading = f"{title}: {in_words(shared_of(cells_of(members))[0])}"
        if isinstance(table, int):
            layout = PaperLayout(paper_table(table), members, selection.versus, selection.datasets)
            told = _of_the_paper(layout, columns or ["f1"], members, selection.versus)
        elif table == "kinds":
            told = Told(dict.fromkeys(ENDINGS, kinds_table(members)), [NOTE])
            if not told.tables["md"][1]:
                continue
        else:
            told = of_cells(members, columns, selection.versus)
        texts = told.texts(heading, f"tab:{file}", siunitx)
        print(f"{texts['md'].removeprefix('# ')}\n")
        place = selection.home / "report" / file
        for ending, text in texts.items():
            write_text(Path(f"{place}.{ending}"), text)
        print(f"written: {place}.{{{','.join(texts)}}}\n")
        written = True
    return written


@dataclass(frozen=True)
class Told:
    """A table in each format, by file suffix, and what to know about it."""

    tables: Mapping[str, Table]
    notes: list[str]
    marks: Mapping[str, str] = field(default_factory=dict)  # what marks mean, by file suffix

    def texts(self, heading: str, label: str, siunitx: bool = False) -> dict[str, str]:
        """The content of the files md, csv and tex."""
        notes = {ending: [*filter(None, [self.marks.get(ending)]), *self.notes] for ending in self.tables}
        below = "".join(f"\n\n{note}" for note in notes["md"])
        return {
            "md": f"# {heading}\n\n{markdown(self.tables['md'])}{below}\n",
            "csv": comma_separated(self.tables["csv"]),
            "tex": latex(self.tables["tex"], heading, label, notes["tex"], siunitx),
        }


def _of_the_paper(layout: PaperLayout, figures: Sequence[str], folds: DataFrame, versus: Versus) -> Told:
    """In LaTeX without the rows of which nothing is done, for which a paper has no place."""
    tables = {ending: layout.table(figures, MARKS[ending], only_filled=ending == "tex") for ending in ENDINGS}
    return Told(tables, notes(figures, folds, versus), MEANINGS if layout.has_marks(figures) else {})


def of_cells(folds: DataFrame, columns: Sequence[str] | None = None, versus: Versus = PLAIN) -> Told:
    """A table with a row for each cell.

    Args:
        folds: of one table.
        columns: the scores; None: the usual ones.
        versus: what lifts compare.

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
    return Told(dict.fromkeys(ENDINGS, table), notes(told, folds, versus))
