"""The paper's tables filled with finished runs, its own numbers beside ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leanet.report.cells import Cell, best_points
from leanet.report.figure_texts import NOTHING, FigureTexts, is_whole
from leanet.report.lifts import PLAIN, Versus
from leanet.report.paper import PaperTable, Published
from leanet.report.tables import Table

if TYPE_CHECKING:
    from pandas import DataFrame

LOSSES = {"none": "", "weights": ", balanced loss", "prior": ", prior-adjusted loss"}  # by trainer.balance

Row = tuple[str, str]  # a model without its point, and what tells it from others of the name
Mark = Callable[[str, int], str]  # a text and its rank, 1 or 2 → the text, marked
MARKS: dict[str, Mark] = {  # best and second best; CSV marks neither
    "md": lambda text, rank: f"**{text}**" if rank == 1 else f"*{text}*",
    "tex": lambda text, rank: f"\\textbf{{{text}}}" if rank == 1 else f"\\underline{{{text}}}",
    "csv": lambda text, rank: text,
}


@dataclass(frozen=True)
class Head:
    """A row's label and the paper's count of its parameters in millions.

    model: in the paper; None for a row that it does not have.
    """

    row: Row
    label: str
    parameters: str
    model: str | None


@dataclass(frozen=True)
class PaperLayout:
    """A table of the paper with our cells in its places.

    datasets: the columns, as reports call them, each with its name in the paper.
    best: of each dataset and row, the cell of the best point.
    points: of each dataset and row, the cells of all its points that are there.
    """

    paper: PaperTable
    texts: FigureTexts
    datasets: dict[str, str]
    heads: list[Head]
    best: dict[tuple[str, Row], Cell]
    points: dict[tuple[str, Row], list[Cell]]

    def text(self, dataset: str, row: Row, figure: str) -> str:
        """A figure of ours in one place of the table."""
        place = dataset, row
        return self.texts.of(self.best[place], figure, self.points[place]) if place in self.best else NOTHING

    def table(self, figures: Sequence[str], mark: Mark, only_filled: bool = False) -> Table:
        """Header and rows of texts: for each dataset ours in `figures`, and the paper's F1; the best are marked.

        only_filled: whether to leave out the datasets and rows of which nothing is done.
        """
        filled = {dataset for dataset, _ in self.best}, {row for _, row in self.best}
        datasets = [name for name in self.datasets if not only_filled or name in filled[0]]
        header = ["", "parameters (M)", "paper's (M)"]
        for dataset in datasets:
            header += [f"{dataset} {figure}" for figure in figures] + [f"{dataset} paper's F1"]
        ranks = {dataset: self._ranks(dataset) for dataset in datasets}
        rows = []
        for head in self.heads:
            if only_filled and head.row not in filled[1]:
                continue
            texts = [head.label, self._counted(head.row), head.parameters]
            for dataset in datasets:
                rank = ranks[dataset].get(head.row)
                for figure in figures:
                    text = self.text(dataset, head.row, figure)
                    texts.append(mark(text, rank) if rank and figure == "f1" else text)
                texts.append(paper_text(self.paper.cells.get((self.datasets[dataset], head.model or ""))))
            rows.append(texts)
        return header, rows

    def _counted(self, row: Row) -> str:
        """Our own count of the row's trainable parameters, in millions."""
        counts = [counted(cell) for (_, name), cell in self.best.items() if name == row]
        return next((count for count in counts if count != NOTHING), NOTHING)

    def _ranks(self, dataset: str) -> dict[Row, int]:
        """The rows with the best and the second-best F1, among those that are whole; none if there is one."""
        places = {row: cell for (name, row), cell in self.best.items() if name == dataset}
        whole = {
            row: round(cell.mean_f1, 3) for row, cell in places.items() if is_whole(cell, self.points[dataset, row])
        }
        best = sorted(set(whole.values()), reverse=True)[:2]
        return {row: best.index(f1) + 1 for row, f1 in whole.items() if len(whole) > 1 and f1 in best}


def belonging(folds: DataFrame, paper: PaperTable) -> DataFrame:
    """The folds that have a place in the paper's table: of its rows, or of such that were trained with another loss."""
    rows = {row.model for row in paper.rows}
    return folds[folds["dataset_name"].isin(paper.datasets) & folds["paper_row"].isin(rows)]


def fill(
    paper: PaperTable, folds: DataFrame, versus: Versus = PLAIN, datasets: Sequence[str] | None = None
) -> PaperLayout:
    """Put finished cells into the places of the paper's table; rows with other settings follow those of the paper.

    datasets: the columns that are wanted; None: all of the table's.
    """
    texts = FigureTexts(folds, versus)
    cells = belonging(texts.cells, paper)
    columns: dict[str, str] = {}
    for name in paper.datasets:
        labels = sorted(set(cells["dataset"][cells["dataset_name"] == name])) or [name]  # may be several sets of images
        columns |= {label: name for label in labels if datasets is None or {label, name} & {*datasets}}
    cells = cells[cells["dataset"].isin(columns)]
    points: dict[tuple[str, Row], list[Cell]] = {}
    for cell in cells.itertuples():
        points.setdefault((cell.dataset, (cell.row, cell.details)), []).append(cell)
    best = best_points(cells, "dataset", "row", "details")
    places = {(cell.dataset, (cell.row, cell.details)): cell for cell in best.itertuples()}
    return PaperLayout(paper, texts, columns, _heads(paper, texts.cells), places, points)


def _heads(paper: PaperTable, cells: DataFrame) -> list[Head]:
    heads = []
    rows = cells.drop_duplicates(["row", "details"])
    for row in paper.rows:
        of_row = rows[rows["paper_row"] == row.model]
        for balance, words in LOSSES.items():
            ours = [(cell.row, cell.details) for cell in of_row[of_row["balance"] == balance].itertuples()]
            is_paper = balance == "none"
            heads += [
                Head(
                    name,
                    row.label + words + name[1],
                    f"{row.parameters:g}" if is_paper else NOTHING,
                    row.model if is_paper else None,
                )
                for name in ours or ([(row.model, "")] if is_paper else [])
            ]
    return heads


def counted(cell: Cell) -> str:
    """A cell's trainable parameters in millions; older runs did not count them."""
    return f"{cell.parameters / 1e6:.1f}" if cell.parameters > 0 else NOTHING


def paper_text(number: Published | None) -> str:
    """A number of the paper as it is printed there: 0.948 ± 0.039 (4)."""
    if number is None:
        return NOTHING
    point = f" ({number.point})" if number.point else ""
    return f"{number.f1:.3f} ± {number.sd:.3f}{point}"
