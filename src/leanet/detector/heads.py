"""Both heads' evidence together: their mean, and weighed by what validation images say."""

import torch
from torch import Tensor

from leanet.detector.regression import regression
from leanet.training.batches import Tensors


def combined(evidence: Tensors) -> Tensor | None:
    """P(anomalous) (N,) by the mean of the ADN's and CAAN's logits; None without a CAAN that has a head."""
    both = _both(evidence)
    return None if both is None else torch.sigmoid(both.mean(1)).float()


def weighted(evidence: Tensors, validation: Tensors, labels: Tensor) -> Tensor | None:
    """P(anomalous) (N,) by a logistic regression of the labels (V,) on the validation images' two logits.

    None where one of the two has no CAAN's head, or no images.
    """
    both, known = _both(evidence), _both(validation)
    if both is None or known is None:
        return None
    weights, bias = regression(known, labels)
    return torch.sigmoid(both @ weights + bias).float()


def _both(evidence: Tensors) -> Tensor | None:
    """(N, 2) float64."""
    if not {"adn", "caan"} <= evidence.keys():
        return None
    return torch.stack([evidence["adn"], evidence["caan"]], dim=1).double()
