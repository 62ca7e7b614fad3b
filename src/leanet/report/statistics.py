"""Statistics of scores over folds, as functions of plain numbers.

Scores are given as `ByFold`, the score on each fold's test images. A fold's key can be its number or, if the
cross-validation was repeated with other splits, (repeat, number). Results that need more folds are None; invalid
numbers raise ValueError. No result is NaN.
"""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from scipy.special import nctdtrinc, stdtr, stdtrit

ByFold = Mapping[Any, float]  # Any and not Hashable, since a Mapping[int, float] is no Mapping[Hashable, float]
ByPoint = Mapping[int, ByFold]

POWER = 0.8  # of `detectable`
TIE = 1e-6  # means that differ by less are equal, since scores are computed in single precision


class Spread(NamedTuple):
    """Mean and sample SD (with n − 1), the paper's ±. The SD of a single value is None."""

    mean: float
    sd: float | None


def mean_sd(values: Sequence[float]) -> Spread:
    """Mean and sample SD of one or more values; the SD of equal values is exactly 0."""
    _check(values)
    freedom = len(values) - 1
    return Spread(_mean(values), math.sqrt(_squares(values) / freedom) if freedom else None)


@dataclass(frozen=True)
class Repeated:
    """The result of a k-fold cross-validation repeated r times with other splits.

    Args:
        mean: over all r·k values.
        sd: between the folds of one cross-validation, comparable with the paper's ±.
        sd_repeats: between the means of repeats: the effect of split and seed alone. It does not estimate the variation
            over other images, since all repeats share the same ones.
        repeats: r.
        n: r·k.
    """

    mean: float
    sd: float | None
    sd_repeats: float | None
    repeats: int
    n: int


def repeated(repeats: Sequence[Sequence[float]]) -> Repeated:
    """Pool the scores of repeated cross-validations.

    The SD over folds pools the variances *within* the repeats, √(Σ_r Σ_i (x_ri − x̄_r)² / Σ_r (k_r − 1)). With one
    repeat it is the paper's SD; more repeats estimate the same value better.

    Args:
        repeats: for each repeat, the values of its folds.
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
    """The corrected resampled t-test of differences over folds. With a single difference, only `mean` is known.

    Args:
        mean: of the differences.
        sd: sample SD of the differences.
        t: of the two-sided test of "no difference".
        p: its p-value.
        low: lower end of the confidence interval of the mean.
        high: upper end of the confidence interval.
        n: number of differences.
        detectable: the true difference that this test finds with power 0.8, at a significance of 1 − level, if the SD
            of differences is as observed.
        differences: the n differences.
    """

    mean: float
    sd: float | None
    t: float | None
    p: float | None
    low: float | None
    high: float | None
    n: int
    detectable: float | None = None
    differences: tuple[float, ...] = field(default=(), compare=False)


def corrected_resampled_t(
    differences: Sequence[float], test_share: float | Sequence[float], level: float = 0.95
) -> Comparison:
    """The corrected resampled t-test of J differences between two models on the same folds.

        t = d̄ / √((1/J + n_test/n_train) · s²), with J − 1 degrees of freedom;  the interval is d̄ ± t* · √(…)

    Nadeau & Bengio 2003, "Inference for the Generalization Error", Machine Learning 52:239–281. The ordinary t-test
    has only 1/J, as if folds were independent, but any two folds share most of their training images. The differences
    of r repeats of k folds are tested together (Bouckaert & Frank 2004, PAKDD, LNCS 3056:3–12). Repeats must differ in
    their split; folds that were trained from several seeds must be averaged over seeds first.

    The test assumes normal differences of equal variance, with correlation n_test / (n_test + n_train) between any two.
    For the folds of one cross-validation this is the usual choice and not a theorem (Bengio & Grandvalet 2004, JMLR
    5:1089–1105). If all differences are 0, t is 0 and p is 1; if they are equal but not 0, t is ±∞ and p is 0.

    Args:
        differences: J values.
        test_share: n_test / (n_test + n_train), or one for each fold, which are averaged.
        level: of the confidence interval, above 0 and below 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    mean, sd = mean_sd(differences)
    n, error, kept = len(differences), standard_error(differences, test_share), tuple(differences)
    if error is None:
        return Comparison(mean, None, None, None, None, None, n, None, kept)
    if error == 0:
        t = math.copysign(math.inf, mean) if mean else 0.0
        return Comparison(mean, sd, t, 0.0 if mean else 1.0, mean, mean, n, 0.0, kept)
    t, critical = mean / error, float(stdtrit(n - 1, (1 + level) / 2))
    p, margin = 2 * float(stdtr(n - 1, -abs(t))), error * critical
    # With this noncentrality, t exceeds the critical value with probability POWER; the other tail is negligible.
    detectable = error * float(nctdtrinc(n - 1, 1 - POWER, critical))
    return Comparison(mean, sd, t, p, mean - margin, mean + margin, n, detectable, kept)


def standard_error(values: Sequence[float], test_share: float | Sequence[float]) -> float | None:
    """The standard error of the mean over J folds, √((1/J + n_test/n_train) · s²); None for a single value.

    Arguments and assumptions as for `corrected_resampled_t`.
    """
    sd, ratio = mean_sd(values).sd, _test_to_train(test_share)
    return None if sd is None else math.sqrt(1 / len(values) + ratio) * sd


def lift(model: ByFold, plain: ByFold, test_share: float | Sequence[float], level: float = 0.95) -> Comparison | None:
    """Test how much attention adds to the same ADN without it: `model` − `plain`, fold by fold.

    The p-value does not account for a point chosen by test scores: test all five points and correct with `holm`.

    Args:
        model: scores by fold.
        plain: scores by fold, of the same split; folds that only one of them has are left out.
        test_share: as for `corrected_resampled_t`.
        level: as for `corrected_resampled_t`.

    Returns:
        the comparison; None if there are no common folds.
    """
    folds = _shared([model, plain])
    if not folds:
        return None
    return corrected_resampled_t([model[fold] - plain[fold] for fold in folds], test_share, level)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values by Holm's method, which keeps the probability of any false rejection at most α.

        p̃_(i) = max over j ≤ i of min(1, (m − j + 1) · p_(j)), with p_(1) ≤ … ≤ p_(m)

    Holm 1979, Scandinavian Journal of Statistics 6:65–70. The tests may depend on each other in any way.

    Args:
        p_values: in 0…1; None, where there was no test, stays None and is not counted in m.

    Returns:
        the adjusted p-values, in the same order.
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
    """The point chosen for each fold, and the fold's test score at this point."""

    points: dict[Any, int]
    f1: dict[Any, float]


def nested_point(test_f1: ByPoint, validation_f1: ByPoint) -> PointChoice | None:
    """Choose each fold's point by its validation scores, and take the test score at this point.

    This is nested cross-validation (Varma & Simon 2006, BMC Bioinformatics 7:91), and unbiased if no test image of a
    fold influences its validation scores. It evaluates LEA-Net with the choice of the point, not any single point. Of
    equal points, the shallower one is chosen.

    Args:
        test_f1: scores by point and fold.
        validation_f1: scores by point and fold, for the same points.

    Returns:
        the choice for folds that have scores at all points; None if there are none.
    """
    if test_f1.keys() != validation_f1.keys():
        raise ValueError(f"points {sorted(test_f1)} are tested but {sorted(validation_f1)} validated")
    folds = _shared([*test_f1.values(), *validation_f1.values()])
    points = {fold: _best({point: f1[fold] for point, f1 in validation_f1.items()}) for fold in folds}
    return _chosen(test_f1, points) if points else None


def left_out_point(test_f1: ByPoint) -> PointChoice | None:
    """Choose each fold's point by the mean test score of the *other* folds, and take the fold's own score there.

    It needs no validation images, and a fold's score does not influence its own point. It is not nested
    cross-validation: the models of the other folds were trained on this fold's images, so that some bias remains. If
    folds are independent and all points are equally good, it is unbiased.

    Args:
        test_f1: scores by point and fold, of one cross-validation only: in a repeat with another split, other folds
            test the same images.

    Returns:
        the choice for folds that have scores at all points; None if there are fewer than two.
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
    """The mean; exact for equal values, for which sum / number can have a rounding error."""
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
    """The folds that all have in common, in the order of the first."""
    first, *rest = [*scores] or [{}]
    return [fold for fold in first if all(fold in other for other in rest)]


def _best(score_of: Mapping[int, float]) -> int:
    """The shallowest of the points with the largest score, up to rounding."""
    _check([*score_of.values()])
    return min(point for point, score in score_of.items() if score >= max(score_of.values()) - TIE)


def _chosen(test_f1: ByPoint, points: dict[Hashable, int]) -> PointChoice:
    return PointChoice(points, {fold: test_f1[point][fold] for fold, point in points.items()})
