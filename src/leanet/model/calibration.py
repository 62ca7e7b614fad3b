"""Temperature scaling of probabilities, and the calibration error before and after (Guo et al. 2017).

scikit-learn's calibration_curve returns no counts, which the error weights its bins by, and torchmetrics needs torch.
"""

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
_SURE = 1e-7  # distance from 0 and 1 to which probabilities are clipped, so that float32 logits are finite

Values = NDArray[np.float64]


class Calibration(NamedTuple):
    """A fitted temperature T and its effect on the validation images' probabilities.

    Args:
        temperature: the divisor of logits; above 1 if the networks were overconfident.
        images: the number of validation predictions it was fitted on.
        before: expected calibration error without the temperature, 0…1.
        after: expected calibration error with it, 0…1; cross-fitted if there are enough images.
        crossfitted: whether each image in `after` was calibrated by a temperature fitted on other images.
        probabilities: (N,), the calibrated probabilities of `after`.
    """

    temperature: float
    images: int
    before: float
    after: float
    crossfitted: bool
    probabilities: Values

    @property
    def facts(self) -> dict[str, float]:
        """The values that prediction.json records."""
        return {
            "temperature": self.temperature,
            "images": self.images,
            "error_before": self.before,
            "error_after": self.after,
            "crossfitted": self.crossfitted,
        }


class Reliability(NamedTuple):
    """The bins of a reliability diagram that are not empty; each field is (bins,).

    Args:
        predicted: mean probability.
        observed: share of anomalous images, 0…1.
        counts: number of predictions.
    """

    predicted: Values
    observed: Values
    counts: NDArray[np.int64]


def calibrate(validation: Validation) -> Calibration:
    """Fit the temperature on all validation predictions, and evaluate it by cross-fitting."""
    probabilities, labels = validation.probabilities, validation.labels
    temperature = fitted_temperature(probabilities, labels)
    unseen = _crossfitted(validation)
    after = at_temperature(probabilities, temperature) if unseen is None else unseen
    before = calibration_error(probabilities, labels)
    return Calibration(temperature, len(labels), before, calibration_error(after, labels), unseen is not None, after)


def at_temperature(probabilities: Values, temperature: float) -> Values:
    """Calibrate probabilities: σ(logit / T).

    Args:
        probabilities: P(anomalous), of any shape.
        temperature: T.

    Returns:
        calibrated probabilities of the same shape.
    """
    if temperature == 1:
        return probabilities
    calibrated: Values = expit(logit(np.clip(probabilities, _SURE, 1 - _SURE)) / temperature)
    return calibrated


def fitted_temperature(probabilities: Values, labels: NDArray[np.int64]) -> float:
    """Fit the temperature by maximum likelihood, within bounds.

    If all predictions are right, it is 1: the likelihood would increase without limit as T goes to 0.

    Args:
        probabilities: (N,), P(anomalous).
        labels: (N,), 0 normal and 1 anomalous.
    """
    if ((probabilities > 0.5) == (labels == 1)).all():
        return 1.0
    logits = logit(np.clip(probabilities, _SURE, 1 - _SURE)) * np.where(labels == 1, 1, -1)

    def loss(log_temperature: float) -> float:
        return float(np.logaddexp(0, -logits / np.exp(log_temperature)).mean())

    found = minimize_scalar(loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def calibration_error(probabilities: Values, labels: NDArray[np.int64]) -> float:
    """Expected calibration error with 10 bins of equal width.

    Args:
        probabilities: (N,), P(anomalous).
        labels: (N,), 0 normal and 1 anomalous.

    Returns:
        the mean over images of the difference between mean probability and share of anomalous images in their bin, 0…1.
    """
    found = reliability(probabilities, labels)
    return float((found.counts * np.abs(found.predicted - found.observed)).sum() / found.counts.sum())


def reliability(probabilities: Values, labels: NDArray[np.int64]) -> Reliability:
    """The bins of the reliability diagram. Arguments as for `calibration_error`."""
    place = np.clip((probabilities * BINS).astype(np.int64), 0, BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    there = counts > 0
    sums = [np.bincount(place, values, BINS)[there] for values in (probabilities, labels)]
    return Reliability(sums[0] / counts[there], sums[1] / counts[there], counts[there])


def _crossfitted(validation: Validation) -> Values | None:
    """Each probability, calibrated by a temperature fitted on other images; None if a class has too few images."""
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
