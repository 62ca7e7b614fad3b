"""The paper's tables filled with finished runs, its own numbers beside ours; in Markdown, CSV and LaTeX."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import mean

from tabulate import tabulate

from leanet.report.finished import FinishedCell, rows_of
from leanet.report.paper import PaperTable, Published
from leanet.report.statistics import left_out_point
from leanet.report.tables import spread

FIGURES = ("f1", "left_out", "auroc", "ap", "floor", "collapsed", "seconds")


@dataclass(frozen=True)
class Entry:
    """What stands in one place of a table: a row's cell on a dataset, the best of its points where there are several.

    members: the cells of all points of which something is done; one without attention.
    """

    cell: FinishedCell
    members: Sequence[FinishedCell]

    @property
    def f1(self) -> float:
        return mean(self.cell.values("f1"))

    @property
    def is_whole(self) -> bool:
        points = len(self.members) == 5 or self.cell.point is None
        return points and len(self.cell.results) == self.cell.folds

    def text(self, figure: str) -> str:
        """mean ± SD over the folds; of F1 with the point in parentheses, and with what there is if that is not all.

        `left_out` is F1 at points that the fold's own test images had no say in (`left_out_point`); without attention
        there is nothing to choose, and it is F1.
        """
        if figure == "left_out":
            return self._left_out
        values = self.cell.values(figure)
        if figure == "collapsed":
            return str(round(sum(values)))
        if figure != "f1":
            return f"{mean(values):.0f}" if figure == "seconds" else spread(values)
        point = f" ({self.cell.point})" if self.cell.point else ""
        return f"{spread(values)}{point}{'' if self.is_whole else f' [{self._there}]'}"

    @property
    def _left_out(self) -> str:
        if self.cell.point is None:
            return spread(self.cell.values("f1"))
        choice = left_out_point({cell.point: cell.by_fold("f1") for cell in self.members if cell.point})
        return spread(list(choice.f1.values())) if choice else "–"

    @property
    def _there(self) -> str:
        folds = f"{len(self.cell.results)}/{self.cell.folds} folds"
        return folds if self.cell.point is None else f"{folds}, {len(self.members)}/5 points"


@dataclass(frozen=True)
class Filled:
    """A table of the paper with our entries, by dataset and row; rows are named as in the paper where it has them."""

    datasets: list[str]
    rows: list[tuple[str, str, str]]  # our name, its label, its parameters in millions
    entries: dict[tuple[str, str], Entry]
    paper: dict[tuple[str, str], Published]


def fill(table: PaperTable, cells: Iterable[FinishedCell]) -> Filled:
    """The finished cells in the places of `table`; rows that were run with other networks' settings follow theirs."""
    wanted = {row.model for row in table.rows}
    ours = rows_of(cell for cell in cells if cell.dataset in table.datasets and cell.row in wanted)
    rows = []
    for row in table.rows:
        names = [name for name in ours if name.partition(" (")[0] == row.model] or [row.model]
        rows += [(name, row.label + name.removeprefix(row.model), f"{row.parameters:g}") for name in names]
    entries = {
        (dataset, name): entry
        for dataset in table.datasets
        for name, members in ours.items()
        if (entry := _entry([cell for cell in members if cell.dataset == dataset]))
    }
    paper = {
        (dataset, name): table.cells[dataset, name.partition(" (")[0]]
        for dataset in table.datasets
        for name, _, _ in rows
    }
    return Filled(table.datasets, rows, entries, paper)


def _entry(cells: Sequence[FinishedCell]) -> Entry | None:
    """The best point by the mean F1 over the test folds, which is how the paper chooses; the shallower of equals."""
    if not cells:
        return None
    # Points of which all folds are done come first: a mean over fewer says something else.
    best = min(cells, key=lambda cell: (-len(cell.results), -mean(cell.values("f1")), cell.point or 0))
    return Entry(best, cells)


Mark = Callable[[str, int], str]  # a text and its rank, 1 or 2 → the text, marked


def grid_of(filled: Filled, figures: Sequence[str], mark: Mark) -> tuple[list[str], list[list[str]]]:
    """Header and rows of texts: for each dataset ours in `figures`, and the paper's F1; best and second best marked."""
    header = ["", "parameters (M)"]
    for dataset in filled.datasets:
        header += [f"{dataset} {figure}" for figure in figures] + ["paper"]
    ranks = {dataset: _ranks(filled, dataset) for dataset in filled.datasets}
    rows = []
    for name, label, parameters in filled.rows:
        texts = [label, parameters]
        for dataset in filled.datasets:
            entry = filled.entries.get((dataset, name))
            found = [entry.text(figure) if entry else "–" for figure in figures]
            if name in ranks[dataset] and "f1" in figures:
                place = list(figures).index("f1")
                found[place] = mark(found[place], ranks[dataset][name])
            texts += [*found, paper_text(filled.paper[dataset, name])]
        rows.append(texts)
    return header, rows


def _ranks(filled: Filled, dataset: str) -> dict[str, int]:
    """The rows with the best and the second-best F1 on a dataset, among those that are whole; none if there is one."""
    whole = {name: entry.f1 for (where, name), entry in filled.entries.items() if where == dataset and entry.is_whole}
    best = sorted({round(f1, 3) for f1 in whole.values()}, reverse=True)[:2]
    return {name: best.index(round(f1, 3)) + 1 for name, f1 in whole.items() if len(whole) > 1 and round(f1, 3) in best}


def paper_text(number: Published) -> str:
    point = f" ({number.point})" if number.point else ""
    return f"{number.f1:.3f} ± {number.sd:.3f}{point}"


def markdown(filled: Filled, figures: Sequence[str]) -> str:
    """Best **bold**, second best *italic*."""
    header, rows = grid_of(filled, figures, lambda text, rank: f"**{text}**" if rank == 1 else f"*{text}*")
    return tabulate(rows, headers=header, tablefmt="github", disable_numparse=True)


def comma_separated(filled: Filled, figures: Sequence[str]) -> str:
    """Without marks."""
    out = io.StringIO()
    header, rows = grid_of(filled, figures, lambda text, rank: text)
    csv.writer(out, lineterminator="\n").writerows([header, *rows])
    return out.getvalue()


def latex(filled: Filled, figures: Sequence[str]) -> str:
    """A booktabs tabular: best bold, second best underlined."""

    def mark(text: str, rank: int) -> str:
        return f"\\textbf{{{text}}}" if rank == 1 else f"\\underline{{{text}}}"

    header, rows = grid_of(filled, figures, mark)
    lines = [" & ".join(map(_escaped, row)) + r" \\" for row in rows]
    columns = "l" + "r" * (len(header) - 1)
    top = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", " & ".join(map(_escaped, header)) + r" \\", r"\midrule"]
    return "\n".join([*top, *lines, r"\bottomrule", r"\end{tabular}", ""])


def _escaped(text: str) -> str:
    return re.sub(r"([_%&#])", r"\\\1", text).replace("±", r"$\pm$").replace("–", "--")
