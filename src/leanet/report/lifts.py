"""What attention, or another input, adds to the same ADN without it, over a whole table."""

from collections.abc import Sequence
from dataclasses import dataclass

from leanet.report.cell import FinishedCell
from leanet.report.statistics import Comparison, holm, lift

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

    def other(self, cell: FinishedCell) -> str:
        """The name of the model that `cell` is compared with."""
        return cell.plain if self.model is None else at_rate(self.model, float(cell.config["positive_rate"]))

    @property
    def other_in_words(self) -> str:
        return self.model or "the plain ADN"


PLAIN = Versus()


def at_rate(model: str, rate: float) -> str:
    """The name of `model` where it is trained on that share of the positives."""
    return f"{model}-pos{rate:g}" if rate < 1 else model


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


def lifts(cells: Sequence[FinishedCell], versus: Versus = PLAIN) -> dict[str, Lift]:
    """By their ids, the lifts of all `cells` whose counterpart is among them with a fold in common.

    Every cell is a test of its own, all five points of a row: so the best of them is paid for.
    """
    others = {_key(cell, cell.model, versus): cell for cell in cells if cell.model == versus.other(cell)}
    found: dict[str, Comparison] = {}
    for cell in cells:
        other = others.get(_key(cell, versus.other(cell), versus))
        if other is not None and other is not cell:
            comparison = lift(cell.by_fold(versus.figure), other.by_fold(versus.figure), cell.test_shares)
            if comparison is not None:
                found[cell.id] = comparison
    adjusted = holm([comparison.p for comparison in found.values()])
    tests = sum(p is not None for p in adjusted)
    return {name: Lift(comparison, p, tests) for (name, comparison), p in zip(found.items(), adjusted, strict=True)}


def _key(cell: FinishedCell, model: str, versus: Versus) -> tuple[str, ...]:
    """What both must share: the dataset and, unless a model is named, the ADN's own settings."""
    return (cell.dataset, model) if versus.model else (cell.dataset, model, _adn(cell))


def _adn(cell: FinishedCell) -> str:
    """Its own settings, but for what a frozen one makes of maps, which the plain one does not see."""
    seen = ("adn.pooling", "adn.map_statistics")
    own = {name: value for name, value in cell.own.items() if name.startswith("adn.") and name not in seen}
    return repr(sorted(own.items()))


def _signed(value: float) -> str:
    return f"{value:+z.3f}".replace("-", "−")
