"""What F1 over folds says, and what it does not: functions of numbers alone.

Scores come as `ByFold`, the score on each fold's test images. A fold is known by any key: its number, or, where the
cross-validation was repeated with other splits, (repeat, number). What cannot be said of so few folds is None;
numbers that make no sense raise ValueError. Nothing here is ever NaN.
"""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.special import nctdtrinc, stdtr, stdtrit

ByFold = Mapping[Any, float]  # Any and not Hashable, since a Mapping[int, float] is no Mapping[Hashable, float]
ByPoint = Mapping[int, ByFold]

POWER = 0.8  # of `detectable`
TIE = 1e-6  # means nearer than this are equal: scores are made in single precision


class Spread(NamedTuple):
    """Mean and sample SD (n − 1 in its denominator), the paper's ±; of one value there is no SD."""

    mean: float
    sd: float | None


def mean_sd(values: Sequence[float]) -> Spread:
    """Mean ± sample SD of one value or more; the SD of equal values is exactly 0."""
    _check(values)
    freedom = len(values) - 1
    return Spread(_mean(values), math.sqrt(_squares(values) / freedom) if freedom else None)


@dataclass(frozen=True)
class Repeated:
    """A k-fold cross-validation done r times, with other splits.

    Args:
        mean: over all r·k values.
        sd: between the folds of one cross-validation, the figure to be held beside the paper's ±.
        sd_repeats: between the repeats' means: how far the split (and the seed) alone move the mean. It says nothing
            about other images of the same kind, since all repeats share the same ones.
        repeats: r.
        n: r·k.
    """

    mean: float
    sd: float | None
    sd_repeats: float | None
    repeats: int
    n: int


def repeated(repeats: Sequence[Sequence[float]]) -> Repeated:
    """Pool repeats, each a list of its folds' values.

    The SD over folds pools the variances *within* the repeats, √(Σ_r Σ_i (x_ri − x̄_r)² / Σ_r (k_r − 1)): one repeat
    gives the paper's figure, more repeats estimate the same figure better.
    """
    for values in repeats:
        _check(values)
    everything = [value for values in repeats for value in values]
    pooled = mean_sd(everything).mean
    freedom = len(everything) - len(repeats)
    sd = math.sqrt(math.fsum(_squares(values) for values in repeats) / freedom) if freedom else None
    between = mean_sd([_mean(values) for values in repeats]).sd
    return Repeated(pooled, sd, between, len(repeats), len(everything))


@dataclass(frozen=True)
class Comparison:
    """Differences over folds and what they say.

    Args:
        mean, sd: of the differences, sample SD.
        t, p: of the two-sided corrected resampled t-test of "no difference".
        low, high: the confidence interval of the mean that belongs to it.
        n: number of differences; of a single one there is a mean and nothing else.
        detectable: how large a true difference must be for this test to find it four times out of five (power 0.8, at
            one less the interval's level), if differences vary as they did.
    """

    mean: float
    sd: float | None
    t: float | None
    p: float | None
    low: float | None
    high: float | None
    n: int
    detectable: float | None = None


def corrected_resampled_t(
    differences: Sequence[float], test_share: float | Sequence[float], level: float = 0.95
) -> Comparison:
    """The corrected resampled t-test of J differences between two models on the same folds.

        t = d̄ / √((1/J + n_test/n_train) · s²), with J − 1 degrees of freedom;  d̄ ± t* · √(…) is the interval

    Nadeau & Bengio 2003, "Inference for the Generalization Error", Machine Learning 52:239–281. The ordinary t-test has
    1/J alone, as if folds were independent, but any two share most of their training images. The differences of r
    repeats of k folds go in together (Bouckaert & Frank 2004, PAKDD, LNCS 3056:3–12). Repeats must differ in their
    split: the same folds trained from other seeds have to be averaged fold by fold first.

    It assumes normal differences of one variance, any two correlated by n_test / (n_test + n_train). For the folds of
    one cross-validation that is the usual choice and not a theorem (Bengio & Grandvalet 2004, JMLR 5:1089–1105).
    Where all differences are equal, t is 0 and p is 1 if they are 0; else t is ±∞ and p is 0, the limit for s → 0.

    Args:
        test_share: n_test / (n_test + n_train), or that of each fold, of which the mean is taken.
        level: of the confidence interval.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    mean, sd = mean_sd(differences)
    n, error = len(differences), standard_error(differences, test_share)
    if error is None:
        return Comparison(mean, None, None, None, None, None, n)
    if error == 0:
        t = math.copysign(math.inf, mean) if mean else 0.0
        return Comparison(mean, sd, t, 0.0 if mean else 1.0, mean, mean, n, detectable=0.0)
    t, critical = mean / error, float(stdtrit(n - 1, (1 + level) / 2))
    p, margin = 2 * float(stdtr(n - 1, -abs(t))), error * critical
    # A t of that noncentrality lies above the critical one with the power wanted; below its negative it hardly ever is.
    detectable = error * float(nctdtrinc(n - 1, 1 - POWER, critical))
    return Comparison(mean, sd, t, p, mean - margin, mean + margin, n, detectable)


def standard_error(values: Sequence[float], test_share: float | Sequence[float]) -> float | None:
    """√((1/J + n_test/n_train) · s²), the standard error of the mean of J folds' values; None of a single one.

    As in `corrected_resampled_t`, whose arguments and assumptions it shares: the folds' training sets overlap.
    """
    sd, ratio = mean_sd(values).sd, _test_to_train(test_share)
    return None if sd is None else math.sqrt(1 / len(values) + ratio) * sd


def lift(model: ByFold, plain: ByFold, test_share: float | Sequence[float], level: float = 0.95) -> Comparison | None:
    """What attention adds to the same ADN without it: `model` − `plain`, fold by fold, with the corrected test.

    Only folds that both have are compared, which must be of the same split; None if there are none. The p-value does
    not know if the model's point was chosen by test scores: test all five points and correct with `holm`.
    """
    folds = _shared([model, plain])
    if not folds:
        return None
    return corrected_resampled_t([model[fold] - plain[fold] for fold in folds], test_share, level)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p-values, in the order given: rejecting those ≤ α keeps the chance of any false rejection ≤ α.

        p̃_(i) = max over j ≤ i of min(1, (m − j + 1) · p_(j)), with p_(1) ≤ … ≤ p_(m)

    Holm 1979, Scandinavian Journal of Statistics 6:65–70. It assumes nothing of how the tests depend on each other.
    None (there was no test) stays None and does not count into m; anything outside 0…1 is an error.
    """
    tested = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    if not all(0 <= p <= 1 for p, _ in tested):
        raise ValueError(f"p-values must lie in 0…1: {list(p_values)}")
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - rank) * p))
        adjusted[place] = largest
    return adjusted


class PointChoice(NamedTuple):
    """The point chosen for each fold, and the fold's test score there."""

    points: dict[Any, int]
    f1: dict[Any, float]


def nested_point(test_f1: ByPoint, validation_f1: ByPoint) -> PointChoice | None:
    """Choose each fold's point by its validation score, and take the test score there; of equal points the shallower.

    Honest if no image of the fold's test set had a part in its validation scores (nested cross-validation; Varma &
    Simon 2006, BMC Bioinformatics 7:91). It estimates "LEA-Net with its point chosen", not any single point. Folds that
    lack a score at some point are left out; None if no fold is left.
    """
    if test_f1.keys() != validation_f1.keys():
        raise ValueError(f"points {sorted(test_f1)} are tested but {sorted(validation_f1)} validated")
    folds = _shared([*test_f1.values(), *validation_f1.values()])
    points = {fold: _best({point: f1[fold] for point, f1 in validation_f1.items()}) for fold in folds}
    return _chosen(test_f1, points) if points else None


def left_out_point(test_f1: ByPoint) -> PointChoice | None:
    """Choose each fold's point by the mean over the *other* folds' test scores, and take the fold's own score there.

    It needs no validation images, and no fold's score has a say in its own point. It is not nested cross-validation:
    the models that scored the other folds were trained on this fold's images, so some flattery stays. Where folds are
    independent and all points equally good, it is unbiased. Give one cross-validation at a time: in a repeat with
    another split, other folds test the same images. None with fewer than two folds that all points have.
    """
    folds = _shared(test_f1.values())
    if len(folds) < 2:
        return None
    points = {}
    for fold in folds:
        others = [other for other in folds if other != fold]
        points[fold] = _best({point: mean_sd([f1[other] for other in others]).mean for point, f1 in test_f1.items()})
    return _chosen(test_f1, points)


def _check(values: Sequence[float]) -> None:
    if not len(values) or not np.isfinite(values).all():
        raise ValueError(f"one finite value or more is needed: {list(values)}")


def _mean(values: Sequence[float]) -> float:
    """Exact where all values are equal, as their sum over their number need not be."""
    return float(values[0]) if min(values) == max(values) else math.fsum(values) / len(values)


def _squares(values: Sequence[float]) -> float:
    mean = _mean(values)
    return math.fsum((value - mean) ** 2 for value in values)


def _test_to_train(test_share: float | Sequence[float]) -> float:
    share = float(np.mean(test_share))
    if not 0 <= share < 1:
        raise ValueError(f"the share of test images must lie in 0…1, below 1, not {share}")
    return share / (1 - share)


def _shared(scores: Iterable[ByFold]) -> list[Hashable]:
    """The folds that all have, in the order of the first."""
    first, *rest = [*scores] or [{}]
    return [fold for fold in first if all(fold in other for other in rest)]


def _best(score_of: Mapping[int, float]) -> int:
    """The shallowest of the points whose score is the largest, but for rounding."""
    _check([*score_of.values()])
    return min(point for point, score in score_of.items() if score >= max(score_of.values()) - TIE)


def _chosen(test_f1: ByPoint, points: dict[Hashable, int]) -> PointChoice:
    return PointChoice(points, {fold: test_f1[point][fold] for fold, point in points.items()})
