"""The paper's tables filled with finished runs, its own numbers beside ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from leanet.report.cells import Cell, best_points
from leanet.report.figure_texts import NOTHING, FigureTexts, is_whole
from leanet.report.lifts import PLAIN, Versus
from leanet.report.paper import PaperRow, PaperTable, Published
from leanet.report.tables import Table

if TYPE_CHECKING:
    from pandas import DataFrame

LOSSES = {"none": "", "weights": ", balanced loss", "prior": ", prior-adjusted loss"}  # by trainer.balance
PLACE = ["dataset", "row", "details"]  # the columns that say where in a table a cell stands

Row = tuple[str, str]  # a model without its point, and what tells it from others of the name
Mark = Callable[[str, int], str]  # a text and its rank, 1 or 2 → the text, marked
MARKS: dict[str, Mark] = {  # best and second best; CSV marks neither
    "md": lambda text, rank: f"**{text}**" if rank == 1 else f"*{text}*",
    "tex": lambda text, rank: f"\\textbf{{{text}}}" if rank == 1 else f"\\underline{{{text}}}",
    "csv": lambda text, rank: text,
}


def belonging(folds: DataFrame, paper: PaperTable) -> DataFrame:
    """The folds that have a place in the paper's table: of its rows, or of such that were trained with another loss."""
    rows = {row.model for row in paper.rows}
    return folds[folds["dataset_name"].isin(paper.datasets) & folds["paper_row"].isin(rows)]


class PaperLayout:
    """A table of the paper with our cells in its places; rows with other settings follow those of the paper.

    Args:
        folds: of one table, in which all lifts are compared.
        datasets: the columns that are wanted; None: all of the table's.
    """

    def __init__(
        self, paper: PaperTable, folds: DataFrame, versus: Versus = PLAIN, datasets: Sequence[str] | None = None
    ) -> None:
        self._paper, self._texts = paper, FigureTexts(folds, versus)
        cells = belonging(self._texts.cells, paper)
        self._datasets: dict[str, str] = {}  # as reports call them, each with its name in the paper
        for name in paper.datasets:
            labels = sorted(set(cells["dataset"][cells["dataset_name"] == name])) or [name]  # may be several sets
            self._datasets |= {label: name for label in labels if datasets is None or {label, name} & {*datasets}}
        self._rows = cells.drop_duplicates(["row", "details"])
        cells = cells[cells["dataset"].isin(self._datasets)]
        best = best_points(cells, *PLACE)
        self._best = dict(zip(best[PLACE].itertuples(index=False, name=None), best.itertuples(), strict=True))
        self._points = {place: list(members.itertuples()) for place, members in cells.groupby(PLACE)}

    def table(self, figures: Sequence[str], mark: Mark, only_filled: bool = False) -> Table:
        """Header and rows of texts: for each dataset ours in `figures`, and the paper's F1; the best are marked.

        Args:
            only_filled: whether to leave out the datasets and rows of which nothing is done.
        """
        filled = {dataset for dataset, *_ in self._best}, {(row, details) for _, row, details in self._best}
        datasets = [name for name in self._datasets if not only_filled or name in filled[0]]
        ranks = {dataset: self._ranks(dataset) for dataset in datasets}
        header, rows = ["", "parameters (M)", "paper's (M)"], []
        for dataset in datasets:
            header += [f"{dataset} {figure}" for figure in [*figures, "paper's F1"]]
        for label, row, of_paper in self._labels():
            if only_filled and row not in filled[1]:
                continue
            counts = [counted(cell) for place, cell in self._best.items() if place[1:] == row]
            texts = [label, next((count for count in counts if count != NOTHING), NOTHING)]
            texts.append(f"{of_paper.parameters:g}" if of_paper else NOTHING)
            for dataset in datasets:
                for figure in figures:
                    text, rank = self._text((dataset, *row), figure), ranks[dataset].get(row)
                    texts.append(mark(text, rank) if rank and figure == "f1" else text)
                published = self._paper.cells.get((self._datasets[dataset], of_paper.model)) if of_paper else None
                texts.append(paper_text(published))
            rows.append(texts)
        return header, rows

    def _labels(self) -> Iterator[tuple[str, Row, PaperRow | None]]:
        """The rows: a label, ours, and the paper's, which has none with another loss."""
        for row in self._paper.rows:
            for balance, words in LOSSES.items():
                ours = self._rows[(self._rows["paper_row"] == row.model) & (self._rows["balance"] == balance)]
                names = list(zip(ours["row"], ours["details"], strict=True))
                for name in names or ([(row.model, "")] if balance == "none" else []):
                    yield row.label + words + name[1], name, row if balance == "none" else None

    def _text(self, place: tuple[Any, ...], figure: str) -> str:
        return self._texts.of(self._best[place], figure, self._points[place]) if place in self._best else NOTHING

    def _ranks(self, dataset: str) -> dict[Row, int]:
        """The rows with the best and the second-best F1, among those that are whole; none if there is one."""
        whole = {
            (place[1], place[2]): round(cell.mean_f1, 3)
            for place, cell in self._best.items()
            if place[0] == dataset and is_whole(cell, self._points[place])
        }
        best = sorted(set(whole.values()), reverse=True)[:2]
        return {row: best.index(f1) + 1 for row, f1 in whole.items() if len(whole) > 1 and f1 in best}


def counted(cell: Cell) -> str:
    """A cell's trainable parameters in millions; older runs did not count them."""
    return f"{cell.parameters / 1e6:.1f}" if cell.parameters > 0 else NOTHING


def paper_text(number: Published | None) -> str:
    """A number of the paper as it is printed there: 0.948 ± 0.039 (4)."""
    if number is None:
        return NOTHING
    return f"{number.f1:.3f} ± {number.sd:.3f}{f' ({number.point})' if number.point else ''}"
