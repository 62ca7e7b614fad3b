"""Tables of finished runs, printed and written: the paper's, or all cells."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

from leanet.facts import differences, short
from leanet.report import layout
from leanet.report.cell import FinishedCell
from leanet.report.finished import said, tables_of
from leanet.report.lifts import PLAIN, Versus, lifts
from leanet.report.paper import paper_table
from leanet.report.tables import pooled_spread
from leanet.store import write_text

_OF_A_ROW = ("left_out", "nested")  # of several points
_OF_A_CELL = ("auroc", "ap", "floor", "collapsed", "seconds", "lift")


@dataclass(frozen=True)
class Page:
    """A table in the formats it is written in: by the file's ending, its text."""

    heading: str
    texts: dict[str, str]


def write_tables(
    home: Path, cells: Sequence[FinishedCell], table: int | str, columns: Sequence[str], versus: Versus = PLAIN
) -> bool:
    """Print the table, one for each way in which its runs were trained, and write it to `home`/report.

    Returns: whether any of its runs is done.
    """
    pages = _pages(table, columns, cells, versus)
    for name, page in pages.items():
        print(f"{page.heading}\n\n{page.texts['md']}\n")
        for ending, text in page.texts.items():
            write_text(
                home / "report" / f"{name}.{ending}", text if ending != "md" else f"# {page.heading}\n\n{text}\n"
            )
        endings = ",".join(page.texts)
        print(f"written: {home / 'report' / name}.{f'{{{endings}}}' if ',' in endings else endings}\n")
    return bool(pages)


def _pages(table: int | str, columns: Sequence[str], cells: Sequence[FinishedCell], versus: Versus) -> dict[str, Page]:
    make: Callable[[Sequence[FinishedCell]], dict[str, str]]
    if isinstance(table, int):
        paper = paper_table(table)
        cells = [cell for cell in cells if layout.belongs(cell, paper)]
        name, title = f"table{table}", f"Table {table}"

        def make(members: Sequence[FinishedCell]) -> dict[str, str]:
            filled = layout.fill(paper, members, versus)
            formats = {"md": layout.markdown, "csv": layout.comma_separated, "tex": layout.latex}
            texts = {ending: to_text(filled, columns) for ending, to_text in formats.items()}
            sentences = layout.notes(columns, members, versus)
            texts["md"] += "".join(f"\n\n{sentence}" for sentence in sentences)
            texts["tex"] += "".join(f"% {sentence}\n" for sentence in sentences)
            return texts
    else:
        name, title = "cells", "Cells"

        def make(members: Sequence[FinishedCell]) -> dict[str, str]:
            return {"md": all_cells(members, columns, versus)}

    groups = tables_of(cells)
    differing = differences([shared for shared, _ in groups])
    return {
        "-".join([name, *(f"{short(fact)}{shared[fact]}" for fact in differing)]): Page(
            f"{title}: {said(shared)}", make(members)
        )
        for shared, members in groups
    }


def all_cells(cells: Sequence[FinishedCell], columns: Sequence[str] = (), versus: Versus = PLAIN) -> str:
    """A row for each cell, with every figure that all have, and those of `columns` that only some have."""
    rows, lift_of = [], lifts(cells, versus)
    more = [column for column in columns if column not in ("f1", *_OF_A_ROW, *_OF_A_CELL)]
    more = [*(["thresholded"] if any(cell.by_fold("thresholded") for cell in cells) else []), *more]
    for cell in cells:
        folds = f"{cell.done}/{cell.folds}"
        parameters = f"{cell.parameters / 1e6:.1f}" if cell.parameters else layout.NOTHING
        figures = [layout.Entry(cell, [cell], lift_of.get(cell.id)).text(figure) for figure in (*_OF_A_CELL, *more)]
        rows.append([cell.dataset, cell.model, parameters, folds, pooled_spread(cell.repeats("f1")), *figures])
    header = ["dataset", "model", "parameters (M)", "folds", "f1", *_OF_A_CELL, *more]
    table = tabulate(rows, headers=header, tablefmt="github", disable_numparse=True)
    return "\n\n".join([table, *layout.notes([*(["lift"] if lift_of else []), *more], cells, versus)])
