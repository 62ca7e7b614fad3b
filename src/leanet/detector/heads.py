"""ADN and CAAN combined: the mean of their logits, and a mean weighted by validation images."""

import torch
from torch import Tensor

from leanet.detector.regression import regression
from leanet.training.batches import Tensors


def combined(evidence: Tensors) -> Tensor | None:
    """P(anomalous) by the mean of the ADN's and the CAAN's logits.

    Args:
        evidence: logits of anomalous, (N,) by head.

    Returns:
        (N,) in 0…1; None without a CAAN that has a head.
    """
    both = _both(evidence)
    return None if both is None else torch.sigmoid(both.mean(1)).float()


def weighted(evidence: Tensors, validation: Tensors, labels: Tensor) -> Tensor | None:
    """P(anomalous) by a logistic regression on both heads' logits, fitted to validation images.

    Args:
        evidence: logits of anomalous, (N,) by head.
        validation: those of the validation images, (V,) by head.
        labels: (V,), 0 normal and 1 anomalous.

    Returns:
        (N,) in 0…1; None without a CAAN that has a head, or without validation images.
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
