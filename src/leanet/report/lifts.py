"""Lifts: how much attention, or another input, adds to the same ADN without it, for all cells of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leanet.report.cells import KEY, Cell, Key, cells_of, own_of, scores
from leanet.report.statistics import Comparison, holm, lift

if TYPE_CHECKING:
    from pandas import DataFrame

FIGURES = ("f1", "thresholded", "at_prior", "auroc", "ap")
FEWEST = 3  # folds for an interval: with two, Student's t is 12.7, and it is wider than scores can differ


@dataclass(frozen=True)
class Versus:
    """What lifts compare.

    Args:
        figure: the score, one of `FIGURES`.
        model: the model to compare with, at the same share of positives; None: the same ADN without attention.
    """

    figure: str = "f1"
    model: str | None = None

    @property
    def figure_in_words(self) -> str:
        """The score for people."""
        return {"f1": "F1", "auroc": "AUROC", "ap": "average precision"}.get(self.figure, self.figure)

    @property
    def other_in_words(self) -> str:
        """The model to compare with, for people."""
        return self.model or "the plain ADN"

    def is_other(self, cell: Cell) -> bool:
        """Whether other cells are compared with this one."""
        return bool(cell.unthinned == self.model if self.model else cell.model == cell.plain)


PLAIN = Versus()


@dataclass(frozen=True)
class Lift:
    """The score of a cell minus that of the plain ADN, fold by fold.

    Args:
        comparison: the corrected resampled t-test with its interval.
        p: its p-value, adjusted by Holm's method for all comparisons of the table.
        tests: the number of comparisons.
    """

    comparison: Comparison
    p: float | None
    tests: int

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval; None for fewer than three folds."""
        found = self.comparison
        if found.n < FEWEST or found.low is None or found.high is None:
            return None
        return found.low, found.high

    def __str__(self) -> str:
        """Mean, interval and p as +0.012 [−0.030, +0.054] p=0.43; for fewer than three folds, only the mean."""
        mean = _signed(self.comparison.mean)
        if self.interval is None or self.p is None:
            return mean
        low, high = self.interval
        return f"{mean} [{_signed(low)}, {_signed(high)}] p={self.p:.2g}"


def lifts(folds: DataFrame, versus: Versus = PLAIN) -> dict[Key, Lift]:
    """Compute the lifts of all cells that have a counterpart with common folds in the table.

    All five points of a row are tests of their own, so that Holm's method corrects for choosing the best one.

    Args:
        folds: of one table.
        versus: what is compared.

    Returns:
        lifts by cell.
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
    """For each cell, the values in which it and its counterpart are equal.

    With a named model, these are the dataset and the share of positives. Otherwise they are the dataset, the plain ADN
    and its settings, except those of a frozen network that concern maps, which the plain ADN does not use.
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
