import math
import re
import subprocess
import sys
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.datasets import make_moons
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.svm import SVC

from leanet.report.statistics import (
    corrected_resampled_t,
    holm,
    left_out_point,
    lift,
    mean_sd,
    nested_point,
    repeated,
    standard_error,
)

PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"
FIVE_FOLDS = 0.2  # share of test images
DIFFERENCES = [0.02, 0.04, 0.00, 0.03, 0.01]


def by_fold(*f1: float) -> dict[int, float]:
    return dict(enumerate(f1, start=1))


def test_it_wakes_neither_torch_nor_lightning() -> None:
    code = "import sys, leanet.report.statistics; sys.exit(bool({'torch', 'lightning'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# Mean ± SD


def test_mean_and_sample_sd() -> None:
    mean, sd = mean_sd([0.6, 0.8, 0.7])  # sum of squares .02, over n − 1 = 2
    assert (mean, sd) == (pytest.approx(0.7), pytest.approx(0.1))


def test_one_fold_has_no_sd_and_equal_folds_have_none_to_the_last_bit() -> None:
    assert mean_sd([0.7]) == (0.7, None)
    assert mean_sd([0.1] * 3) == (0.1, 0.0)  # whose sum over 3 is not .1


@pytest.mark.parametrize("values", [[], [0.5, math.nan], [math.inf]])
def test_scores_must_be_there_and_be_numbers(values: list[float]) -> None:
    for function in (mean_sd, lambda values: corrected_resampled_t(values, FIVE_FOLDS)):
        with pytest.raises(ValueError, match="finite"):
            function(values)


# The corrected test


def test_nadeau_and_bengio_by_hand() -> None:
    # d̄ = .02; s² = (0 + .02² + .02² + .01² + .01²) / 4 = .00025; (1/5 + 1/4) · s² = .0001125
    found = corrected_resampled_t(DIFFERENCES, FIVE_FOLDS)
    t = 0.02 / math.sqrt(0.0001125)  # t² = 32/9
    # Student's distribution of 4 degrees of freedom is elementary: F = 1/2 + 3/8 · u · (1 − u²/12), u = t / √(1 + t²/4)
    u = math.sqrt(32 / 17)
    p = 2 * (0.5 - 0.375 * u * (1 - u**2 / 12))
    assert (found.mean, found.sd, found.n) == (pytest.approx(0.02), pytest.approx(math.sqrt(0.00025)), 5)
    assert (found.t, found.p) == (pytest.approx(t), pytest.approx(p))
    assert found.p == pytest.approx(0.1324, abs=5e-5)
    margin = 2.776 * math.sqrt(0.0001125)  # 2.776: any table of t, 4 degrees of freedom, 95 %
    assert (found.low, found.high) == (pytest.approx(0.02 - margin, abs=1e-5), pytest.approx(0.02 + margin, abs=1e-5))


def test_the_example_of_scikit_learn() -> None:
    """The figures printed by its documentation, "Statistical comparison of models using grid search"."""
    images, labels = make_moons(noise=0.352, random_state=1, n_samples=100)
    folds = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    rbf, linear = (
        cross_val_score(SVC(kernel=kernel, random_state=0), images, labels, scoring="roc_auc", cv=folds)
        for kernel in ("rbf", "linear")
    )
    found = corrected_resampled_t(rbf - linear, test_share=10 / 100)
    assert found.t == pytest.approx(0.750, abs=5e-4)
    assert found.p == pytest.approx(2 * 0.227, abs=1e-3)  # printed one-sided
    assert corrected_resampled_t(rbf - linear, test_share=0).t == pytest.approx(2.611, abs=5e-4)  # "uncorrected"


@pytest.mark.parametrize(("repeats", "folds"), [(1, 5), (1, 10), (10, 5)])
def test_the_variance_is_inflated_as_in_machineshop(repeats: int, folds: int) -> None:
    """R's MachineShop writes the same correction otherwise: t = d̄ / √(F·s²/J), F = 1 + T·K/(K − 1)."""
    differences = np.random.default_rng(0).normal(0.01, 0.02, repeats * folds)
    naive = stats.ttest_1samp(differences, 0).statistic
    found = corrected_resampled_t(differences, 1 / folds)
    assert found.t == pytest.approx(naive / math.sqrt(1 + repeats * folds / (folds - 1)))


@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_without_shared_images_it_is_the_ordinary_t_test(level: float) -> None:
    for n in (2, 5, 50):
        differences = np.random.default_rng(n).normal(0.01, 0.02, n)
        known = stats.ttest_1samp(differences, 0)
        found = corrected_resampled_t(differences, 0, level)
        assert (found.t, found.p) == (pytest.approx(known.statistic), pytest.approx(known.pvalue, rel=1e-9))
        assert (found.low, found.high) == pytest.approx(tuple(known.confidence_interval(level)))


@pytest.mark.parametrize(("effect", "pairs"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_what_is_detectable_is_in_line_with_the_known_numbers_of_pairs(effect: float, pairs: int) -> None:
    """So many a paired t-test needs for Cohen's small, medium and large effects (α = .05, power .8)."""
    for n, enough in ((pairs, True), (pairs - 1, False)):
        differences = np.random.default_rng(0).normal(size=n)
        found = corrected_resampled_t(differences / differences.std(ddof=1), 0)
        assert found.detectable is not None and (found.detectable <= effect) == enough


def test_shared_training_images_make_less_detectable() -> None:
    ordinary, corrected = (corrected_resampled_t(DIFFERENCES, share).detectable for share in (0, FIVE_FOLDS))
    assert ordinary and corrected == pytest.approx(ordinary * 1.5)  # √((1/5 + 1/4) / (1/5))


def test_the_standard_error_is_the_test_s() -> None:
    values = [0.7, 0.9, 0.8, 0.7, 0.9]
    assert standard_error(values, FIVE_FOLDS) == pytest.approx(0.1 * math.sqrt(1 / 5 + 1 / 4))
    found = corrected_resampled_t(values, FIVE_FOLDS)
    assert found.t == pytest.approx(0.8 / standard_error(values, FIVE_FOLDS))
    assert standard_error([0.7], FIVE_FOLDS) is None


def test_of_one_fold_only_the_mean_is_known() -> None:
    found = corrected_resampled_t([0.1], FIVE_FOLDS)
    assert (found.mean, found.n) == (0.1, 1)
    assert (found.sd, found.t, found.p, found.low, found.high, found.detectable) == (None,) * 6


@pytest.mark.filterwarnings("error")
def test_equal_differences_get_the_answer_of_nearly_equal_ones() -> None:
    nothing = corrected_resampled_t([0.0] * 5, FIVE_FOLDS)
    assert (nothing.t, nothing.p, nothing.low, nothing.high) == (0, 1, 0, 0)
    for mean in (0.1, -0.1):
        same = corrected_resampled_t([mean] * 5, FIVE_FOLDS)
        assert (same.sd, same.t, same.p) == (0, math.copysign(math.inf, mean), 0)
        assert (same.low, same.high) == (mean, mean)
        near = corrected_resampled_t([mean + step * 1e-12 for step in range(5)], FIVE_FOLDS)
        assert near.p == pytest.approx(0, abs=1e-30)
        assert (near.low, near.high) == (pytest.approx(mean), pytest.approx(mean))


def test_unequal_folds_count_by_their_mean_share() -> None:
    shares = [size / 101 for size in (20, 20, 20, 20, 21)]
    assert corrected_resampled_t(DIFFERENCES, shares).t == pytest.approx(corrected_resampled_t(DIFFERENCES, 0.2).t)
    thinned = [20 / (20 + 60)] * 5  # a quarter of the training images left out: t = d̄ / √((1/5 + 1/3) · s²)
    assert corrected_resampled_t(DIFFERENCES, thinned).t == pytest.approx(0.02 / math.sqrt(8 / 15 * 0.00025))


@pytest.mark.parametrize("share", [-0.1, 1.0, math.nan])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        corrected_resampled_t(DIFFERENCES, share)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_a_level_is_a_share_too(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        corrected_resampled_t(DIFFERENCES, FIVE_FOLDS, level)


def test_the_interval_excludes_zero_exactly_if_p_is_small() -> None:
    for seed in range(50):
        found = corrected_resampled_t(np.random.default_rng(seed).normal(0.03, 0.02, 5), FIVE_FOLDS, level=0.9)
        assert (found.low > 0 or found.high < 0) == (found.p < 0.1)


def test_shift_scale_sign_and_order() -> None:
    one = corrected_resampled_t(DIFFERENCES, FIVE_FOLDS)
    scaled = corrected_resampled_t([100 * value for value in DIFFERENCES], FIVE_FOLDS)
    assert (scaled.t, scaled.p) == (pytest.approx(one.t), pytest.approx(one.p))
    assert (scaled.low, scaled.high) == (pytest.approx(100 * one.low), pytest.approx(100 * one.high))
    shifted = corrected_resampled_t([value + 0.5 for value in DIFFERENCES], FIVE_FOLDS)
    assert (shifted.low, shifted.high) == (pytest.approx(one.low + 0.5), pytest.approx(one.high + 0.5))
    turned = corrected_resampled_t([-value for value in DIFFERENCES], FIVE_FOLDS)
    assert (turned.t, turned.p, turned.low, turned.high) == pytest.approx((-one.t, one.p, -one.high, -one.low))
    for order in permutations(DIFFERENCES):
        assert corrected_resampled_t(order, FIVE_FOLDS) == one


def rejected(differences: NDArray[np.float64], test_share: float) -> float:
    """Share of rows for which "no difference" is rejected at 5 %."""
    return float(np.mean([corrected_resampled_t(row, test_share).p < 0.05 for row in differences.tolist()]))


@pytest.mark.parametrize(("n", "naive"), [(5, 0.138), (50, 0.59)])
def test_false_alarms_of_correlated_differences(n: int, naive: float) -> None:
    """Normal differences, any two correlated by the share of test images: what the test assumes; it is exact then.

    The plain t-test's rate follows: t is too large by √(1 + n/4), so 2·P(T > 2.776/1.5) at five folds.
    """
    rng = np.random.default_rng(0)
    own, shared = rng.normal(size=(3000, n)), rng.normal(size=(3000, 1))
    differences = math.sqrt(1 - FIVE_FOLDS) * own + math.sqrt(FIVE_FOLDS) * shared
    assert rejected(differences, FIVE_FOLDS) == pytest.approx(0.05, abs=0.012)  # three standard errors
    assert rejected(differences, 0) == pytest.approx(naive, abs=0.03)
    assert 2 * stats.t.sf(stats.t.ppf(0.975, n - 1) / math.sqrt(1 + n / 4), n - 1) == pytest.approx(naive, abs=5e-3)


def f1_over_folds(images: NDArray[np.float64], labels: NDArray[np.bool_], fold: NDArray[np.int64]) -> list[NDArray]:
    """F1 of "nearer to the mean positive than to the mean negative", trained without each fold and tested on it.

    images: (…, N, D), many sets at once.
    """
    scores = []
    for number in range(5):
        train, test = fold != number, fold == number
        negative, positive = (images[..., train & (labels == label), :].mean(-2, keepdims=True) for label in (0, 1))
        tested = images[..., test, :]
        answers = ((tested - positive) ** 2).sum(-1) < ((tested - negative) ** 2).sum(-1)
        hits = (answers & labels[test]).sum(-1)
        scores.append(2 * hits / (answers.sum(-1) + labels[test].sum()))
    return scores


def test_false_alarms_of_a_real_cross_validation() -> None:
    """Two classifiers that are equally good, each with twenty features of its own, ten stratified five-fold repeats."""
    rng = np.random.default_rng(0)
    labels = np.arange(100) % 2 == 1
    images = rng.normal(size=(2, 500, 100, 20)) + 0.25 * labels[:, None]
    scores = []
    for _ in range(10):
        fold = np.empty(100, np.int64)
        for label in (False, True):
            fold[rng.permutation(np.flatnonzero(labels == label))] = np.arange(50) % 5
        scores += f1_over_folds(images, labels, fold)
    differences = np.stack([first - second for first, second in scores], axis=-1)
    assert rejected(differences, FIVE_FOLDS) <= 0.05
    assert rejected(differences, 0) > 0.4
    once = differences[:, :5]
    assert rejected(once, FIVE_FOLDS) <= 0.05
    assert rejected(once, 0) > 2 * rejected(once, FIVE_FOLDS)


# Repeats


def test_repeats_by_hand() -> None:
    found = repeated([[0.6, 0.8], [0.8, 0.8], [0.7, 1.1]])
    # Means .7, .8, .9: their mean .8 and SD .1. Squares within: .02 + 0 + .08, over 3 · (2 − 1).
    assert (found.mean, found.sd_repeats) == (pytest.approx(0.8), pytest.approx(0.1))
    assert found.sd == pytest.approx(math.sqrt(0.1 / 3))
    assert (found.repeats, found.n) == (3, 6)


def test_one_repeat_is_the_papers_figure() -> None:
    found, known = repeated([DIFFERENCES]), mean_sd(DIFFERENCES)
    assert (found.mean, found.sd, found.sd_repeats) == (known.mean, known.sd, None)


def test_repeats_of_one_fold_have_no_sd_over_folds() -> None:
    found = repeated([[0.6], [0.8]])
    assert (found.mean, found.sd) == (pytest.approx(0.7), None)
    assert found.sd_repeats == pytest.approx(0.2 / math.sqrt(2))


# Holm


def test_holm_by_published_values() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    # R: p.adjust(c(0.0001, 0.0002, 0.5, 0.05), "holm"): 4·p1, 3·p2, p3, 2·p4
    assert holm([0.0001, 0.0002, 0.5, 0.05]) == pytest.approx([0.0004, 0.0006, 0.5, 0.1])


def test_holm_of_ties_of_one_of_none() -> None:
    assert holm([0.02, 0.02, 0.02]) == pytest.approx([0.06, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.03]) == [0.03]
    assert holm([]) == []
    assert holm([None, 0.01, None, 0.03]) == [None, pytest.approx(0.02), None, pytest.approx(0.03)]


@pytest.mark.parametrize("p", [math.nan, -0.1, 1.1])
def test_holm_takes_nothing_for_a_p_value_that_is_none(p: float) -> None:
    with pytest.raises(ValueError, match="p-values"):
        holm([0.01, p])


def test_holm_is_never_smaller_keeps_order_and_follows_permutations() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        raw = rng.choice([0.0, 0.001, 0.01, 0.02, 0.2, 1.0, *rng.uniform(size=4)], size=7)
        adjusted, order = np.array(holm(raw.tolist())), rng.permutation(7)
        assert (adjusted >= raw).all() and (adjusted <= 1).all()
        assert (np.diff(adjusted[np.argsort(raw)]) >= 0).all()
        assert holm(raw[order].tolist()) == adjusted[order].tolist()


# The point

POINTS = {
    1: by_fold(0.9, 0.1, 0.5),  # mean .5
    3: by_fold(0.6, 0.6, 0.9),  # mean .7
    4: by_fold(0.7, 0.5, 0.9),  # mean .7
}


def test_single_precision_breaks_no_tie() -> None:
    validation = {2: by_fold(0.7), 5: by_fold(float(np.float32(0.7)))}
    assert validation[5] != validation[2]
    assert nested_point(validation, {2: by_fold(0.7), 5: by_fold(0.7 + 1e-8)}).points == {1: 2}


def test_only_folds_that_all_points_have_are_compared() -> None:
    f1 = {1: by_fold(0.5, 0.5, 1.0), 2: by_fold(0.6, 0.6)}
    assert left_out_point(f1).f1 == {1: 0.6, 2: 0.6}
    assert nested_point(f1, f1).f1 == {1: 0.6, 2: 0.6}
    for nothing in ({}, {1: {}}, {1: {1: 0.5}, 2: {2: 0.5}}):
        assert left_out_point(nothing) is nested_point(nothing, nothing) is None


def test_the_nested_point_follows_validation_and_reports_the_test() -> None:
    validation = {1: by_fold(0.9, 0.2, 0.3), 3: by_fold(0.1, 0.8, 0.3), 4: by_fold(0.1, 0.9, 0.2)}
    chosen = nested_point(POINTS, validation)
    assert chosen.points == {1: 1, 2: 4, 3: 1}  # the third is a tie
    assert chosen.f1 == {1: 0.9, 2: 0.5, 3: 0.5}
    with pytest.raises(ValueError, match="validated"):
        nested_point(POINTS, {1: by_fold(0.9, 0.2, 0.3)})
    with pytest.raises(ValueError, match="finite"):
        nested_point(POINTS, {**validation, 3: by_fold(0.1, math.nan, 0.3)})


def test_the_left_out_point_follows_the_other_folds() -> None:
    chosen = left_out_point(POINTS)
    # Means over the others: fold 1: .3, .75, .7; fold 2: .7, .75, .8; fold 3: .5, .6, .6
    assert chosen.points == {1: 3, 2: 4, 3: 3}
    assert chosen.f1 == {1: 0.6, 2: 0.5, 3: 0.9}


def test_a_fold_has_no_say_in_its_own_left_out_point() -> None:
    moved = {point: {**f1, 2: 1.0 if point == 1 else 0.0} for point, f1 in POINTS.items()}
    assert left_out_point(moved).points[2] == left_out_point(POINTS).points[2]


def test_one_fold_cannot_be_left_out() -> None:
    assert left_out_point({1: {1: 0.5}, 2: {1: 0.6}}) is None


def flattery(correlation: float) -> tuple[float, float]:
    """How far, in SDs over folds, the best and the left-out point of five equally good ones lie above the truth.

    Their scores are noise; those of a point in two folds have `correlation`.
    """
    rng = np.random.default_rng(0)
    own, shared = rng.normal(size=(1500, 5, 5)), rng.normal(size=(1500, 5, 1))
    best, left_out = [], []
    for scores in (math.sqrt(1 - correlation) * own + math.sqrt(correlation) * shared).tolist():
        f1 = {point: by_fold(*row) for point, row in enumerate(scores, start=1)}
        best.append(max(mean_sd(list(folds.values())).mean for folds in f1.values()))
        left_out.append(mean_sd(list(left_out_point(f1).f1.values())).mean)
    assert (np.array(left_out) <= np.array(best) + 1e-6).all()
    return float(np.mean(best)), float(np.mean(left_out))


LARGEST_OF_FIVE = 1.163  # standard normals, on average (Tippett 1925)


def test_best_of_five_flatters_and_the_left_out_choice_does_not() -> None:
    best, left_out = flattery(correlation=0)
    assert best == pytest.approx(LARGEST_OF_FIVE / math.sqrt(5), abs=0.03)
    assert left_out == pytest.approx(0, abs=0.04)


def test_luck_that_folds_share_flatters_the_left_out_choice_too() -> None:
    """The mean of five folds has variance (1 + 4·ρ)/5; that of four, which chooses for the fifth, (1 + 3·ρ)/4.

    The fifth's covariance with it is ρ, so that it is ρ / √((1 + 3·ρ)/4) times as far above the truth.
    """
    best, left_out = flattery(correlation=0.2)
    assert best == pytest.approx(LARGEST_OF_FIVE * math.sqrt(1.8 / 5), abs=0.04)
    assert left_out == pytest.approx(LARGEST_OF_FIVE * 0.2 / math.sqrt(1.6 / 4), abs=0.04)


def test_the_left_out_choice_finds_a_point_that_is_truly_better() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0.7, 0.02, size=(5, 5)) + np.array([0, 0, 0, 0.2, 0])[:, None]
    f1 = {point: by_fold(*row) for point, row in enumerate(noise.tolist(), start=1)}
    assert set(left_out_point(f1).points.values()) == {4}


# Lift


def test_lift_pairs_the_folds_that_both_have() -> None:
    found = lift({5: 0.1, 3: 0.9, 2: 0.8, 1: 0.7}, {1: 0.6, 2: 0.6, 3: 0.9, 4: 0.0}, FIVE_FOLDS)
    known = corrected_resampled_t([0.1, 0.2, 0.0], FIVE_FOLDS)
    assert (found.mean, found.p, found.n) == (pytest.approx(known.mean), pytest.approx(known.p), 3)
    assert lift({1: 0.5}, {2: 0.5}, FIVE_FOLDS) is None
    assert lift({}, {}, FIVE_FOLDS) is None


def test_lift_over_repeats_and_of_a_chosen_point() -> None:
    model = {(repeat, fold): 0.1 * fold + 0.01 * repeat for repeat in (1, 2) for fold in (1, 2, 3)}
    assert lift(model, dict.fromkeys(model, 0.1), 1 / 3).n == 6
    assert lift(left_out_point(POINTS).f1, by_fold(0.5, 0.5, 0.5), 1 / 3).mean == pytest.approx(0.5 / 3)


# The page


def test_the_figures_of_the_page() -> None:
    """Its table: SDs of the differences that the mean must exceed, the interval's half width at an SD of .03."""
    rows = re.findall(r"^\| (?:(\d+) × )?(\d+) folds \| ([\d.]+) \| ± ([\d.]+) \| ([\d.]+) \|", PAGE.read_text(), re.M)
    assert len(rows) >= 4
    for repeats, folds, needed, half_width, naive in rows:
        n = int(repeats or 1) * int(folds)
        values = np.random.default_rng(0).normal(size=n)
        values *= 0.03 / values.std(ddof=1)
        found = corrected_resampled_t(values, 1 / int(folds))
        assert f"{(found.high - found.low) / 2:.3f}" == half_width
        assert f"{(found.high - found.low) / 2 / 0.03:.2f}" == needed
        plain = corrected_resampled_t(values, 0)
        assert f"{(plain.high - plain.low) / 2 / 0.03:.2f}" == naive
