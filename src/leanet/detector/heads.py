"""Both heads' evidence together: their mean, and weighed by what validation images say."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from leanet.data.batches import Tensors


def combined(evidence: Tensors) -> Tensor | None:
    """P(anomalous) (N,) by the mean of the ADN's and CAAN's logits; None without a CAAN that has a head."""
    both = _both(evidence)
    return None if both is None else torch.sigmoid(both.mean(1)).float()


def weighted(evidence: Tensors, validation: Tensors, labels: Tensor) -> Tensor | None:
    """P(anomalous) (N,) by a logistic regression of the labels (V,) on the validation images' two logits.

    Its loss is the sum over the V images, with half the weights' squares as the penalty: scikit-learn's default.
    None where one of the two has no CAAN's head, or no images.
    """
    both, known = _both(evidence), _both(validation)
    if both is None or known is None:
        return None
    weights, bias = _regression(known, labels)
    return torch.sigmoid(both @ weights + bias).float()


def _both(evidence: Tensors) -> Tensor | None:
    """(N, 2) float64."""
    if not {"adn", "caan"} <= evidence.keys():
        return None
    return torch.stack([evidence["adn"], evidence["caan"]], dim=1).double()


def _regression(known: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (2,) and bias of a logistic regression on (V, 2)."""
    weights, bias = known.new_zeros(2, requires_grad=True), known.new_zeros((), requires_grad=True)
    optimizer = torch.optim.LBFGS([weights, bias], max_iter=200, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        found = binary_cross_entropy_with_logits(known @ weights + bias, labels.double(), reduction="sum")
        found = found + weights.square().sum() / 2
        found.backward()  # type: ignore[no-untyped-call]
        return found

    with torch.enable_grad():
        optimizer.step(loss)  # type: ignore[no-untyped-call]
    return weights.detach(), bias.detach()
