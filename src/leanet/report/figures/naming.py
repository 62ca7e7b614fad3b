"""What the files of figures are called where there are several."""

import re
from collections import Counter
from collections.abc import Sequence

from leanet.report.cell import FinishedCell
from leanet.report.finished import tables_named


def file_words(text: str) -> str:
    """A text as a part of a file's name: folder (root=a/b) as folder-root=a-b."""
    return re.sub(r"[^\w.+=-]+", "-", text).strip("-")


def cells_named(name: str, cells: Sequence[FinishedCell]) -> list[tuple[str, FinishedCell]]:
    """Each cell with the name of its own figure's file: mistakes-strawberry-resnet18+mobilenet-point4.

    Cells that still are called alike, since their networks were set otherwise, get their id as well.
    """
    named = [
        (f"{table}-{file_words(cell.dataset)}-{cell.model.replace('@', '-point')}", cell)
        for table, members in tables_named(name, cells)
        for cell in members
    ]
    alike = Counter(file for file, _ in named)
    return [(f"{file}-{cell.id}" if alike[file] > 1 else file, cell) for file, cell in named]
