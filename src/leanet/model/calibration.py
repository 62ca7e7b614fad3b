"""Probabilities that mean what they say: one temperature for all logits, and how well it does (Guo et al. 2017)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from leanet.data.folds import stratified_folds
from leanet.model.validation import Validation

BINS = 10
COLDEST, HOTTEST = 0.05, 20.0
_FOLDS = 5
_SURE = 1e-7  # as near to 0 and 1 as float32 lets a sigmoid come with its logit still known

Values = NDArray[np.float64]


class Calibration(NamedTuple):
    """A temperature T, and what it does to the validation images' probabilities.

    Args:
        temperature: logits are divided by it; above 1 the networks were surer than they were right.
        images: how many validation answers it was fitted on.
        before, after: expected calibration error, 0…1. `after` is of probabilities each of which was calibrated by a
            temperature that had not seen its image, where there are enough images for that.
        crossfitted: whether there were.
        probabilities: (N,) those behind `after`.
    """

    temperature: float
    images: int
    before: float
    after: float
    crossfitted: bool
    probabilities: Values

    @property
    def facts(self) -> dict[str, float]:
        """For prediction.json."""
        return {
            "temperature": self.temperature,
            "images": self.images,
            "error_before": self.before,
            "error_after": self.after,
            "crossfitted": self.crossfitted,
        }


class Reliability(NamedTuple):
    """The answers in bins of equal width: of each that has some, their mean probability, the share that is anomalous,
    and how many they are; all (bins,)."""

    predicted: Values
    observed: Values
    counts: NDArray[np.int64]


def calibrate(validation: Validation) -> Calibration:
    """Fit the temperature on all validation answers, and judge it by cross-fitting."""
    probabilities, labels = validation.probabilities, validation.labels
    temperature = fitted_temperature(probabilities, labels)
    unseen = _crossfitted(validation)
    after = at_temperature(probabilities, temperature) if unseen is None else unseen
    before = calibration_error(probabilities, labels)
    return Calibration(temperature, len(labels), before, calibration_error(after, labels), unseen is not None, after)


def at_temperature(probabilities: Values, temperature: float) -> Values:
    """P(anomalous) at a temperature: σ(logit / T)."""
    if temperature == 1:
        return probabilities
    calibrated: Values = expit(logit(np.clip(probabilities, _SURE, 1 - _SURE)) / temperature)
    return calibrated


def fitted_temperature(probabilities: Values, labels: NDArray[np.int64]) -> float:
    """The temperature of the least negative log-likelihood, within bounds.

    1 where all answers are right: the likelihood would grow for ever the colder it gets, and says nothing about doubt.
    """
    if ((probabilities > 0.5) == (labels == 1)).all():
        return 1.0
    logits = logit(np.clip(probabilities, _SURE, 1 - _SURE)) * np.where(labels == 1, 1, -1)

    def loss(log_temperature: float) -> float:
        return float(np.logaddexp(0, -logits / np.exp(log_temperature)).mean())

    found = minimize_scalar(loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def calibration_error(probabilities: Values, labels: NDArray[np.int64]) -> float:
    """Expected calibration error: by how much probability and share of anomalous images differ, bin by bin."""
    found = reliability(probabilities, labels)
    return float((found.counts * np.abs(found.predicted - found.observed)).sum() / found.counts.sum())


def reliability(probabilities: Values, labels: NDArray[np.int64]) -> Reliability:
    """The reliability diagram's bins."""
    place = np.clip((probabilities * BINS).astype(np.int64), 0, BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    there = counts > 0
    sums = [np.bincount(place, values, BINS)[there] for values in (probabilities, labels)]
    return Reliability(sums[0] / counts[there], sums[1] / counts[there], counts[there])


def _crossfitted(validation: Validation) -> Values | None:
    """Each probability at a temperature that was fitted on other images; None where a class has too few of them."""
    counts = [
        len({i for i, k in zip(validation.images, validation.labels, strict=True) if k == label}) for label in (0, 1)
    ]
    if min(counts) < _FOLDS:
        return None
    fold_of = stratified_folds(validation.labels, validation.images, _FOLDS, split_seed=0)
    calibrated = np.empty(len(validation))
    for fold in range(1, _FOLDS + 1):
        held, others = fold_of == fold, fold_of != fold
        temperature = fitted_temperature(validation.probabilities[others], validation.labels[others])
        calibrated[held] = at_temperature(validation.probabilities[held], temperature)
    return calibrated
