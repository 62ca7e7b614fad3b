"""How good a detector is: F1, AUROC, average precision, and what they are worth."""

from typing import Any

from torch import Tensor
from torchmetrics.functional.classification import binary_auroc, binary_average_precision, binary_f1_score

from leanet.data.images import THRESHOLD


def scores(probabilities: Tensor, labels: Tensor) -> dict[str, Any]:
    """F1 at 0.5, AUROC and average precision of P(anomalous) (N,) against labels (N,), both classes present.

    `collapsed` says that all images got the same answer.
    """
    answers = probabilities > THRESHOLD
    return {
        "f1": _score(binary_f1_score(probabilities, labels, threshold=THRESHOLD)),
        "auroc": _score(binary_auroc(probabilities, labels)),
        "ap": _score(binary_average_precision(probabilities, labels)),
        "collapsed": bool(answers.all() or not answers.any()),
    }


def _score(value: Tensor) -> float:
    """Without the noise of float32, in which an AUROC of 1 can be 1.0000001."""
    return min(round(float(value), 6), 1.0)


def floor(labels: Tensor) -> float:
    """F1 of always answering "positive": 2q / (1 + q) with q the share of positives."""
    share = float(labels.float().mean())
    return 2 * share / (1 + share)
