"""What attention, or another input, adds to the same ADN without it, over a whole table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leanet.report.cells import KEY, Cell, Key, cells_of, own_of, scores
from leanet.report.statistics import Comparison, holm, lift

if TYPE_CHECKING:
    from pandas import DataFrame

FIGURES = ("f1", "thresholded", "at_prior", "auroc", "ap")


@dataclass(frozen=True)
class Versus:
    """What is compared.

    Args:
        figure: of FIGURES.
        model: whose figure it is compared with, trained on as many positives; None: the same ADN without attention.
    """

    figure: str = "f1"
    model: str | None = None

    @property
    def figure_in_words(self) -> str:
        return {"f1": "F1", "auroc": "AUROC", "ap": "average precision"}.get(self.figure, self.figure)

    @property
    def other_in_words(self) -> str:
        return self.model or "the plain ADN"

    def is_other(self, cell: Cell) -> bool:
        """Whether others are compared with `cell`."""
        return bool(cell.unthinned == self.model if self.model else cell.model == cell.plain)


PLAIN = Versus()


@dataclass(frozen=True)
class Lift:
    """A cell's F1, or another figure, less the plain ADN's, fold by fold.

    Args:
        comparison: with the corrected resampled t-test and its interval.
        p: its p-value, adjusted by Holm's method for all the comparisons that were made.
        tests: how many those are.
    """

    comparison: Comparison
    p: float | None
    tests: int

    def __str__(self) -> str:
        """+0.012 [−0.030, +0.054] p=0.43; the mean alone for a single fold."""
        found = self.comparison
        if found.low is None or found.high is None or self.p is None:
            return _signed(found.mean)
        return f"{_signed(found.mean)} [{_signed(found.low)}, {_signed(found.high)}] p={self.p:.2g}"


def lifts(folds: DataFrame, versus: Versus = PLAIN) -> dict[Key, Lift]:
    """The lifts of all cells whose counterpart is in the table as well, with a fold in common.

    Every cell is a test of its own, all five points of a row: so the best of them is paid for.
    """
    cells = cells_of(folds)
    cells = cells.assign(rival=_rivals(cells, versus))
    others = {cell.rival: cell.key for cell in cells.itertuples() if versus.is_other(cell)}
    by_fold, shares = scores(folds, versus.figure), folds.groupby(KEY)["test_share"].agg(list)
    found: dict[Key, Comparison] = {}
    for cell in cells.itertuples():
        other = others.get(cell.rival)
        if other is not None and other != cell.key:
            comparison = lift(by_fold[cell.key], by_fold[other], shares[cell.key])
            if comparison is not None:
                found[cell.key] = comparison
    adjusted = holm([comparison.p for comparison in found.values()])
    tests = sum(p is not None for p in adjusted)
    return {key: Lift(comparison, p, tests) for (key, comparison), p in zip(found.items(), adjusted, strict=True)}


def _rivals(cells: DataFrame, versus: Versus) -> list[tuple[object, ...]]:
    """What a cell and the one that it is compared with agree in.

    With a named model, the dataset and the share of positives. Otherwise the plain ADN and its own settings, but for
    what a frozen one makes of maps, which the plain one does not see.
    """
    if versus.model:
        return list(zip(cells["dataset"], cells["positive_rate"], strict=True))
    unseen = ("adn.pooling", "adn.map_statistics")
    adns = [
        repr(sorted((name, value) for name, value in own.items() if name.startswith("adn.") and name not in unseen))
        for own in own_of(cells)
    ]
    return list(zip(cells["dataset"], cells["plain"], adns, strict=True))


def _signed(value: float) -> str:
    return f"{value:+z.3f}".replace("-", "−")
