"""Which cells and images the figures with pictures show where nobody has named any."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from leanet.data.images import POSITIVE, THRESHOLD
from leanet.report.cell import FinishedCell
from leanet.report.finished import rows_of
from leanet.report.lifts import PLAIN, Versus
from leanet.report.paper import paper_table

_APPENDIX = (5, 6)  # the tables whose datasets Figure 6 shows; Figure 3 shows those of Table 3


@dataclass(frozen=True)
class Chosen:
    """The chosen cells under `home` (paths.runs), the names by which they were chosen, and what lifts are of.

    data, trust: as in `Gallery`.
    """

    home: Path
    cells: Sequence[FinishedCell]
    data: Path
    trust: bool = False
    datasets: Sequence[str] | None = None
    models: Sequence[str] | None = None
    versus: Versus = PLAIN


def datasets_of(figure: int, there: Iterable[str]) -> list[str]:
    """Those of the datasets that the paper's Figure 3 or 6 shows, in its order, and those that the paper has not."""
    main = paper_table(3).datasets
    appendix = list(dict.fromkeys(name for table in _APPENDIX for name in paper_table(table).datasets))
    shown, others = (main, appendix) if figure == 3 else (appendix, main)
    every = list(there)
    rest = [name for name in every if name not in shown and name not in others]
    return [name for name in shown if name in every] + rest


def with_maps(cells: Iterable[FinishedCell]) -> FinishedCell | None:
    """Of the cells of a dataset, the one whose maps are shown; with a colorizer if any, and a plain name."""
    shown = [cell for cell in cells if cell.config["caan"]["network"] or cell.config["input"]["name"] != "rgb"]
    return min(
        shown, key=lambda cell: (cell.config["map"]["name"] == "folder", len(cell.row), cell.model), default=None
    )


def widest_row(cells: Iterable[FinishedCell]) -> list[FinishedCell]:
    """The cells of the row with most finished points, by point; none where no cell has attention."""
    rows = rows_of(cell for cell in cells if cell.point is not None)
    found = max(rows.values(), key=len, default=[])
    return sorted(found, key=lambda cell: cell.point or 0)


def worst(label: int, labels: ArrayLike, probabilities: ArrayLike, most: int) -> tuple[list[int], int, int]:
    """The worst mistakes about a class: up to `most` rows, the farthest from their label first.

    Where none is wrong, the rows that came nearest to it.

    Args:
        labels: (N,), 0 or 1.
        probabilities: (N,), of being anomalous.

    Returns:
        the rows, how many of the class are wrong, and how many it has.
    """
    truth, chance = np.asarray(labels), np.asarray(probabilities)
    rows = np.flatnonzero(truth == label)
    rows = rows[np.argsort(-np.abs(chance[rows] - label), kind="stable")]
    wrong = int(((chance[rows] > THRESHOLD) != (label == POSITIVE)).sum())
    shown: Sequence[int] = rows[: min(most, wrong or most)].tolist()
    return list(shown), wrong, len(rows)
