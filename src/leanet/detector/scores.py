"""Scores of a detector: F1, AUROC and average precision, and the floor that F1 is compared with."""

from typing import Any

from torch import Tensor
from torchmetrics.functional.classification import binary_auroc, binary_average_precision, binary_f1_score

from leanet.data.images import THRESHOLD


def scores(probabilities: Tensor, labels: Tensor) -> dict[str, Any]:
    """F1 at the threshold 0.5, AUROC and average precision.

    Args:
        probabilities: (N,), P(anomalous) in 0…1.
        labels: (N,), 0 normal and 1 anomalous; both must occur.

    Returns:
        `f1`, `auroc` and `ap` in 0…1; `collapsed`, whether all images got the same prediction.
    """
    answers = probabilities > THRESHOLD
    return {
        "f1": _score(binary_f1_score(probabilities, labels, threshold=THRESHOLD)),
        "auroc": _score(binary_auroc(probabilities, labels)),
        "ap": _score(binary_average_precision(probabilities, labels)),
        "collapsed": bool(answers.all() or not answers.any()),
    }


def _score(value: Tensor) -> float:
    """Rounded, since in float32 an AUROC of 1 can be 1.0000001."""
    return min(round(float(value), 6), 1.0)


def floor(labels: Tensor) -> float:
    """F1 of calling every image positive: 2q / (1 + q), with q the share of positives.

    Args:
        labels: (N,), 0 normal and 1 anomalous.
    """
    share = float(labels.float().mean())
    return 2 * share / (1 + share)
