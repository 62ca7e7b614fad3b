"""Curves and counts of a fold are scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import auc, average_precision_score, confusion_matrix, roc_curve

from leanet.report.page.curves import MOST_POINTS, confusion, precision_recall, roc
from leanet.report.predictions import Predictions

RNG = np.random.default_rng(0)


def predictions(count: int, ties: bool) -> Predictions:
    labels = RNG.permutation(np.arange(count) % 4 == 0).astype(np.int64)
    chances = np.clip(0.3 * labels + RNG.random(count) * 0.7, 0, 1)
    return Predictions((), (), labels, chances.round(1) if ties else chances)


@pytest.mark.parametrize(("count", "ties"), [(8, False), (80, False), (80, True), (4000, False)])
def test_curves_have_the_areas_of_the_scores(count: int, ties: bool) -> None:
    found = predictions(count, ties)
    false, true = np.array(roc(found)) / 1000
    rates = roc_curve(found.labels, found.probabilities)
    assert len(false) <= MOST_POINTS and (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert auc(false, true) == pytest.approx(auc(*rates[:2]), abs=2e-3 if count < 4000 else 1e-2)
    recall, precision = np.array(precision_recall(found)) / 1000
    area = np.sum(np.diff(recall, prepend=0) * precision)
    assert len(recall) <= MOST_POINTS and recall[-1] == 1
    expected = average_precision_score(found.labels, found.probabilities)
    assert area == pytest.approx(expected, abs=2e-3 if count < 4000 else 2e-2)


def test_counts_of_right_and_wrong() -> None:
    found = predictions(80, ties=True)  # some are 0.5, which is not above it
    assert confusion(found) == confusion_matrix(found.labels, found.probabilities > 0.5).ravel().tolist()


def test_a_fold_with_one_class_has_no_curve() -> None:
    alone = Predictions((), (), np.zeros(4, np.int64), RNG.random(4))
    assert roc(alone) is None and precision_recall(alone) is None
