"""The paper's tables with the results of finished runs beside the paper's."""

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
PLACE = ["dataset", "row", "details"]  # the columns that determine a cell's place in a table

Row = tuple[str, str]  # a model without its point, and its details
Mark = Callable[[str, int], str]  # marks a text by its rank, 1 or 2
MARKS: dict[str, Mark] = {  # for the best and second best; none in CSV
    "md": lambda text, rank: f"**{text}**" if rank == 1 else f"*{text}*",
    "tex": lambda text, rank: f"\\textbf{{{text}}}" if rank == 1 else f"\\underline{{{text}}}",
    "csv": lambda text, rank: text,
}
ENDINGS = ("md", "csv", "tex")
MEANINGS = {  # of the marks
    "md": "**Bold**: the best F1 of a dataset; *italic*: the second best.",
    "tex": "Bold: the best F1 of a dataset; underlined: the second best.",
}


def belonging(folds: DataFrame, paper: PaperTable) -> DataFrame:
    """The folds of models and datasets in the paper's table, also with another loss."""
    rows = {row.model for row in paper.rows}
    return folds[folds["dataset_name"].isin(paper.datasets) & folds["paper_row"].isin(rows)]


class PaperLayout:
    """A table of the paper with the finished cells in its places. Rows with other settings follow those of the paper.

    Args:
        paper: the paper's table.
        folds: of one table; p-values of lifts are adjusted for all of its cells.
        versus: what lifts compare.
        datasets: the columns to show; None: all datasets of the table.
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

    def has_marks(self, figures: Sequence[str]) -> bool:
        """Whether a table with these scores has marks."""
        return "f1" in figures and any(map(self._ranks, self._datasets))

    def table(self, figures: Sequence[str], mark: Mark, only_filled: bool = False) -> Table:
        """Header and rows of texts: for each dataset the scores and the paper's F1.

        Args:
            figures: the scores, of `leanet.report.choices.COLUMNS`.
            mark: marks the best and the second-best F1.
            only_filled: whether to leave out datasets and rows without finished runs.
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
        """For each row its label, the finished model, and the paper's row; None for another loss."""
        for row in self._paper.rows:
            for balance, words in LOSSES.items():
                ours = self._rows[(self._rows["paper_row"] == row.model) & (self._rows["balance"] == balance)]
                names = list(zip(ours["row"], ours["details"], strict=True))
                for name in names or ([(row.model, "")] if balance == "none" else []):
                    yield row.label + words + name[1], name, row if balance == "none" else None

    def _text(self, place: tuple[Any, ...], figure: str) -> str:
        return self._texts.of(self._best[place], figure, self._points[place]) if place in self._best else NOTHING

    def _ranks(self, dataset: str) -> dict[Row, int]:
        """The rows with the best and the second-best F1 among complete rows; empty if there is only one."""
        whole = {
            (place[1], place[2]): round(cell.mean_f1, 3)
            for place, cell in self._best.items()
            if place[0] == dataset and is_whole(cell, self._points[place])
        }
        best = sorted(set(whole.values()), reverse=True)[:2]
        return {row: best.index(f1) + 1 for row, f1 in whole.items() if len(whole) > 1 and f1 in best}


def counted(cell: Cell) -> str:
    """A cell's trainable parameters in millions; – for older runs, which did not count them."""
    return f"{cell.parameters / 1e6:.1f}" if cell.parameters > 0 else NOTHING


def paper_text(number: Published | None) -> str:
    """A result of the paper as printed: 0.948 ± 0.039 (4)."""
    if number is None:
        return NOTHING
    return f"{number.f1:.3f} ± {number.sd:.3f}{f' ({number.point})' if number.point else ''}"
