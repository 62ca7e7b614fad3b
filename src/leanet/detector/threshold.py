"""The probability above which an image is called anomalous: 0.5 as in the paper, or chosen on validation images."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RULES = ("f1", "recall", "cost")
BELOW_ALL = -1.0  # the threshold that calls every image anomalous, those of probability 0 too


class Threshold(NamedTuple):
    """A threshold and how it was chosen.

    Args:
        value: an image is called anomalous if its probability is above it.
        by: the rule in words.
        images: the number of validation predictions it was chosen on; 0 for a given number.
        reached: the value of the rule's score on those; None for a given number.
    """

    value: float
    by: str
    images: int = 0
    reached: float | None = None


@dataclass(frozen=True)
class Counts:
    """The numbers of right and wrong predictions at each of T thresholds, in ascending order; each (T,).

    A threshold is halfway between two neighbouring probabilities. The lowest is below all of them: half the smallest
    one, or `BELOW_ALL` if that is 0.
    """

    thresholds: NDArray[np.float64]
    hits: NDArray[np.int64]
    false_alarms: NDArray[np.int64]
    misses: NDArray[np.int64]


def given(value: float) -> Threshold:
    """A threshold that is a given number."""
    return Threshold(value, "given" if value != 0.5 else "0.5, as in the paper")


def best_f1(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> Threshold:
    """The threshold with the largest F1; of several, the highest.

    Args:
        probabilities: (N,), P(anomalous).
        labels: (N,), 0 normal and 1 anomalous, with at least one anomalous image.
    """
    found = counts(probabilities, labels)
    f1 = 2 * found.hits / (2 * found.hits + found.false_alarms + found.misses)
    return _chosen(found, _last_best(f1), f1, "largest F1", len(labels))


def f1_above(threshold: float, probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """F1 at a threshold. Arguments as for `best_f1`."""
    called = probabilities > threshold
    return float(2 * (called & (labels == 1)).sum() / (called.sum() + (labels == 1).sum()))


def for_recall(probabilities: NDArray[np.float64], labels: NDArray[np.int64], recall: float) -> Threshold:
    """The highest threshold with a recall of at least `recall`, 0…1. Other arguments as for `best_f1`."""
    found = counts(probabilities, labels)
    reached = found.hits / (found.hits + found.misses)
    place = int(np.flatnonzero(reached >= recall)[-1])  # the lowest threshold finds all
    return _chosen(found, place, reached, f"recall of at least {recall:g}", len(labels))


def least_cost(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], false_alarm: float, miss: float
) -> Threshold:
    """The threshold with the least mean cost of an image; of several, the highest.

    Args:
        probabilities: (N,), P(anomalous).
        labels: (N,), 0 normal and 1 anomalous, with at least one anomalous image.
        false_alarm: cost of calling a normal image anomalous.
        miss: cost of calling an anomalous image normal.
    """
    found = counts(probabilities, labels)
    cost = (false_alarm * found.false_alarms + miss * found.misses) / len(labels)
    words = f"least cost of false alarms ({false_alarm:g} each) and misses ({miss:g} each)"
    return _chosen(found, _last_best(-cost), cost, words, len(labels))


def counts(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> Counts:
    """The counts at every threshold that changes them. Arguments as for `best_f1`."""
    values, place = np.unique(probabilities, return_inverse=True)
    positives = np.bincount(place, labels, len(values)).astype(np.int64)
    every = np.bincount(place, minlength=len(values))
    lowest = values[0] / 2 if values[0] > 0 else BELOW_ALL
    # The mean of two neighbouring floats may be rounded to the upper one, which would not be above it.
    between = np.minimum((values[1:] + values[:-1]) / 2, np.nextafter(values[1:], values[:-1]))
    thresholds = np.concatenate([[lowest], between, [(values[-1] + 1) / 2]])
    misses = np.concatenate([[0], np.cumsum(positives)])
    normals_below = np.concatenate([[0], np.cumsum(every - positives)])
    return Counts(thresholds, misses[-1] - misses, normals_below[-1] - normals_below, misses)


def _last_best(figure: NDArray[np.float64]) -> int:
    return len(figure) - 1 - int(np.argmax(figure[::-1]))


def _chosen(found: Counts, place: int, figure: NDArray[np.float64], by: str, images: int) -> Threshold:
    return Threshold(float(found.thresholds[place]), by, images, float(figure[place]))
