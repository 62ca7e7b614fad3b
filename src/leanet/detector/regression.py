"""Logistic regression of few features: exact, and the same each time."""

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

LEAST_SLOPE = 1e-3  # by a standard deviation; the answers move by less than .001
NOISE = 1e-4  # what a feature varies by, at most, that says nothing: a* and b* of grey images in single precision


class LogisticRegression(nn.Module):
    """Features (B, F) → (B, 2) logits of normal and anomalous, once it is fitted; the features are standardised.

    Args:
        count: F.
        rising: whether each feature is known to grow with what is anomalous, so that its weight is above 0 whatever the
            labels say: of a single feature the ranking stays its own.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, count: int, rising: bool = False) -> None:
        super().__init__()
        self.rising = rising
        self.linear = nn.Linear(count, 1)
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("deviation", torch.ones(count))

    def forward(self, features: Tensor) -> Tensor:
        evidence = self.linear((features - self.mean) / self.deviation)
        return torch.cat([-evidence, evidence], dim=1)

    @torch.no_grad()
    def fit(self, features: Tensor, labels: Tensor) -> None:
        """As scikit-learn's StandardScaler and LogisticRegression at their defaults do, to features (N, F).

        Args:
            labels: (N,), 0 or 1, both present.
        """
        known = features.double()
        deviation, mean = torch.std_mean(known, dim=0, correction=0)
        deviation = torch.where(deviation > NOISE, deviation, 1)
        weights, bias = regression((known - mean) / deviation, labels)
        if self.rising and weights.min() <= 0:
            weights, bias = weights.clamp(min=LEAST_SLOPE), torch.logit(labels.double().mean())
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)
        self.linear.weight.copy_(weights)
        self.linear.bias.copy_(bias)


def regression(known: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (F,) and bias of a logistic regression of the labels (N,) on `known` (N, F) float64.

    Its loss is the sum over the N rows, with half the weights' squares as the penalty: scikit-learn's default.
    """
    weights, bias = known.new_zeros(known.shape[1], requires_grad=True), known.new_zeros((), requires_grad=True)
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
