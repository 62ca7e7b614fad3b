"""What the files of figures are called where there are several."""

from collections import Counter
from collections.abc import Iterable, Sequence

from leanet.facts import differences, short
from leanet.report.cell import FinishedCell
from leanet.report.finished import tables_of


def tables_named(name: str, cells: Iterable[FinishedCell]) -> list[tuple[str, list[FinishedCell]]]:
    """The cells that may stand in one figure, with its file's name: figure4, or figure4-epochs100 beside others."""
    groups = tables_of(cells)
    differing = differences([shared for shared, _ in groups])
    return [
        ("-".join([name, *(f"{short(fact)}{shared[fact]}" for fact in differing)]), members)
        for shared, members in groups
    ]


def cells_named(name: str, cells: Sequence[FinishedCell]) -> list[tuple[str, FinishedCell]]:
    """Each cell with the name of its own figure's file: mistakes-strawberry-resnet18+mobilenet-point4.

    Cells that still are called alike, since their networks were set otherwise, get their id as well.
    """
    named = [
        (f"{table}-{cell.dataset}-{cell.model.replace('@', '-point')}", cell)
        for table, members in tables_named(name, cells)
        for cell in members
    ]
    alike = Counter(file for file, _ in named)
    return [(f"{file}-{cell.id}" if alike[file] > 1 else file, cell) for file, cell in named]
