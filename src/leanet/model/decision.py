"""From probabilities to decisions: the threshold, and whether probabilities are calibrated. Imports no torch."""

from dataclasses import dataclass

from leanet.detector import threshold as thresholds
from leanet.detector.threshold import Threshold
from leanet.model.calibration import Calibration, at_temperature, calibrate
from leanet.model.find import FoundModel
from leanet.model.validation import Validation, validation_of


@dataclass(frozen=True)
class DecisionRule:
    """What a person asks for.

    threshold: a number, or one of `threshold.RULES`.
    recall: the share of anomalous images to be found, of the rule `recall`.
    false_alarm, miss: what each costs, of the rule `cost`.
    calibrated: whether by a temperature.
    """

    threshold: float | str = 0.5
    recall: float = 0.95
    false_alarm: float = 1.0
    miss: float = 1.0
    calibrated: bool = False

    @property
    def needs_validation(self) -> bool:
        return self.calibrated or isinstance(self.threshold, str)

    @property
    def purpose(self) -> str:
        """What validation images are needed for, in the words that people type."""
        return "calibration=temperature" if self.calibrated else f"threshold={self.threshold}"


@dataclass(frozen=True)
class Decision:
    """What came of a rule: the threshold, and the calibration with the images it comes from if there is one."""

    threshold: Threshold
    calibration: Calibration | None = None
    validation: Validation | None = None

    @property
    def temperature(self) -> float:
        return self.calibration.temperature if self.calibration else 1.0


def decide(rule: DecisionRule, found: FoundModel) -> Decision:
    """The decision by `rule` for a run, a model or a cell, on its validation images where it needs some.

    Raises:
        LeanetError: it needs some, and there are none.
    """
    if not rule.needs_validation:
        return Decision(thresholds.given(float(rule.threshold)))
    validation = validation_of([member.folder for member in found.members], rule.purpose)
    if not rule.calibrated:
        return Decision(_threshold(rule, validation))
    calibration = calibrate(validation)
    calibrated = at_temperature(validation.probabilities, calibration.temperature)
    warmer = Validation(calibrated, validation.labels, validation.images)
    return Decision(_threshold(rule, warmer), calibration, validation)


def _threshold(rule: DecisionRule, validation: Validation) -> Threshold:
    if not isinstance(rule.threshold, str):
        return thresholds.given(float(rule.threshold))
    known = validation.probabilities, validation.labels
    if rule.threshold == "recall":
        return thresholds.for_recall(*known, rule.recall)
    if rule.threshold == "cost":
        return thresholds.least_cost(*known, rule.false_alarm, rule.miss)
    return thresholds.best_f1(*known)
