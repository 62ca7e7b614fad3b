"""Which of several models to use: the cheapest that is hardly worse than the best."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import mean

from leanet.report.statistics import TIE, standard_error


@dataclass(frozen=True)
class Candidate:
    """A model that was cross-validated.

    Args:
        f1: of each fold, 0…1.
        test_shares: of each fold, the share of test images, as `standard_error` has it.
        seconds: per fold.
    """

    name: str
    f1: Sequence[float]
    test_shares: Sequence[float]
    seconds: float

    @property
    def mean(self) -> float:
        return mean(self.f1)


@dataclass(frozen=True)
class Choice:
    """The model to use, the one with the largest mean F1, and the standard error of that mean."""

    chosen: Candidate
    best: Candidate
    error: float

    def is_near(self, f1: float) -> bool:
        """Whether a mean F1 is within one standard error of the best's, or above it."""
        return f1 >= self.best.mean - self.error - TIE

    def __str__(self) -> str:
        cost = f"{short_seconds(self.chosen.seconds)} s per fold"
        if self.chosen is self.best:
            return (
                f"{self.best.name} has the best F1, {self.best.mean:.3f}, and no cheaper model is within one standard "
                f"error ({self.error:.3f}) of it. It takes {cost}."
            )
        return (
            f"{self.chosen.name} is the cheapest model whose F1 is within one standard error ({self.error:.3f}) of the "
            f"best, {self.best.mean:.3f} by {self.best.name}: it has {self.chosen.mean:.3f} and takes {cost}."
        )


def cheapest(candidates: Sequence[Candidate]) -> Choice | None:
    """The cheapest of the candidates, all on the same folds, whose mean F1 is within one standard error of the best's.

    The one-standard-error rule (Breiman, Friedman, Olshen & Stone 1984, Classification and Regression Trees, §3.4.3),
    with the standard error corrected for overlapping training sets. None without candidates, or with a single fold,
    which has no standard error.
    """
    if not candidates:
        return None
    best = max(candidates, key=lambda candidate: (candidate.mean, -candidate.seconds))
    error = standard_error(best.f1, best.test_shares)
    if error is None:
        return None
    at_best = Choice(best, best, error)
    near = [candidate for candidate in candidates if at_best.is_near(candidate.mean)]
    return replace(at_best, chosen=min(near, key=lambda candidate: candidate.seconds))


def short_seconds(seconds: float) -> str:
    """Whole seconds from 10 on, two digits below."""
    return f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.2g}"
