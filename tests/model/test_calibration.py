"""One temperature: recovered where it is known, against another minimiser, and judged by what it has not seen."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import expit, logit
from torchmetrics.functional.classification import binary_calibration_error

from leanet.model.calibration import at_temperature, calibrate, calibration_error, fitted_temperature, reliability
from leanet.model.validation import Validation

Values = NDArray[np.float64]


def answers(count: int, overconfidence: float, seed: int = 0) -> tuple[Values, NDArray[np.int64]]:
    """Answers whose logits are `overconfidence` times those that the labels were drawn by."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-0.5, 2, count)
    labels = (rng.random(count) < expit(logits)).astype(np.int64)
    return expit(overconfidence * logits), labels


@pytest.mark.parametrize("overconfidence", [0.5, 1, 3])
def test_the_temperature_undoes_overconfidence(overconfidence: float) -> None:
    assert fitted_temperature(*answers(20_000, overconfidence)) == pytest.approx(overconfidence, rel=0.05)


def test_no_other_temperature_has_a_smaller_loss() -> None:
    probabilities, labels = answers(60, 2.5)
    logits, target = torch.from_numpy(logit(probabilities)), torch.from_numpy(labels).double()
    log_temperature = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_temperature], max_iter=200)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits / log_temperature.exp(), target)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert fitted_temperature(probabilities, labels) == pytest.approx(log_temperature.exp().item(), rel=1e-3)


def test_answers_that_are_all_right_are_left_as_they_are() -> None:
    probabilities, labels = np.array([0.1, 0.3, 0.7, 0.99]), np.array([0, 0, 1, 1])
    assert fitted_temperature(probabilities, labels) == 1
    assert at_temperature(probabilities, 1) is probabilities


def test_calibration_keeps_order_and_the_middle() -> None:
    probabilities = np.array([0.0, 1e-5, 0.2, 0.5, 0.8, 1.0])
    cooler = at_temperature(probabilities, 3)
    assert (np.diff(cooler) >= 0).all() and np.isfinite(cooler).all()
    assert cooler[3] == pytest.approx(0.5) and abs(cooler[4] - 0.5) < 0.3
    assert at_temperature(cooler, 1 / 3)[1:5] == pytest.approx(probabilities[1:5])


def test_the_error_is_torchmetrics_own() -> None:
    probabilities, labels = answers(500, 3)
    told = binary_calibration_error(torch.from_numpy(probabilities), torch.from_numpy(labels), n_bins=10, norm="l1")
    assert calibration_error(probabilities, labels) == pytest.approx(float(told), abs=1e-6)
    assert reliability(probabilities, labels).counts.sum() == 500


def validation(count: int, seed: int) -> Validation:
    probabilities, labels = answers(count, 3, seed)
    return Validation(probabilities, labels, tuple(str(place) for place in range(count)))


def test_overconfidence_is_seen_and_mended_on_images_that_the_temperature_has_not_seen() -> None:
    found = calibrate(validation(400, 1))
    assert found.crossfitted and found.images == 400
    assert found.after < 0.6 * found.before
    assert found.temperature == pytest.approx(3, rel=0.3)
    told = logit(validation(400, 1).probabilities)
    temperatures = (told / logit(found.probabilities))[np.abs(told) < 15].round(4)
    assert len(set(temperatures)) == 5


def test_an_image_that_two_folds_were_asked_about_is_on_one_side() -> None:
    once = validation(40, 2)
    twice = Validation(np.tile(once.probabilities, 2), np.tile(once.labels, 2), once.images * 2)
    found = calibrate(twice)
    assert found.probabilities[:40] == pytest.approx(found.probabilities[40:])


def test_too_few_images_are_said_to_be_judged_in_sample() -> None:
    few = Validation(np.array([0.6, 0.2, 0.7, 0.4]), np.array([0, 0, 1, 1]), ("a", "b", "c", "d"))
    found = calibrate(few)
    assert not found.crossfitted
    assert found.probabilities == pytest.approx(at_temperature(few.probabilities, found.temperature))
