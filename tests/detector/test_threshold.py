"""Chosen thresholds against every other threshold there is, and against scikit-learn."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import f1_score, precision_recall_curve, recall_score

from leanet.detector.threshold import best_f1, counts, f1_above, for_recall, given, least_cost

Answers = tuple[NDArray[np.float64], NDArray[np.int64]]


def answers(seed: int, ties: bool) -> Answers:
    """Forty answers that are right more often than not; with ties, as by a network that collapses."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(40) < 0.3).astype(np.int64)
    labels[:2] = 0, 1
    probabilities = np.clip(0.3 * labels + 0.7 * rng.random(40), 0, 1)
    return (np.round(probabilities, 1) if ties else probabilities), labels


CASES = [answers(seed, ties) for seed in range(20) for ties in (False, True)]
EVERY = np.linspace(-0.01, 1, 2021)


@pytest.mark.parametrize("case", CASES)
def test_no_threshold_has_a_larger_f1(case: Answers) -> None:
    probabilities, labels = case
    found = best_f1(probabilities, labels)
    precision, recall, _ = precision_recall_curve(labels, probabilities)
    best = np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12))
    assert found.reached == pytest.approx(best)
    assert f1_score(labels, probabilities > found.value) == pytest.approx(best)
    assert found.images == 40


@pytest.mark.parametrize("case", CASES[:10])
@pytest.mark.parametrize("threshold", [-1, 0.1, 0.3, 0.5, 1])
def test_f1_above_a_threshold(case: Answers, threshold: float) -> None:
    probabilities, labels = case
    assert f1_above(threshold, probabilities, labels) == pytest.approx(f1_score(labels, probabilities > threshold))


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95, 1])
@pytest.mark.parametrize("case", CASES[:20])
def test_the_highest_threshold_that_finds_the_share(case: Answers, share: float) -> None:
    probabilities, labels = case
    found = for_recall(probabilities, labels, share)
    assert recall_score(labels, probabilities > found.value) >= share
    # The next image that would be left out is one that is needed.
    above = np.min(probabilities[probabilities > found.value])
    assert recall_score(labels, probabilities > above) < share


@pytest.mark.parametrize(("false_alarm", "miss"), [(1, 1), (1, 10), (7, 1)])
@pytest.mark.parametrize("case", CASES[:20])
def test_no_threshold_costs_less(case: Answers, false_alarm: float, miss: float) -> None:
    probabilities, labels = case
    found = least_cost(probabilities, labels, false_alarm, miss)

    def cost(threshold: float) -> float:
        called = probabilities > threshold
        return float(np.mean(false_alarm * (called & (labels == 0)) + miss * (~called & (labels == 1))))

    assert found.reached == pytest.approx(cost(found.value))
    assert all(cost(other) >= cost(found.value) - 1e-12 for other in EVERY)


def test_a_gap_between_the_classes_is_halved() -> None:
    probabilities, labels = np.array([0.1, 0.2, 0.6, 0.9]), np.array([0, 0, 1, 1])
    for found in (
        best_f1(probabilities, labels),
        for_recall(probabilities, labels, 1),
        least_cost(probabilities, labels, 1, 1),
    ):
        assert found.value == pytest.approx(0.4)


@pytest.mark.parametrize(
    "probabilities",
    [
        [0.0, 0.0, 0.2, 0.9],
        [0.0, 1.0, 1.0, 1.0],
        [5e-324, 1e-323, 1.0, 1.0],  # the smallest floats
        [0.1, np.nextafter(0.1, 1), 0.3, np.nextafter(0.3, 1)],
        [np.nextafter(1, 0), 1.0, 1.0, 1.0],
        [0.0, 0.0, 0.0, 0.0],
    ],
)
@pytest.mark.parametrize("labels", [[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1], [1, 0, 0, 0]])
def test_rules_keep_their_word_at_probabilities_of_0_and_1(probabilities: list[float], labels: list[int]) -> None:
    values, truth = np.array(probabilities), np.array(labels)
    found = for_recall(values, truth, 1)
    assert recall_score(truth, values > found.value) == found.reached == 1
    found = best_f1(values, truth)
    assert f1_score(truth, values > found.value) == pytest.approx(found.reached)
    found = least_cost(values, truth, 1, 5)
    called = values > found.value
    assert np.mean((called & (truth == 0)) + 5 * (~called & (truth == 1))) == pytest.approx(found.reached)


def test_dear_misses_lower_the_threshold_and_dear_alarms_raise_it() -> None:
    probabilities, labels = CASES[0]
    cheap, even, dear = (
        least_cost(probabilities, labels, alarm, miss).value for alarm, miss in ((1, 99), (1, 1), (99, 1))
    )
    assert cheap <= even <= dear and cheap < dear


def test_counts_at_both_ends() -> None:
    found = counts(np.array([0.2, 0.2, 1.0]), np.array([0, 1, 1]))
    assert (found.hits[0], found.false_alarms[0], found.misses[0]) == (2, 1, 0)
    assert (found.hits[-1], found.false_alarms[-1], found.misses[-1]) == (0, 0, 2)


def test_a_number_is_taken_as_it_is() -> None:
    assert given(0.5).by == "0.5, as in the paper" and given(0.3)[:3] == (0.3, "given", 0)
