"""Choose the threshold and the calibration of a model. Imports no torch."""

from dataclasses import dataclass

from leanet.config.checked import check
from leanet.config.rules import POSITIVE, SHARE, Rule
from leanet.detector import threshold as thresholds
from leanet.detector.threshold import RULES, Threshold
from leanet.model.calibration import Calibration, at_temperature, calibrate
from leanet.model.find import FoundModel
from leanet.model.validation import Validation, validation_of

THRESHOLD = Rule(
    lambda v: v in RULES or (type(v) in (int, float) and 0 <= v <= 1),
    f"a number from 0 to 1, {', '.join(RULES)}",
    dict.fromkeys(RULES, ""),
)


@dataclass(frozen=True)
class DecisionRule:
    """How the threshold is chosen, and whether probabilities are calibrated.

    Args:
        threshold: a number, or one of `threshold.RULES`.
        recall: for the rule `recall`, the share of anomalous images to find, 0…1.
        false_alarm: for the rule `cost`, the cost of a false alarm.
        miss: for the rule `cost`, the cost of a miss.
        calibrated: whether logits are divided by a fitted temperature.

    Raises:
        LeanetError: a value out of its range.
    """

    threshold: float | str = 0.5
    recall: float = 0.95
    false_alarm: float = 1.0
    miss: float = 1.0
    calibrated: bool = False

    def __post_init__(self) -> None:
        check("threshold", self.threshold, THRESHOLD)
        check("recall", self.recall, SHARE)
        check("false_alarm", self.false_alarm, POSITIVE)
        check("miss", self.miss, POSITIVE)

    @property
    def needs_validation(self) -> bool:
        """Whether the rule needs predictions of validation images."""
        return self.calibrated or isinstance(self.threshold, str)

    @property
    def purpose(self) -> str:
        """The setting that needs validation images, as it is typed on the command line."""
        return "calibration=temperature" if self.calibrated else f"threshold={self.threshold}"


@dataclass(frozen=True)
class Decision:
    """The result of a rule.

    Args:
        threshold: the chosen threshold.
        calibration: the fitted calibration; None without one.
        validation: the predictions that the calibration was fitted on; None without one.
    """

    threshold: Threshold
    calibration: Calibration | None = None
    validation: Validation | None = None

    @property
    def temperature(self) -> float:
        """The divisor of logits; 1 without calibration."""
        return self.calibration.temperature if self.calibration else 1.0


def decide(rule: DecisionRule, found: FoundModel) -> Decision:
    """Apply a rule to a run, a model or a cell.

    Args:
        rule: how to decide.
        found: the run, model or cell, whose validation images are used if the rule needs some.

    Raises:
        LeanetError: the rule needs validation images and there are none.
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
